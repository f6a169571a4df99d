"""Imports by name: functions that import what they are told to, and `sys.modules`."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Final

from .folding import Folder
from .modules import MESSAGES, OURS, rule_of, rule_of_text
from .names import Names
from .scopes import Scope
from .survey import Survey
from .violations import Violation

_LOOKUPS: Final = frozenset({"get", "pop", "setdefault", "__getitem__"})
_NAME_ARGUMENTS: Final = frozenset(
    ["name", "modname", "mod_name", "fullname", "path", "dotted_path", None]
)
_FROMLIST: Final = 3


def imports_by_name(survey: Survey, names: Names, folder: Folder) -> Iterator[Violation]:
    """Yield the imports of modules that are named by texts."""
    finder = _Finder(names, folder)
    for node, scope in survey.each(ast.Call):
        yield from _violations(node, finder.rules_of_call(node, scope))
    for node, scope in survey.each(ast.Subscript):
        yield from _violations(node, finder.rules_of_lookup(node.value, node.slice, scope))


def _violations(node: ast.expr, rules: Iterator[str]) -> Iterator[Violation]:
    for rule in sorted(set(rules)):
        yield Violation(rule, node, MESSAGES[rule])


class _Finder:
    def __init__(self, names: Names, folder: Folder) -> None:
        self._names = names
        self._folder = folder

    def rules_of_call(self, call: ast.Call, scope: Scope) -> Iterator[str]:
        if self._names.imports_by_name(call.func, scope):
            yield from self._rules_of_import(call, scope)
        elif any(self._names.imports_by_name(argument, scope) for argument in call.args):
            # partial(import_module, "…"), map(import_module, […]), pool.submit(import_module, "…")
            for argument in call.args:
                yield from self._rules_of_value(argument, scope)
        if isinstance(call.func, ast.Attribute) and call.func.attr in _LOOKUPS and call.args:
            yield from self.rules_of_lookup(call.func.value, call.args[0], scope)

    def rules_of_lookup(self, owner: ast.expr, key: ast.expr, scope: Scope) -> Iterator[str]:
        """`sys.modules[key]`."""
        if "sys.modules" in self._names.of(owner, scope):
            yield from self._rules_of_value(key, scope)

    def _rules_of_import(self, call: ast.Call, scope: Scope) -> Iterator[str]:
        keywords = {keyword.arg: keyword.value for keyword in call.keywords}
        named = [word.value for word in call.keywords if word.arg in _NAME_ARGUMENTS]
        package = keywords.get("package") or (call.args[1] if len(call.args) > 1 else None)
        packages = self._folder.strings(package, scope) if package is not None else [""]
        for argument in [*call.args[:1], *named]:
            for one in packages:
                yield from self._rules_of_value(argument, scope, one)
        fromlist = keywords.get("fromlist") or (call.args + [None] * 4)[_FROMLIST]
        if call.args and fromlist is not None:
            yield from self._rules_of_members(call.args[0], fromlist, scope)

    def _rules_of_value(self, node: ast.expr, scope: Scope, package: str = "") -> Iterator[str]:
        elements = ["".join(text) for text in self._folder.one_of(node, scope)]
        for text in [*self._folder.strings(node, scope), *elements]:
            rule = rule_of_text(text, package)
            if rule is not None:
                yield rule

    def _rules_of_members(self, module: ast.expr, members: ast.expr, scope: Scope) -> Iterator[str]:
        """`__import__("package", fromlist=["module"])`."""
        for package in self._folder.strings(module, scope):
            for member in self._folder.one_of(members, scope):
                rule = rule_of(f"{package}.{''.join(member)}") if package == OURS else None
                if rule is not None:
                    yield rule
