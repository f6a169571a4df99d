"""Where commands let people decide: on the ledger's database alone, whatever else is broken."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from ..alerts import LogObserver
from ..engine import Observers, OperatorsDesk
from .ground import the_store

ByOption = Annotated[str, typer.Option(metavar="NAME", help="Who decides; it is kept.")]


@contextmanager
def the_desk(config: Path | None) -> Iterator[OperatorsDesk]:
    """Open the desk for one command. No key, no route and no Stripe is needed to stop a bot."""
    with the_store(config) as store:
        yield OperatorsDesk(store, Observers([LogObserver()]))
