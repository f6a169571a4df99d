"""`webhooks`: what Stripe has told, what became of it, and the worker."""

from __future__ import annotations

import datetime as dt
import importlib
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from ..client import BillingRouter
from ..default import use_router
from ..errors import ConfigurationError, InvalidRequestError, LedgerUnavailableError
from ..models import InboxEvent, InboxState
from ..redaction import shown
from ..webhooks import Progress, webhooks_of
from .ground import ConfigOption, JsonOption, the_store, when
from .output import as_json, as_json_line, as_table

app = typer.Typer(help="Look at webhooks, and work on them.", no_args_is_help=True)

_AT_ONCE = 10
_Event = Annotated[str, typer.Argument(metavar="EVENT", help="evt_…")]
_State = Annotated[
    list[InboxState] | None, typer.Option(help="Only these states; may be repeated.")
]
_Type = Annotated[str | None, typer.Option("--type", metavar="TYPE", help="Such as invoice.paid.")]
_Limit = Annotated[int, typer.Option(min=1, max=10_000, help="How many, the newest first.")]
_Once = Annotated[bool, typer.Option("--once", help="Stop when nothing is due any more.")]
_Every = Annotated[float, typer.Option(min=0.05, help="Seconds between two looks at the inbox.")]
_Import = Annotated[
    list[str] | None,
    typer.Option("--import", metavar="MODULE", help="A module that registers your handlers."),
]


@app.command("list")
def list_events(
    state: _State = None,
    event_type: _Type = None,
    limit: _Limit = 50,
    config: ConfigOption = None,
    as_json_: JsonOption = False,
) -> None:
    """Show events, those received last first."""
    _show(state, event_type, limit, config, as_json_)


@app.command("dead-letters")
def dead_letters(
    event_type: _Type = None,
    limit: _Limit = 50,
    config: ConfigOption = None,
    as_json_: JsonOption = False,
) -> None:
    """Show the events that were given up.

    Exit code 1 if there are any.
    """
    if _show([InboxState.DEAD], event_type, limit, config, as_json_):
        raise typer.Exit(1)


@app.command("show")
def show_event(event_id: _Event, config: ConfigOption = None, as_json_: JsonOption = False) -> None:
    """Show everything that is known of one event."""
    with the_store(config) as store:
        found = store.inbox.event(event_id)
    if found is None:
        raise InvalidRequestError(
            f"There is no event {shown(event_id)}; see `stripe-billing-router webhooks list`.",
            parameter="event_id",
        )
    everything = {**_summary(found), "error": found.error, "body": dict(found.body)}
    if as_json_:
        as_json(everything)
        return
    rows = [(name, str(value)) for name, value in everything.items() if value is not None]
    as_table(("field", "value"), rows)


@app.command("replay")
def replay(
    event_ids: Annotated[list[str], typer.Argument(metavar="EVENT", help="evt_…")],
    config: ConfigOption = None,
    as_json_: JsonOption = False,
) -> None:
    """Make events work to do again.

    What they have changed is not changed again.
    """
    with _router(config) as router:
        for event_id in event_ids:
            webhooks_of(router).replay(event_id)
            if not as_json_:
                typer.echo(f"{event_id} is to be worked on again.")
    if as_json_:
        as_json({"replayed": event_ids})


@app.command("backfill")
def backfill(
    days: Annotated[float, typer.Option(min=0.01, max=30, help="How far to go back.")] = 3.0,
    config: ConfigOption = None,
    as_json_: JsonOption = False,
) -> None:
    """Fetch events that were never delivered.

    Stripe keeps them for 30 days.
    """
    since = dt.datetime.now(dt.UTC) - dt.timedelta(days=days)
    with _router(config) as router:
        found = webhooks_of(router).backfill(since)
    if as_json_:
        as_json(asdict(found))
        return
    typer.echo(f"{found.new} new, {found.known} known, {found.refused} refused.")


@app.command("work")
def work(
    once: _Once = False,
    every: _Every = 1.0,
    modules: _Import = None,
    config: ConfigOption = None,
    as_json_: JsonOption = False,
) -> None:
    """Work on events until SIGTERM or an interrupt.

    What is under way is finished first.
    """
    with _router(config) as router, use_router(router), _until_told_to_stop() as stop:
        _import_handlers(modules or [])
        while not stop.is_set():
            done = _worked(router, once, as_json_)
            if done.total == 0 and once:
                break
            if done.total == 0:
                stop.wait(every)


@contextmanager
def _until_told_to_stop() -> Iterator[threading.Event]:
    """Set an event, instead of breaking off, when the process is told to end."""
    stop = threading.Event()
    before = {
        number: signal.signal(number, lambda *_: stop.set())
        for number in (signal.SIGTERM, signal.SIGINT)
    }
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _worked(router: BillingRouter, once: bool, as_json_: bool) -> Progress:
    """A database that is away stops no worker, unless it was to work once only."""
    try:
        done = webhooks_of(router).process_pending(_AT_ONCE)
    except LedgerUnavailableError as error:
        if once:
            raise
        typer.echo(str(error), err=True)
        return Progress()
    if done.total and as_json_:
        as_json_line(asdict(done))
    elif done.total:
        told = ", ".join(f"{number} {name}" for name, number in asdict(done).items() if number)
        typer.echo(told)
    return done


def _import_handlers(modules: list[str]) -> None:
    if modules:
        sys.path.insert(0, str(Path.cwd()))
    for name in modules:
        try:
            importlib.import_module(name)
        except ImportError as error:
            raise ConfigurationError(
                f"{shown(name)} cannot be imported ({type(error).__name__}: {error}). Pass a "
                "module as you would import it in Python, from the folder you are in.",
                faults=(("--import", "cannot be imported"),),
            ) from None


def _router(config: Path | None) -> BillingRouter:
    return BillingRouter(None if config is None else config.absolute(), recover_at_start=False)


def _show(
    states: list[InboxState] | None,
    event_type: str | None,
    limit: int,
    config: Path | None,
    as_json_: bool,
) -> int:
    with the_store(config) as store:
        found = store.inbox.events(states=states or None, event_type=event_type, limit=limit)
    if as_json_:
        as_json([{**_summary(event), "error": event.error} for event in found])
    else:
        headings = ("event", "received", "type", "state", "attempts", "object", "operation")
        as_table(headings, [_row(event) for event in found])
    return len(found)


def _summary(event: InboxEvent) -> dict[str, Any]:
    return {
        "event_id": event.event_id,
        "type": event.type,
        "created": when(event.created_ms),
        "received": when(event.received_ms),
        "state": str(event.state),
        "applied": None if event.applied is None else str(event.applied),
        "attempts": event.attempts,
        "due": None if event.due_ms is None else when(event.due_ms),
        "object_id": event.object_id,
        "operation_id": event.operation_id,
    }


def _row(event: InboxEvent) -> tuple[str, ...]:
    found = _summary(event)
    names = ("event_id", "received", "type", "state", "attempts", "object_id", "operation_id")
    return tuple("" if found[name] is None else str(found[name]) for name in names)
