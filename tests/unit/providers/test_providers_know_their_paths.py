"""What speaks to Stripe is in providers/stripe, so that another provider can stand beside it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import stripe_billing_router

PACKAGE = Path(stripe_billing_router.__file__).parent
STRIPES = ("providers/stripe/", "sandbox/")
VAULTS = ("keys/vault/",)
PATH = re.compile(r"/v1/")
ID = re.compile(r"(pi|ch|py|in|cus|sub|evt|re|cs|prod|price|acct|pm|si|seti)_")


def _texts(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def _files_with(pattern: re.Pattern[str], below: str = "") -> set[str]:
    return {
        name
        for path in (PACKAGE / below).rglob("*.py")
        if not (name := path.relative_to(PACKAGE).as_posix()).startswith((*STRIPES, *VAULTS))
        and any(pattern.match(text) for text in _texts(path))
    }


def test_only_the_provider_and_the_sandbox_know_stripes_paths() -> None:
    assert _files_with(PATH) == set()


def test_the_engine_knows_no_path_and_no_prefix_of_an_id() -> None:
    assert _files_with(PATH, "engine") | _files_with(ID, "engine") == set()
