"""Importing the package does nothing that anybody could notice."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import stripe_billing_router
from stripe_billing_router.errors import ConfigurationError

HEAVY = "asyncio dataclasses decimal inspect json socket sqlite3 ssl"
"""Of the standard library; of other packages none at all may be loaded."""

EVERYTHING = """
from stripe_billing_router import *

repr(stripe_billing_router.ROUTING_TABLE)
"""

WATCHED_IMPORT = """
import sys

before = set(sys.modules)

seen = []
QUIET = (".py", ".pyc", ".so")


def hook(name, arguments):
    if name == "open" and not str(arguments[0]).endswith(QUIET):
        seen.append([name, str(arguments[0])])
    elif name.split(".")[0] in ("socket", "sqlite3", "subprocess", "shutil", "tempfile"):
        seen.append([name, repr(arguments)])
    elif name in ("os.mkdir", "os.remove", "os.rename", "os.putenv", "os.fork", "os.system"):
        seen.append([name, repr(arguments)])


sys.addaudithook(hook)
import stripe_billing_router
EVERYTHING
dir(stripe_billing_router)
watched = list(seen)
loaded = sorted(set(sys.modules) - before)

import json, threading

print(json.dumps({"seen": watched, "loaded": loaded, "threads": threading.active_count()}))
""".replace("EVERYTHING", EVERYTHING)


def imported(tmp_path: Path, *, star: bool) -> dict[str, Any]:
    script = WATCHED_IMPORT if star else WATCHED_IMPORT.replace(EVERYTHING, "")
    done = subprocess.run(
        [sys.executable, "-B", "-W", "error", "-c", script],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
        env={"PYTHONPATH": str(Path(__file__).parents[2]), "HOME": str(tmp_path)},
    )
    assert done.stderr == ""
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_import_touches_no_file_socket_or_database_and_is_light(tmp_path: Path) -> None:
    found = imported(tmp_path, star=False)
    assert (found["seen"], found["threads"]) == ([], 1)
    assert list(tmp_path.iterdir()) == []
    rooms = {name.split(".")[0] for name in found["loaded"]}
    assert rooms - sys.stdlib_module_names == {"stripe_billing_router"}
    assert rooms.isdisjoint(HEAVY.split())
    assert len(found["loaded"]) <= 50


def test_importing_every_public_name_leaves_nothing_behind(tmp_path: Path) -> None:
    found = imported(tmp_path, star=True)
    assert found["threads"] == 1
    assert list(tmp_path.iterdir()) == []


def test_every_public_name_is_there() -> None:
    for name in stripe_billing_router.__all__:
        assert getattr(stripe_billing_router, name) is not None
    assert set(stripe_billing_router.__all__) <= set(dir(stripe_billing_router))


@pytest.mark.parametrize("name", ["STRIPE_MASTER_ACCOUNT_ID", "STRIPE_REGISTERED_ACCOUNT_ID"])
def test_the_pinned_account_cannot_be_assigned_or_deleted(name: str) -> None:
    before = getattr(stripe_billing_router, name)
    with pytest.raises(ConfigurationError):
        setattr(stripe_billing_router, name, "acct_other")
    with pytest.raises(ConfigurationError):
        delattr(stripe_billing_router, name)
    assert getattr(stripe_billing_router, name) == before


def test_no_variable_changes_the_pinned_account(tmp_path: Path) -> None:
    names = ("STRIPE_MASTER_ACCOUNT_ID", "STRIPE_REGISTERED_ACCOUNT_ID", "STRIPE_ACCOUNT_ID")
    script = "import stripe_billing_router as s; print(s.STRIPE_MASTER_ACCOUNT_ID)"
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
        env={
            **dict.fromkeys(names, "acct_other"),
            "PYTHONPATH": str(Path(__file__).parents[2]),
        },
    )
    assert done.stdout.strip() == stripe_billing_router.STRIPE_MASTER_ACCOUNT_ID


def test_an_unknown_name_is_an_attribute_error() -> None:
    assert not hasattr(stripe_billing_router, "chrage")
