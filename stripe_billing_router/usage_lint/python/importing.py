"""Import statements, and attributes that lead to the same modules."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Final

from ..findings import OPERATORS_IMPORT
from .modules import MESSAGES, OURS, is_for_people, rule_of
from .names import Names
from .scopes import Scope
from .survey import Survey
from .violations import Violation

_LAST_PARTS: Final = frozenset({"operators", "stripe"})


def imports(survey: Survey, names: Names) -> Iterator[Violation]:
    """Yield what is imported and should not be."""
    found = [*_statements(survey)]
    yield from found
    told = {violation.rule for violation in found}
    for violation in _attributes(survey, names):
        if violation.rule not in told:
            yield violation


def _statements(survey: Survey) -> Iterator[Violation]:
    for node, _ in survey.each(ast.Import):
        for alias in node.names:
            yield from _violation(alias.name, alias)
    for node, _ in survey.each(ast.ImportFrom):
        module = "." * node.level + (node.module or "")
        if rule_of(module):
            yield from _violation(module, node)
        else:
            for alias in node.names:
                yield from _violation(f"{module}.{alias.name}", alias)


def _violation(module: str, node: ast.AST) -> Iterator[Violation]:
    rule = rule_of(module)
    if rule is not None:
        yield Violation(rule, node, MESSAGES[rule])


def _attributes(survey: Survey, names: Names) -> Iterator[Violation]:
    """`stripe_billing_router.operators`, however the package is called here."""
    for node, scope in survey.each(ast.Attribute):
        if node.attr in _LAST_PARTS:
            yield from _leading_to(node, scope, names)
    for node, scope in survey.each(ast.Call):
        if isinstance(node.func, ast.Name) and node.func.id == "getattr":
            yield from _leading_to(node, scope, names)


def _leading_to(node: ast.expr, scope: Scope, names: Names) -> Iterator[Violation]:
    for name in names.of(node, scope):
        if OURS in name.split("."):
            rule = OPERATORS_IMPORT if is_for_people(name) else rule_of(name)
            if rule is not None:
                yield Violation(rule, node, MESSAGES[rule])
