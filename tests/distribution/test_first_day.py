"""The installed package outside any repository, and where it was installed from."""

from __future__ import annotations

import os
import sysconfig
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

import stripe_billing_router
from tests.distribution.newcomer import first_day
from tests.distribution.requirements import ROOT, oldest, requirements

WHEEL = os.environ.get("TEST_WHEEL")
"""`locked` or `oldest` while the built wheel is tested: which libraries it is tested with."""


def test_a_newcomer_charges_and_verifies_with_the_readme_alone(tmp_path: Path) -> None:
    said = first_day(tmp_path, ROOT / "README.md")
    assert said.count("Charge(19.99 usd, succeeded, ") == 3
    assert "The ledger verifies. Entries: 1, streams: 1." in said


@pytest.mark.skipif(not WHEEL, reason="the sources are under test, not a wheel")
def test_the_package_under_test_is_the_wheel() -> None:
    installed = Path(sysconfig.get_path("purelib")) / "stripe_billing_router"
    assert Path(stripe_billing_router.__file__).parent == installed
    assert not (ROOT / "stripe_billing_router").exists()


@pytest.mark.skipif(WHEEL != "oldest", reason="the libraries are not the oldest")
@pytest.mark.parametrize("needed", requirements(), ids=lambda needed: needed.name)
def test_the_libraries_are_the_oldest_that_are_allowed(needed: Requirement) -> None:
    assert Version(distribution(needed.name).version) == Version(oldest(needed))
