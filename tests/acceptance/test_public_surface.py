"""Public names, their signatures and their docstrings do not change in silence."""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import stripe_billing_router
from stripe_billing_router import errors
from tests.acceptance import surface_record
from tests.acceptance.public_surface import MODULES, PACKAGE, surface
from tests.acceptance.surface_record import Record, untold

ROOT = Path(__file__).parents[2]
SURFACE = surface()


def test_nothing_public_changes_without_a_changelog_line() -> None:
    advice = surface_record.look()
    assert not advice, advice


@pytest.mark.parametrize("module", MODULES)
def test_every_public_function_and_class_has_a_docstring(module: str) -> None:
    callables = ("function", "coroutine", "async generator", "class", "method", "property")
    names = [name for name in SURFACE if name.startswith(f"{module}.")]
    assert names
    for name in names:
        assert SURFACE[name].docstring or not SURFACE[name].signature.startswith(callables), name


def test_every_error_is_among_the_public_names() -> None:
    tree = {name for name, found in vars(errors).items() if _is_error(found)}
    assert tree >= {"BillingError", "OutcomeUnknownError"}
    assert tree <= {*stripe_billing_router.__all__}


def _is_error(found: object) -> bool:
    return isinstance(found, type) and issubclass(found, errors.BillingError)


def test_what_documents_import_is_held_still() -> None:
    documents = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    told = "\n".join(document.read_text() for document in documents)
    blocks = re.findall(r"^```python\n(.*?)^```", told, re.MULTILINE | re.DOTALL)
    imported = {
        f"{node.module}.{alias.name}"
        for block in blocks
        for node in ast.walk(ast.parse(block))
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith(PACKAGE)
        for alias in node.names
    }
    assert len(imported) > 20
    assert imported <= SURFACE.keys() | set(MODULES), (
        "add the module to MODULES in public_surface.py"
    )


def test_nothing_depends_on_where_it_runs() -> None:
    assert not [name for name, what in SURFACE.items() if " at 0x" in what.signature]


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ("- `charge` takes more.", True),
        ("- `charge(bot_id, amount)` takes\n  more.", True),
        ("- `create` and `charge_more`.", False),
        ("- We charge more.", False),
    ],
)
def test_an_entry_tells_of_a_name_in_backticks(entry: str, told: bool) -> None:
    record = Record({}, frozenset())
    changelog = f"## [Unreleased]\n\n### Changed\n\n{entry}\n\n## [0.1.0]\n\n- `refund`.\n"
    assert untold({f"{PACKAGE}.charge": "is new"}, record, changelog) == (
        [] if told else [f"{PACKAGE}.charge"]
    )
    assert untold({f"{PACKAGE}.refund": "is new"}, record, changelog) == [f"{PACKAGE}.refund"]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The package, its record and its changelog, to be changed."""
    pycache = shutil.ignore_patterns("__pycache__")
    shutil.copytree(Path(stripe_billing_router.__file__).parent, tmp_path / PACKAGE, ignore=pycache)
    (tmp_path / "tests/acceptance").mkdir(parents=True)
    for name in ("public_surface.py", "surface_record.py", "public_surface.json"):
        shutil.copy(Path(__file__).with_name(name), tmp_path / "tests/acceptance")
    shutil.copy(ROOT / "CHANGELOG.md", tmp_path)
    return tmp_path


STORY = """
import json, sys
from tests.acceptance.surface_record import CHANGELOG, look, renew


def tell(entry):
    before, heading, after = CHANGELOG.read_text().partition("### Added\\n")
    CHANGELOG.write_text(f"{before}{heading}\\n{entry}\\n{after}")


name = sys.argv[1]
told = [look(), renew(), look()]
tell("- Something about `another_name`.")
told.append(renew())
tell(f"- Something about `{name}`.")
told += [look(), renew(), look()]
print(json.dumps(told))
"""

CHANGES = {
    "signature": ("unfreeze", "(scope: str, by: str)", "(scope: str, by: str = 'me')"),
    "docstring": ("reject", "Refuse what a bot asked", "Forbid what a bot asked"),
    "name": ("freeze", "def freeze(", "def _freeze("),
    "addition": ("thaw", "def freeze(", 'def thaw():\n    """Freeze no more."""\n\n\ndef freeze('),
}


@pytest.mark.parametrize("kind", CHANGES)
def test_a_change_fails_and_is_not_written_down_until_the_changelog_tells_of_it(
    copy: Path, kind: str
) -> None:
    name, old, new = CHANGES[kind]
    module = copy / PACKAGE / "operators.py"
    assert old in module.read_text()
    module.write_text(module.read_text().replace(old, new))
    done = subprocess.run(
        [sys.executable, "-c", STORY, name],
        cwd=copy,
        env={"PYTHONPATH": str(copy), "HOME": str(copy)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.stderr == ""
    failed, refused, still, again, ready, renewed, quiet = json.loads(done.stdout)
    assert failed == refused == still == again
    assert f"{PACKAGE}.operators.{name}" in failed
    assert f"with these between backticks:\n  {name}\n" in failed
    assert "run `make surface`" in ready
    assert renewed == quiet == ""
