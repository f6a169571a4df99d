"""Runs the Python of a document."""

from __future__ import annotations

import ast
import contextlib
import inspect
import io
import re
from typing import Any

from tests.acceptance.documents.output import assert_shown
from tests.acceptance.documents.pages import Block

_TOLD = re.compile(r"^\s*print\(.*\)  # (.+)$", re.MULTILINE)


class _Strict(ast.NodeTransformer):
    """An example that shows an error has to raise it; a function only may."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return node

    def visit_Try(self, node: ast.Try) -> ast.AST:
        self.generic_visit(node)
        if not node.orelse and not node.finalbody:
            node.orelse = ast.parse("raise AssertionError('no error was raised')").body
        return ast.fix_missing_locations(node)


def run_python(block: Block, names: dict[str, Any]) -> None:
    """Run a block, and the tests that it defines; a comment behind `print(…)` is what it prints."""
    tree = _Strict().visit(ast.parse("\n" * block.line + block.text))
    before = dict(names)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(tree, block.page, "exec"), names)  # noqa: S102 - our own documents
    told = _TOLD.findall(block.text)
    if told:
        assert_shown(told, printed.getvalue(), str(block))
    for name, test in names.items():
        if name.startswith("test_") and before.get(name) is not test:
            assert not inspect.signature(test).parameters, f"{block}: {name} wants fixtures"
            test()


def assert_readable(block: Block) -> None:
    """Lines of a block fit on a page."""
    assert max(map(len, block.text.splitlines())) <= 100, f"{block} has lines over 100 characters"
