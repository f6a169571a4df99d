"""The lock files in `.ci`: what tests and checks are installed from, on every machine alike."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.distribution.requirements import OURS, ROOT, locked, oldest, project, requirements

LOCKS = ("requirements", "oldest")
LINE = re.compile(
    r"# .*|[a-z0-9-]+==[\w.]+( ; [\w .()<>=!']+)? \\|    --hash=sha256:[0-9a-f]{64}( \\)?"
)


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_file_holds_names_exact_versions_and_hashes_only(name: str) -> None:
    text = (ROOT / f".ci/{name}.lock").read_text()
    assert [line for line in text.splitlines() if not LINE.fullmatch(line)] == []
    assert "://" not in text
    assert not re.search(r"==[^\n]* \\\n(?!    --hash=)", text)


def test_what_tests_and_checks_need_is_locked_as_it_is_allowed() -> None:
    lists = [needs for name, needs in project()["optional-dependencies"].items() if name in OURS]
    needed = [Requirement(text) for needs in lists for text in needs]
    pinned = {pin.name: pin for pin in locked("requirements")}
    for requirement in [*requirements(), *needed]:
        if requirement.name != project()["name"]:
            found = pinned[canonicalize_name(requirement.name)]
            (pin,) = found.specifier
            assert requirement.specifier.contains(pin.version), requirement


def test_the_oldest_libraries_are_locked_at_the_lower_bounds() -> None:
    pinned = {pin.name: pin for pin in locked("oldest")}
    for requirement in requirements():
        assert pinned[requirement.name].specifier.contains(oldest(requirement)), requirement


def test_the_environment_of_the_tests_is_installed_from_the_lock_file(tmp_path: Path) -> None:
    def commands(goal: str) -> str:
        made = ["make", "--dry-run", goal, f"VENV={tmp_path}/venv"]
        return subprocess.run(made, cwd=ROOT, capture_output=True, text=True, check=True).stdout

    install = "install --require-hashes --requirement .ci/requirements.lock"
    assert install in commands("test")
    assert install in commands("venv-dev")
    assert ".lock" not in commands("demo")
