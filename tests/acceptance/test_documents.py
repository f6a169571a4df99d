"""Every Python example of the documents runs, and every row of their tables is backed by one."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import stripe_billing_router
from stripe_billing_router.config.template import template
from stripe_billing_router.verbs import VERBS

ROOT = Path(__file__).parents[2]
DOCUMENTS = ("README.md", "docs/verbs.md")
SHARED = {"bot_id", "overrides", "idempotency_key", "metadata", "**params"}


@dataclass
class Section:
    """What stands under one heading of the second level; `title` is empty before the first."""

    title: str
    first_line: int
    blocks: list[tuple[int, str]] = field(default_factory=list)
    tables: list[list[list[str]]] = field(default_factory=list)

    @property
    def source(self) -> str:
        return "\n".join(code for _, code in self.blocks)


def sections(document: str) -> list[Section]:
    """Read a document; its first section is what stands before the first heading."""
    found = [Section("", 1)]
    lines = iter(enumerate((ROOT / document).read_text().splitlines(), 1))
    for number, line in lines:
        if line.startswith("## "):
            found.append(Section(line[3:], number))
        elif line.startswith("```"):
            code = _until_fence(lines)
            if line == "```python":
                found[-1].blocks.append((number, code))
        elif line.startswith("|"):
            _add_row(found[-1], [cell.strip() for cell in line.strip("|").split("|")])
        elif found[-1].tables and found[-1].tables[-1]:
            found[-1].tables.append([])
    return found


def _until_fence(lines: Iterator[tuple[int, str]]) -> str:
    code = []
    for _, line in lines:
        if line == "```":
            break
        code.append(line)
    return "\n".join(code)


def _add_row(section: Section, cells: list[str]) -> None:
    if not section.tables:
        section.tables.append([])
    if not set("".join(cells)) <= set("-: "):
        section.tables[-1].append(cells)


def rows(section: Section, heading: str | None = None) -> Iterator[list[str]]:
    """Yield the rows of a section's tables, or of those whose first column has this heading."""
    for table in section.tables:
        if table and heading in (None, table[0][0]):
            yield from table[1:]


def name_in(cell: str) -> str:
    """The code in a cell, such as `amount`."""
    found = re.search(r"`([^`]+)`", cell)
    assert found, f"a row begins without a name: {cell}"
    return found.group(1)


GROUPS = [(document, section) for document in DOCUMENTS for section in sections(document)[1:]]
VERB_SECTIONS = {
    s.title: s for s in sections("docs/verbs.md") if hasattr(stripe_billing_router, s.title)
}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder as `stripe-billing-router init` leaves it."""
    (tmp_path / "config").mkdir()
    (tmp_path / "config/stripe_billing_router.yaml").write_text(template())
    monkeypatch.chdir(tmp_path)


class Strict(ast.NodeTransformer):
    """An example that shows an error has to raise it."""

    def visit_Try(self, node: ast.Try) -> ast.AST:
        self.generic_visit(node)
        if not node.orelse and not node.finalbody:
            node.orelse = ast.parse("raise AssertionError('no error was raised')").body
        return ast.fix_missing_locations(node)


def run(document: str, section: Section, names: dict[str, Any]) -> None:
    for number, code in section.blocks:
        tree = Strict().visit(ast.parse("\n" * number + code))
        exec(compile(tree, document, "exec"), names)  # noqa: S102 - our own documents


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize(("document", "section"), GROUPS, ids=[f"{d}-{s.title}" for d, s in GROUPS])
def test_the_examples_of_a_section_run_in_order(document: str, section: Section) -> None:
    names: dict[str, Any] = {"__name__": document}
    run(document, sections(document)[0], names)
    run(document, section, names)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_documents_have_examples(document: str) -> None:
    assert sum(len(section.blocks) for section in sections(document)) >= 3


@pytest.mark.parametrize("section", sections("docs/verbs.md")[1:], ids=lambda s: s.title)
def test_every_row_of_every_table_is_backed_by_an_example(section: Section) -> None:
    dotted = set(re.findall(r"[A-Za-z_][A-Za-z_.]*", section.source))
    words = dotted | {part for name in dotted for part in name.split(".")}
    for row in rows(section):
        name = name_in(row[0])
        assert name.lstrip("*") in words, name


@pytest.mark.parametrize(
    "verb",
    [
        *VERBS,
        "get_balance",
        "cancel",
        "iter_master_events",
        "validate_webhook_account",
        "explain",
        "verify_router",
    ],
)
def test_the_table_of_arguments_is_the_verb_s_signature(verb: str) -> None:
    signature = inspect.signature(getattr(stripe_billing_router, verb)).parameters
    told = {name_in(row[0]): row[3] for row in rows(VERB_SECTIONS[verb], "argument")}
    real = {_shown(parameter): _default(parameter) for parameter in signature.values()}
    if verb in VERBS:
        shared = {name_in(row[0]): row[3] for row in rows(sections("docs/verbs.md")[1], "argument")}
        assert shared == {name: real.pop(name) for name in SHARED}
    assert told == real


def _shown(parameter: inspect.Parameter) -> str:
    return f"**{parameter.name}" if parameter.kind is parameter.VAR_KEYWORD else parameter.name


def _default(parameter: inspect.Parameter) -> str:
    if parameter.kind is parameter.VAR_KEYWORD:
        return ""
    return "required" if parameter.default is parameter.empty else f"`{parameter.default!r}`"


@pytest.mark.parametrize("section", sections("docs/verbs.md")[1:], ids=lambda s: s.title)
def test_every_error_of_a_table_is_one_of_the_library_s(section: Section) -> None:
    for row in rows(section, "error"):
        assert issubclass(getattr(stripe_billing_router, name_in(row[0])), RuntimeError)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_examples_are_short_lines_of_valid_python(document: str) -> None:
    for section in sections(document):
        for number, code in section.blocks:
            ast.parse(code)
            assert max(map(len, code.splitlines())) <= 100, f"{document}:{number}"
