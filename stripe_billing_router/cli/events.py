"""`events`: what happened to the bots' money, and handing it on."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict
from threading import Event
from typing import Annotated, Any

import typer

from ..events import EventPump
from ..models import BillingEvent, BotId, major
from .completing import BotArgument
from .ground import ConfigOption, JsonOption, the_store, when
from .output import as_json, as_table

app = typer.Typer(
    help="See what happened to the bots' money, and hand it on.", no_args_is_help=True
)

_Redis = Annotated[
    str,
    typer.Option(
        "--redis",
        envvar="STRIPE_EVENTS_REDIS_URL",
        metavar="URL",
        show_default=False,
        help="Redis to write to. Better in the variable: other users see command lines.",
    ),
]
_Stream = Annotated[str, typer.Option(metavar="NAME", help="The Redis stream.")]
_MaxLen = Annotated[
    int | None, typer.Option(min=1, help="Keep about that many entries in the stream.")
]
_Once = Annotated[bool, typer.Option("--once", help="Hand on what is due, and stop.")]
_After = Annotated[int, typer.Option(min=0, help="Only events after this sequence number.")]
_Limit = Annotated[int, typer.Option(min=1, max=1000, help="How many at the most.")]


@app.command("pump")
def pump(
    redis: _Redis,
    stream: _Stream = "stripe:billing_events",
    maxlen: _MaxLen = None,
    once: _Once = False,
    config: ConfigOption = None,
    as_json_: JsonOption = False,
) -> None:
    """Carry events to a Redis stream, until interrupted.

    Several may run at once.
    """
    from ..events import RedisStreamsSink  # noqa: PLC0415 - an extra

    sink = RedisStreamsSink(redis, stream, maxlen=maxlen)
    with closing(sink), the_store(config) as store:
        pumping = EventPump(store.outbox, [sink])
        if once:
            report = pumping.run_once()
            if as_json_:
                as_json(asdict(report))
            else:
                typer.echo(f"{report.delivered} events were delivered.")
            if report.failed:
                raise typer.Exit(1)
            return
        with until_stopped() as stop:
            pumping.run(stop)


@app.command("history")
def history(
    bot: BotArgument,
    after: _After = 0,
    limit: _Limit = 100,
    config: ConfigOption = None,
    as_json_: JsonOption = False,
) -> None:
    """Show a bot's events in order."""
    with the_store(config) as store:
        found = store.outbox.history(str(BotId.parse(bot)), after=after, limit=limit)
    if as_json_:
        as_json([asdict(event) for event in found])
        return
    headings = ("sequence", "when", "event", "action", "amount", "stripe id", "operation")
    as_table(headings, [_row(event) for event in found])


@contextmanager
def until_stopped() -> Iterator[Event]:
    """Let SIGTERM and SIGINT end the work between two events."""
    stop = Event()

    def halt(*_: Any) -> None:
        stop.set()

    before = {number: signal.signal(number, halt) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _row(event: BillingEvent) -> tuple[str, ...]:
    amount = major(event.amount_minor, event.currency)
    return (
        str(event.sequence),
        when(event.at_ms),
        event.name,
        event.action,
        "" if amount is None else f"{amount} {event.currency}",
        event.stripe_id or "",
        event.operation_id or "",
    )
