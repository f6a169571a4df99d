"""A whole domain, as short as one can be: bots earn a point for each major unit they collect."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import sqlalchemy as sa
import typer

from stripe_billing_router.client import BillingRouter
from stripe_billing_router.domain import Applied, Domain, Schema, Transaction
from stripe_billing_router.errors import ConfigurationError, PolicyViolationError
from stripe_billing_router.models import BillingEvent, BotId, EventDraft, Write
from stripe_billing_router.ports import Intent, Store
from stripe_billing_router.providers.stripe.verbs.charge import ChargeVerb

metadata = sa.MetaData()
_bot, _points = ("bot_id", sa.String(200)), ("points", sa.BigInteger)
balances = sa.Table(
    "stripe_points_balances",
    metadata,
    sa.Column(*_bot, primary_key=True),
    sa.Column(*_points),
    sa.Column("updated_ms", sa.BigInteger),
)
gifts = sa.Table(
    "stripe_points_gifts",
    metadata,
    sa.Column("gift_id", sa.String(64), primary_key=True),
    *(sa.Column(*_bot), sa.Column(*_points)),
)
intents = sa.Table(
    "stripe_points_intents", metadata, sa.Column(*_bot), sa.Column("amount_minor", sa.Integer)
)


class BuyPoints(ChargeVerb):
    """A charge that earns twice as many points."""

    name, action_type = "buy_points", "points_bought"


@dataclass(frozen=True)
class GivePoints:
    """Give a bot points once for each `gift_id`; also while the database is away."""

    gift_id: str
    bot_id: str
    points: int


@dataclass(frozen=True)
class NoteIntent:
    """Note, in the intent's own commit, what a bot is about to collect."""

    bot_id: str
    amount_minor: int


def _give(transaction: Transaction, write: GivePoints) -> None:
    transaction.connection.execute(sa.insert(gifts), asdict(write))
    transaction.emit(EventDraft(write.bot_id, "points.given", "points", amount_minor=write.points))


def _gift_of(row: Mapping[str, Any]) -> GivePoints:
    return GivePoints(row["gift_id"], row["bot_id"], row["points"])


def _note(transaction: Transaction, write: NoteIntent) -> None:
    transaction.connection.execute(sa.insert(intents), asdict(write))


class Balances:
    """Points by bot: what it has collected, and what it was given."""

    name = "balances"
    tables = (balances,)

    def apply(self, transaction: Transaction, event: BillingEvent) -> None:
        points = _points_of(transaction, event)
        if not points or event.bot_id is None:
            return
        mine = balances.c.bot_id == event.bot_id
        change = {"points": balances.c.points + points, "updated_ms": transaction.now_ms}
        connection = transaction.connection
        if not connection.execute(sa.update(balances).where(mine).values(change)).rowcount:
            row = {"bot_id": event.bot_id, "points": points, "updated_ms": transaction.now_ms}
            connection.execute(sa.insert(balances), row)


def _points_of(transaction: Transaction, event: BillingEvent) -> int:
    if event.name == "points.given":
        return event.amount_minor or 0
    times = {"charge": 1, BuyPoints.action_type: 2}.get(event.action, 0)
    if event.name != "operation.succeeded" or not times:
        return 0
    paid = transaction.proven(event.operation_id)
    return times * ((paid.outcome.amount_minor or 0) // 100) if paid and paid.outcome else 0


@dataclass(frozen=True)
class Guarding:
    """Refuses what is above the file's `billing.points.most`, in minor units."""

    most: int

    def check_bot(self, bot: BotId) -> None: ...

    def check_intent(self, intent: Intent) -> Sequence[Write]:
        amount = intent.amount_minor or 0
        if amount > self.most:
            raise PolicyViolationError("It would earn too many points. Ask for less.", rule="most")
        return [NoteIntent(str(intent.bot), amount)]


def _most(section: Mapping[str, Any] | None) -> int:
    text = str((section or {}).get("most", "100000"))
    if not text.isdecimal():
        raise ConfigurationError("no number", faults=(("most", "is no number"),))
    return int(text)


def _guards(store: Store, most: Any) -> Sequence[Guarding]:
    return [Guarding(most)]


def points_of(router: BillingRouter, bot_id: str) -> int:
    """Return a bot's points."""
    query = sa.select(balances.c.points).where(balances.c.bot_id == bot_id)
    return router.store.read(lambda connection: connection.execute(query).scalar() or 0)


def _total(store: Any, most: int) -> str:
    query = sa.select(sa.func.coalesce(sa.func.sum(balances.c.points), 0))
    total = store.read(lambda connection: connection.execute(query).scalar())
    return f"{total} points; at most {most} at once"


commands = typer.Typer(help="See points.", no_args_is_help=True)


@commands.command("show")
def show(bot: str, config: Annotated[Path | None, typer.Option()] = None) -> None:
    """Show a bot's points."""
    with BillingRouter(config, recover_at_start=False) as router:
        typer.echo(f"{points_of(router, bot)} points")


@commands.command("give")
def give(gift: str, bot: str, points: int) -> None:
    """Give a bot points."""
    with BillingRouter(recover_at_start=False) as router:
        router.store.commit(GivePoints(gift, bot, points))


POINTS = Domain(
    "points",
    schema=Schema(Path(__file__).parent / "points_migrations", "0001", core="0010"),
    writes={GivePoints: Applied(_give, asdict, _gift_of), NoteIntent: Applied(_note)},
    verbs=[BuyPoints()],
    projections=[Balances()],
    config=_most,
    guards=_guards,
    checks={"total": _total},
    commands=f"{__name__}:commands",
)
