"""docs/testing.md is a test module: pytest runs it in a project of a user's."""

from __future__ import annotations

import re

import pytest

from stripe_billing_router.config.template import template
from tests.acceptance.documents.pages import ROOT, sections

pytest_plugins = ["pytester"]

DOCUMENT = "docs/testing.md"
CODE = "\n\n".join(section.python for section in sections(DOCUMENT))


def test_every_recipe_runs(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nfilterwarnings = error\naddopts = -p no:cacheprovider\n")
    config = pytester.mkdir("config")
    (config / "stripe_billing_router.yaml").write_text(template())
    pytester.makepyfile(CODE)
    recipes = len(re.findall(r"^ *def test_", CODE, flags=re.MULTILINE))
    assert recipes >= 15
    pytester.runpytest_subprocess().assert_outcomes(passed=recipes)


def test_every_block_is_a_block_of_python() -> None:
    fences = re.findall(r"^```(\w*)$", (ROOT / DOCUMENT).read_text(), flags=re.MULTILINE)
    assert set(fences[::2]) == {"python"}


def test_examples_are_short_lines() -> None:
    assert max(map(len, CODE.splitlines())) <= 100
