"""docs/architecture.md names files that are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import stripe_billing_router

ROOT = Path(__file__).parents[2]
PACKAGE = Path(stripe_billing_router.__file__).parent
TEXT = (ROOT / "docs/architecture.md").read_text()
_PATH = re.compile(r"`([a-z_./]+(?:\.(?:py|md|yml|yaml)|/))`")


@pytest.mark.parametrize("path", sorted(set(_PATH.findall(TEXT))))
def test_a_file_that_is_named_is_there(path: str) -> None:
    assert (PACKAGE / path).exists() or (ROOT / path).exists()
