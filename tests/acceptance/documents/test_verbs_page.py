"""docs/verbs.md: every row of its tables is backed by an example and by the code."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator

import pytest

import stripe_billing_router
from stripe_billing_router.providers.stripe.verbs import VERBS
from tests.acceptance.documents.pages import Section, sections

PAGE = "docs/verbs.md"
SHARED = {"bot_id", "overrides", "idempotency_key", "metadata", "**params"}


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


VERB_SECTIONS = {s.title: s for s in sections(PAGE) if hasattr(stripe_billing_router, s.title)}


@pytest.mark.parametrize("section", sections(PAGE)[1:], ids=lambda s: s.title)
def test_every_row_of_every_table_is_backed_by_an_example(section: Section) -> None:
    dotted = set(re.findall(r"[A-Za-z_][A-Za-z_.]*", section.python))
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
        shared = {name_in(row[0]): row[3] for row in rows(sections(PAGE)[1], "argument")}
        assert shared == {name: real.pop(name) for name in SHARED}
    assert told == real


def _shown(parameter: inspect.Parameter) -> str:
    return f"**{parameter.name}" if parameter.kind is parameter.VAR_KEYWORD else parameter.name


def _default(parameter: inspect.Parameter) -> str:
    if parameter.kind is parameter.VAR_KEYWORD:
        return ""
    return "required" if parameter.default is parameter.empty else f"`{parameter.default!r}`"


@pytest.mark.parametrize("section", sections(PAGE)[1:], ids=lambda s: s.title)
def test_every_error_of_a_table_is_one_of_the_library_s(section: Section) -> None:
    for row in rows(section, "error"):
        assert issubclass(getattr(stripe_billing_router, name_in(row[0])), RuntimeError)
