"""`vendor` and `pin-account`: whose account a copy serves is one reviewed line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import stripe_billing_router
from stripe_billing_router.master_account import SANDBOX_ACCOUNT_ID
from tests.unit.cli.cli_helpers import refused, run

ACCOUNT, OTHER = "acct_1AbCdEfGh2IjKlMn", "acct_9ZyXwVuTs8RqPoNm"
PACKAGE = Path(stripe_billing_router.__file__).parent


def _pin(account: str) -> str:
    return f'STRIPE_MASTER_ACCOUNT_ID: Final = "{account}"'


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A vendored copy's pin, without the rest."""
    package = tmp_path / "stripe_billing_router"
    package.mkdir()
    (package / "master_account.py").write_bytes((PACKAGE / "master_account.py").read_bytes())
    return package


def test_vendor_copies_the_whole_package_with_one_line_changed(tmp_path: Path) -> None:
    ran = run("vendor", tmp_path / "host", "--account", ACCOUNT)
    copied = tmp_path / "host/stripe_billing_router"
    assert ran.code == 0
    assert f"\n-{_pin(SANDBOX_ACCOUNT_ID)}\n+{_pin(ACCOUNT)}\n" in ran.out
    for original in PACKAGE.rglob("*"):
        if original.is_file() and original.suffix != ".pyc":
            text = original.read_bytes()
            if original.name == "master_account.py" and original.parent == PACKAGE:
                text = text.replace(_pin(SANDBOX_ACCOUNT_ID).encode(), _pin(ACCOUNT).encode())
            assert (copied / original.relative_to(PACKAGE)).read_bytes() == text
    assert not list(copied.rglob("__pycache__"))
    assert [path.name for path in (tmp_path / "host").iterdir()] == ["stripe_billing_router"]


def test_the_copy_is_importable_and_serves_its_account(tmp_path: Path) -> None:
    run("vendor", tmp_path, "--account", ACCOUNT)
    code = "import stripe_billing_router as s; print(s.__file__, s.STRIPE_MASTER_ACCOUNT_ID)"
    done = subprocess.run(
        [sys.executable, "-B", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == [f"{tmp_path}/stripe_billing_router/__init__.py", ACCOUNT]


def test_vendor_overwrites_nothing(copy: Path) -> None:
    before = (copy / "master_account.py").read_text()
    assert "is there already" in refused("vendor", copy.parent, "--account", ACCOUNT)
    assert (copy / "master_account.py").read_text() == before
    assert len(list(copy.iterdir())) == 1


def test_vendor_does_not_copy_the_package_into_itself() -> None:
    assert "inside the package itself" in refused("vendor", PACKAGE / "x", "--account", ACCOUNT)
    assert not (PACKAGE / "x").exists()


def test_a_copy_that_fails_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.rename", full)
    message = refused("vendor", tmp_path, "--account", ACCOUNT)
    assert "No space left on device" in message
    assert list(tmp_path.iterdir()) == []


def test_pin_account_changes_one_line_and_shows_it(copy: Path) -> None:
    before = (copy / "master_account.py").read_text()
    ran = run("pin-account", ACCOUNT, "--package", copy)
    after = (copy / "master_account.py").read_text()
    assert ran.code == 0
    assert f"\n-{_pin(SANDBOX_ACCOUNT_ID)}\n+{_pin(ACCOUNT)}\n" in ran.out
    assert after == before.replace(_pin(SANDBOX_ACCOUNT_ID), _pin(ACCOUNT))
    assert after.count(SANDBOX_ACCOUNT_ID) == 1
    assert [path.name for path in copy.iterdir()] == ["master_account.py"]


def test_pin_account_finds_the_copy_in_the_working_directory(
    copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(copy.parent)
    run("pin-account", ACCOUNT)
    run("pin-account", OTHER)
    assert _pin(OTHER) in (copy / "master_account.py").read_text()
    assert "nothing is changed" in run("pin-account", OTHER).out


def test_the_files_permissions_stay(copy: Path) -> None:
    (copy / "master_account.py").chmod(0o640)
    run("pin-account", ACCOUNT, "--package", copy)
    assert (copy / "master_account.py").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize(
    "account",
    [
        *("", "acct_", "acct_…", "acct_1", 'acct_12345678"', "acct_1234 5678", "acct_12345678\n"),
        *("cus_12345678", "sk_live_4eC39HqLyjWDarjtT1zdp7dc"),
    ],
)
@pytest.mark.parametrize("command", ["vendor", "pin-account"])
def test_what_is_no_account_id_is_refused(copy: Path, command: str, account: str) -> None:
    """What is pinned becomes code, so nothing but an id may get there."""
    before = (copy / "master_account.py").read_bytes()
    arguments: dict[str, list[object]] = {
        "vendor": [copy.parent / "new", "--account", account],
        "pin-account": [account, "--package", copy],
    }
    message = refused(command, *arguments[command])
    assert "is not the id of a Stripe account" in message
    assert "4eC39HqLyjWDarjtT1zdp7dc" not in message
    assert (copy / "master_account.py").read_bytes() == before
    assert not (copy.parent / "new").exists()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "STRIPE_MASTER_ACCOUNT_ID = 'acct_x'\n",
        _pin("a") + "\n" + _pin("b") + "\n",
        _pin("a") + "\nSTRIPE_MASTER_ACCOUNT_ID = 1\n",
        f"if True:\n    {_pin('a')}\n",
        "\udcff",
    ],
)
def test_a_pin_that_is_not_one_line_is_not_touched(copy: Path, text: str) -> None:
    path = copy / "master_account.py"
    path.write_bytes(text.encode(errors="surrogateescape"))
    before = path.read_bytes()
    message = refused("pin-account", ACCOUNT, "--package", copy)
    assert "does not have exactly one line" in message
    assert path.read_bytes() == before


def test_there_has_to_be_a_copy(tmp_path: Path, copy: Path) -> None:
    assert "run `stripe-billing-router vendor` first" in refused(
        "pin-account", ACCOUNT, "--package", tmp_path
    )
    link = tmp_path / "linked"
    link.mkdir()
    (link / "master_account.py").symlink_to(copy / "master_account.py")
    assert "is not a file of a vendored copy" in refused("pin-account", ACCOUNT, "--package", link)


def test_an_installed_package_is_not_edited(tmp_path: Path) -> None:
    installed = tmp_path / "lib/site-packages/stripe_billing_router"
    installed.mkdir(parents=True)
    (installed / "master_account.py").write_text(_pin("a") + "\n")
    assert "is an installed package" in refused("pin-account", ACCOUNT, "--package", installed)
    assert (installed / "master_account.py").read_text() == _pin("a") + "\n"
