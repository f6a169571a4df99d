"""What several nouns need: the common options, the settings, and the ledger's database."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from .. import bootstrap
from ..config import RoutingFile, Settings, load_settings
from ..engine import SystemClock
from ..errors import ConfigurationError
from ..master_account import STRIPE_MASTER_ACCOUNT_ID
from ..store import SqlStore, sqlite_path

ConfigOption = Annotated[
    Path | None, typer.Option(metavar="FILE", help="The routing file, if not the usual one.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def settings_of(config: Path | None) -> Settings:
    """Return the settings; a relative option starts where a shell's user means it to."""
    here = None if config is None else config.absolute()
    return load_settings(os.environ, Path.cwd(), routing_config=here)


def routing_file(config: Path | None) -> RoutingFile:
    """Return the routing file; ConfigurationError with its faults."""
    return bootstrap.routing_file(settings_of(config).routing_config)


@contextmanager
def the_store(config: Path | None, *, may_create: bool = False) -> Iterator[SqlStore]:
    """Open the ledger's database for one command, whatever the API base: Stripe is not asked.

    Looking at a ledger does not make one.
    """
    settings = settings_of(config)
    path = sqlite_path(settings.ledger_url)
    if path is not None and not path.exists() and not may_create:
        raise ConfigurationError(
            f"There is no ledger at {path} yet; the first operation makes it. Check "
            "STRIPE_LEDGER_URL and the folder you are in if there should be one."
        )
    store = SqlStore(
        settings.ledger_url,
        SystemClock(),
        account_id=STRIPE_MASTER_ACCOUNT_ID,
        api_base=settings.api_base,
        any_api_base=not may_create,
        domains=bootstrap.installed(),
        verbs=bootstrap.all_verbs(),
    )
    try:
        yield store
    finally:
        store.close()


def when(milliseconds: int) -> str:
    """Return a time as people read it: UTC, to the second."""
    moment = dt.datetime.fromtimestamp(milliseconds / 1000, dt.UTC)
    return moment.strftime("%Y-%m-%d %H:%M:%SZ")
