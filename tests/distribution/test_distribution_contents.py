"""What is shipped: all of the package, and nothing else."""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from email.message import Message
from email.parser import Parser
from pathlib import Path

import pytest

from tests.distribution.requirements import ROOT, project

PACKAGE = ROOT / "stripe_billing_router"

pytestmark = pytest.mark.skipif(
    not PACKAGE.is_dir(), reason="the wheel under test is all there is of the package here"
)


def files(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            yield path


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the source distribution, and the wheel that was built from it."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="module")
def wheel(built: Path) -> dict[str, bytes]:
    """What the wheel holds, by path."""
    (path,) = built.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture(scope="module")
def metadata(wheel: dict[str, bytes]) -> Message:
    return Parser().parsestr(_information(wheel, "METADATA"))


def _information(wheel: dict[str, bytes], name: str) -> str:
    (path,) = [path for path in wheel if path.endswith(f".dist-info/{name}")]
    return wheel[path].decode()


def test_the_wheel_holds_every_file_of_the_package_and_nothing_else(
    wheel: dict[str, bytes],
) -> None:
    shipped = [*files(PACKAGE), ROOT / "_stripe_billing_router_pytest.py"]
    expected = {str(path.relative_to(ROOT)): path.read_bytes() for path in shipped}
    found = {path: data for path, data in wheel.items() if ".dist-info/" not in path}
    assert found.keys() == expected.keys()
    assert found == expected


@pytest.mark.parametrize(
    "path",
    [
        "py.typed",
        "config/templates/stripe_billing_router.yaml",
        "config/templates/stripe_watchdog.yaml",
        "config/templates/billing_instructions.yaml",
        "store/migrations/env.py",
        "stripe_watchdog/report/style.css",
        "demo.py",
    ],
)
def test_what_is_read_while_running_is_in_the_wheel(wheel: dict[str, bytes], path: str) -> None:
    assert f"stripe_billing_router/{path}" in wheel


def test_every_migration_is_in_the_wheel(wheel: dict[str, bytes]) -> None:
    versions = "stripe_billing_router/store/migrations/versions/"
    scripts = [data.decode() for path, data in wheel.items() if path.startswith(versions)]
    revisions, before = (
        {found for script in scripts for found in re.findall(rf'^{name} = "(.*)"', script, re.M)}
        for name in ("revision", "down_revision")
    )
    assert before < revisions


def test_the_wheel_declares_its_commands_licence_and_extras(
    wheel: dict[str, bytes], metadata: Message
) -> None:
    commands = _information(wheel, "entry_points.txt")
    for name, target in project()["scripts"].items():
        assert f"{name} = {target}" in commands
    assert metadata["License-Expression"] == "MIT"
    assert _information(wheel, "licenses/LICENSE") == (ROOT / "LICENSE").read_text()
    assert set(metadata.get_all("Provides-Extra", [])) == set(project()["optional-dependencies"])
    assert metadata.get_payload() == (ROOT / "README.md").read_text()


def test_the_source_distribution_holds_what_the_tests_need(built: Path) -> None:
    (path,) = built.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"pyproject.toml", "Makefile", ".importlinter", "README.md", "LICENSE"} <= names
    for folder in ("stripe_billing_router", "tests", "benchmarks", "config", "deploy", "docs"):
        assert {str(source.relative_to(ROOT)) for source in files(ROOT / folder)} <= names
