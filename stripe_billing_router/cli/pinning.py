"""`pin-account`: the one line that says whose account a copy of this library serves."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Final, NamedTuple

import typer

from ..errors import ConfigurationError, InvalidRequestError
from ..redaction import shown
from .files import os_errors, replace_text
from .ground import JsonOption
from .output import as_json

PIN_FILE: Final = "master_account.py"

_ACCOUNT: Final = re.compile(r"acct_[A-Za-z0-9]{8,64}", re.ASCII)
_PIN: Final = re.compile(r'^STRIPE_MASTER_ACCOUNT_ID: Final = "([^"\n]*)"$', re.MULTILINE)
_INSTALLED: Final = frozenset({"site-packages", "dist-packages"})


class Change(NamedTuple):
    """The pin's line before and after."""

    before: str
    after: str


def pin_account(
    account: Annotated[str, typer.Argument(metavar="ACCOUNT", help="Your account, acct_….")],
    package: Annotated[
        Path, typer.Option(metavar="DIR", help="The vendored copy of the package.")
    ] = Path("stripe_billing_router"),
    as_json_: JsonOption = False,
) -> None:
    """Pin a vendored copy to your Stripe account.

    Edits one line, which git then shows.
    """
    check_account(account)
    if _INSTALLED & set(package.absolute().parts):
        raise ConfigurationError(
            f"{package} is an installed package, where the next installation undoes the change "
            "and no review sees it; run `stripe-billing-router vendor` and pin that copy."
        )
    say(package / PIN_FILE, pin(package, account), as_json_=as_json_)


def check_account(account: str) -> None:
    """Raise InvalidRequestError for what is not the id of a Stripe account."""
    if not _ACCOUNT.fullmatch(account):
        raise InvalidRequestError(
            f"{shown(account)} is not the id of a Stripe account; it begins with acct_, and "
            "Stripe's dashboard shows it under Settings, Account.",
            parameter="account",
        )


def pin(package: Path, account: str) -> Change | None:
    """Edit the copy's pin; None if it names this account already."""
    path = package / PIN_FILE
    text = _text(path)
    found = _the_line(path, text)
    after = f'STRIPE_MASTER_ACCOUNT_ID: Final = "{account}"'
    if found.group() == after:
        return None
    replace_text(path, text[: found.start()] + after + text[found.end() :])
    return Change(found.group(), after)


def say(path: Path, change: Change | None, *, as_json_: bool) -> None:
    """Print the change as a diff would, or as JSON; nothing has changed if it is None."""
    if as_json_:
        as_json({"path": str(path), "change": None if change is None else change._asdict()})
        return
    if change is None:
        typer.echo(f"{path} names this account already; nothing is changed.")
        return
    typer.echo(f"{path}\n-{change.before}\n+{change.after}\nReview the line, and commit it.")


def _text(path: Path) -> str:
    if path.is_symlink() or not path.is_file():
        raise ConfigurationError(
            f"{path} is not a file of a vendored copy; run `stripe-billing-router vendor` first, "
            "or name the copy with --package."
        )
    with os_errors(f"Reading {path}"):
        try:
            return path.read_bytes().decode()
        except UnicodeDecodeError:
            pass
    raise _not_ours(path)


def _the_line(path: Path, text: str) -> re.Match[str]:
    found = list(_PIN.finditer(text))
    if len(found) != 1 or len(re.findall(r"^STRIPE_MASTER_ACCOUNT_ID\b", text, re.MULTILINE)) != 1:
        raise _not_ours(path)
    return found[0]


def _not_ours(path: Path) -> ConfigurationError:
    return ConfigurationError(
        f"{path} does not have exactly one line that pins STRIPE_MASTER_ACCOUNT_ID; restore the "
        "file from the package, then pin it again."
    )
