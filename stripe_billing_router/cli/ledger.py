"""`ledger`: the entries, whether their chain holds, and the database's schema."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from ..client import BillingRouter
from ..models import BotId, LedgerEntry
from ..store import LedgerHeads
from .completing import BotOption
from .files import read_file
from .ground import ConfigOption, JsonOption, the_store, when
from .output import as_json, as_table, counting

app = typer.Typer(help="Look at the ledger and check it.", no_args_is_help=True)

_After = Annotated[int, typer.Option(min=0, help="Only entries after this sequence number.")]
_Limit = Annotated[int, typer.Option(min=1, max=100_000, help="How many at the most.")]


_Heads = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Heads that `ledger heads` printed earlier.")
]
_PublicKey = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Ed25519 public key (PEM) that signed them.")
]
_PrivateKey = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Ed25519 private key (PEM) to sign with.")
]


_Skip = Annotated[
    int | None,
    typer.Option(min=2, metavar="LINE", help="Leave this line out: it was settled by hand."),
]


@app.command("list")
def list_entries(
    bot: BotOption = None,
    after: _After = 0,
    limit: _Limit = 100,
    config: ConfigOption = None,
    as_json_: JsonOption = False,
) -> None:
    """Show entries in the order in which they were written."""
    bot_id = None if bot is None else str(BotId.parse(bot))
    with the_store(config) as store:
        found = list(store.ledger.entries(bot_id=bot_id, after=after, limit=limit))
    if as_json_:
        as_json([_described(entry) for entry in found])
        return
    headings = ("sequence", "when", "bot", "action", "amount", "status", "error", "id")
    as_table(headings, [_row(entry) for entry in found])


@app.command("verify")
def verify(
    heads: _Heads = None,
    public_key: _PublicKey = None,
    config: ConfigOption = None,
    as_json_: JsonOption = False,
) -> None:
    """Check every hash chain, also against kept heads.

    Exit code 1 if one does not hold.
    """
    kept = _kept_heads(heads, public_key)
    with the_store(config) as store, counting("entries") as progress:
        found = store.ledger.verify(kept, progress)
    if as_json_:
        as_json({"ok": found.ok, **asdict(found)})
    elif found.ok:
        typer.echo(f"The ledger verifies. Entries: {found.entries}, streams: {found.streams}.")
    for broken in () if as_json_ else found.broken:
        typer.echo(f"{broken.stream}, entry {broken.stream_sequence}: {broken.why}", err=True)
    if not found.ok:
        raise typer.Exit(1)


@app.command("heads")
def show_heads(sign: _PrivateKey = None, config: ConfigOption = None) -> None:
    """Print where every stream ends, as JSON to keep elsewhere.

    `ledger verify --heads` checks the ledger against it.
    """
    with the_store(config) as store:
        found = store.ledger.heads()
    if sign is not None:
        found = found.signed(read_file(sign))
    typer.echo(found.to_json())


@app.command("export")
def export(bot: BotOption = None, after: _After = 0, config: ConfigOption = None) -> None:
    """Print every entry as a line of JSON.

    In the order in which they were written.
    """
    bot_id = None if bot is None else str(BotId.parse(bot))
    with the_store(config) as store, counting("entries") as progress:
        for number, entry in enumerate(store.ledger.entries(bot_id=bot_id, after=after), 1):
            typer.echo(json.dumps(_described(entry)))
            progress(number)


@app.command("upgrade")
def upgrade(config: ConfigOption = None, as_json_: JsonOption = False) -> None:
    """Bring the database to this version's tables.

    Its triggers are put back, too.
    """
    with the_store(config, may_create=True) as store:
        store.upgrade()
    if as_json_:
        as_json({"ok": True})
        return
    typer.echo("The ledger's database is up to date.")


@app.command("drain")
def drain(skip: _Skip = None, config: ConfigOption = None, as_json_: JsonOption = False) -> None:
    """Bring the journal into the database.

    It holds what was written while the database was away.
    """
    path = None if config is None else config.absolute()
    with BillingRouter(path) as router, counting("lines") as progress:
        done = asdict(router.store.drain(progress, skip))
    if as_json_:
        as_json(done)
        return
    typer.echo(f"Drained {done.pop('drained')} lines of the journal.")
    for what, operations in done.items():
        if operations:
            typer.echo(f"{what}: {', '.join(operations)}")


def _kept_heads(heads: Path | None, public_key: Path | None) -> LedgerHeads | None:
    if heads is None:
        return None
    kept = LedgerHeads.from_json(read_file(heads))
    if public_key is not None:
        kept.check_signature(read_file(public_key))
    return kept


def _described(entry: LedgerEntry) -> dict[str, Any]:
    found = asdict(entry)
    return {**found, "amount": None if entry.amount is None else str(entry.amount)}


def _row(entry: LedgerEntry) -> tuple[str, ...]:
    return (
        str(entry.sequence),
        when(entry.timestamp_ms),
        entry.stream,
        entry.action_type,
        "" if entry.amount is None else f"{entry.amount} {entry.currency}",
        entry.status or "",
        "yes" if entry.error else "",
        entry.id,
    )
