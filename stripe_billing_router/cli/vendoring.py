"""`vendor`: a copy of the installed package in the host's own repository, pinned."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Annotated, Final

import typer

from ..errors import ConfigurationError
from .files import os_errors
from .ground import JsonOption
from .pinning import PIN_FILE, Change, check_account, pin, say

_PACKAGE: Final = Path(__file__).resolve().parent.parent
_LEFT_OUT: Final = shutil.ignore_patterns("__pycache__", "*.py[cod]", ".*")


def vendor(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where the copy goes.")],
    account: Annotated[str, typer.Option(metavar="ACCOUNT", help="Your Stripe account, acct_….")],
    as_json_: JsonOption = False,
) -> None:
    """Copy this package into DIR, pinned to your account.

    Overwrites nothing.
    """
    check_account(account)
    target = folder / _PACKAGE.name
    _refuse_impossible(target)
    with os_errors(f"Copying the package to {target}"):
        change = _copied(target, account)
    say(target / PIN_FILE, change, as_json_=as_json_)
    if as_json_:
        return
    typer.echo(f"{folder} has to stand before site-packages on sys.path, so that the copy is used.")


def _refuse_impossible(target: Path) -> None:
    if target.exists() or target.is_symlink():
        raise ConfigurationError(
            f"{target} is there already; use `stripe-billing-router pin-account` to change its "
            "account, or remove it first to replace the copy."
        )
    if target.resolve().is_relative_to(_PACKAGE):
        raise ConfigurationError(
            f"{target} is inside the package itself; name a folder of your own repository."
        )


def _copied(target: Path, account: str) -> Change | None:
    """Copy beside the target and rename: whoever looks sees the whole, pinned copy, or none."""
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        copy = shutil.copytree(_PACKAGE, draft / target.name, ignore=_LEFT_OUT)
        change = pin(copy, account)
        os.rename(copy, target)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return change
