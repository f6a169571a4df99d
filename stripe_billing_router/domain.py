"""What a billing domain, such as credits, brings to the house; one line in `bootstrap/` adds it.

A domain knows the floors below it. The core knows no domain by name: it asks what is declared here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from .frozen import frozen
from .models import BillingEvent, EventDraft, Operation
from .ports import Guard, Store

if TYPE_CHECKING:
    from sqlalchemy import Connection, Table

_NAME = re.compile(r"[a-z][a-z0-9_]{0,30}", re.ASCII)


class Transaction(Protocol):
    """A transaction of the ledger's database that is under way. Never commit or roll it back."""

    @property
    def connection(self) -> Connection:
        """A plain connection of SQLAlchemy's."""
        ...

    @property
    def now_ms(self) -> int:
        """The database's time; for a projection the event's, so that a replay sees the same."""
        ...

    def proven(self, operation_id: str | None) -> Operation | None:
        """Return an operation if a holder of a key has sealed what it came to, else None.

        An event says what anybody may have written who can write to the database: what it is worth
        money for is asked here. KeyConfigurationError where no key is at hand to tell.
        """
        ...

    def emit(self, event: EventDraft) -> BillingEvent:
        """Number an event under its stream's lock; it is told if the transaction commits.

        In a replay nothing is told anew, and the event that is returned has the sequence 0.
        """
        ...


@frozen
class Applied:
    """How writes of one type are done: `apply(transaction, write)`.

    While the database is away, a write goes to the journal only if `encode` makes JSON of it and
    `decode` brings it back; any other is refused then. What it does has to be right later, too.
    """

    apply: Callable[[Any, Any], object]
    encode: Callable[[Any], Mapping[str, Any]] | None = None
    decode: Callable[[Mapping[str, Any]], Any] | None = None


class Projection(Protocol):
    """Draws a domain's rows from events, one stream after the other and each in order.

    Its cursor moves in the transaction of its rows. Rows follow from events alone: no clock, no
    random numbers, nothing that other projections or writes change, and no order between streams.
    """

    @property
    def name(self) -> str:
        """What its cursors are kept under, beside the domain's name."""
        ...

    @property
    def tables(self) -> Sequence[Table]:
        """The tables that only it writes, parents first: a rebuild empties them."""
        ...

    def apply(self, transaction: Transaction, event: BillingEvent) -> None:
        """Do what follows from an event. What is raised leaves it for later."""
        ...


@frozen
class Schema:
    """A domain's tables: a folder of Alembic migrations, and the last of them.

    Its version is kept in a table of its own. `core` is the core's migration that it builds on.
    """

    migrations: Path
    version: str
    core: str


@dataclass(frozen=True, slots=True, eq=False)
class Domain:
    """One billing domain. Its tables are named `stripe_<name>…`; all but the name may be left out.

    `config` turns the routing file's section `billing.<name>` (None if there is none) into what
    `guards` get; a ConfigurationError of it is one fault of the file for each of its `.faults`.
    `checks` are further questions of `check`: each gets the store and the configuration, returns
    what was found good, and raises a BillingError for what was not. `commands` names a Typer
    application, and `routes` the HTTP routes, as `module:attribute`: they are imported when they
    are asked for.
    """

    name: str
    schema: Schema | None = None
    writes: Mapping[type, Applied] = field(default_factory=dict)
    verbs: Sequence[Any] = ()
    projections: Sequence[Projection] = ()
    config: Callable[[Mapping[str, Any] | None], Any] | None = None
    guards: Callable[[Store, Any], Sequence[Guard]] | None = None
    checks: Mapping[str, Callable[[Any, Any], str]] = field(default_factory=dict)
    commands: str | None = None
    routes: str | None = None

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError(f"{self.name!r} cannot be the name of a domain: write it as credits")
        for projection in self.projections:
            for table in projection.tables:
                if not table.name.startswith(f"stripe_{self.name}"):
                    raise ValueError(f"{table.name} has to be named stripe_{self.name}_…")
