"""`docs/supported-versions.md` says what `pyproject.toml` and the code say."""

from __future__ import annotations

import re

from packaging.specifiers import SpecifierSet

from stripe_billing_router.providers.stripe.gateway import API_VERSION
from stripe_billing_router.sandbox import world
from tests.distribution.requirements import ROOT, oldest, project, requirements

TEXT = (ROOT / "docs/supported-versions.md").read_text()


def rows(heading: str) -> dict[str, str]:
    """Return the first two columns of the table under a heading."""
    section = TEXT.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    cells = [line.strip("| ").split(" | ") for line in section.splitlines() if line[:1] == "|"]
    return {row[0]: row[1] for row in cells[2:]}


def test_the_libraries_are_those_of_the_package_in_its_order() -> None:
    shown = {name: SpecifierSet(text.strip("`")) for name, text in rows("Libraries").items()}
    assert list(shown.items()) == [(needed.name, needed.specifier) for needed in requirements()]


def test_every_library_has_an_oldest_version() -> None:
    assert all(oldest(needed) for needed in requirements())


def test_the_pythons_are_those_of_the_classifiers() -> None:
    found = re.findall(r"Python :: (3\.\d+)", " ".join(project()["classifiers"]))
    assert list(rows("Python")) == found
    assert SpecifierSet(project()["requires-python"]) == SpecifierSet(f">={found[0]}")


def test_the_api_version_is_the_one_that_is_sent_and_played() -> None:
    assert re.findall(r"\d{4}-\d{2}-\d{2}\.\w+", TEXT) == [API_VERSION]
    assert world.SANDBOX_API_VERSION == API_VERSION


def test_the_commands_are_there() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"`make ([\w-]+)`", TEXT):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
