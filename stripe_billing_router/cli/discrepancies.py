"""`discrepancies`: failed checks that people have to look at."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer

from ..errors import InvalidRequestError
from ..models import BotId, DiscrepancyRecord, DiscrepancyState
from ..redaction import shown
from .completing import BotOption
from .ground import ConfigOption, JsonOption, the_store, when
from .output import as_json, as_table

app = typer.Typer(help="Look at failed checks, and settle them.", no_args_is_help=True)

_Id = Annotated[str, typer.Argument(metavar="DISCREPANCY", help="disc_…")]
_By = Annotated[str, typer.Option("--by", metavar="NAME", help="Who you are.")]


@app.command("list")
def list_discrepancies(
    state: Annotated[DiscrepancyState | None, typer.Option(help="Only this state.")] = None,
    bot: BotOption = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many, newest first.")] = 50,
    config: ConfigOption = None,
    as_json_: JsonOption = False,
) -> None:
    """Show discrepancies, the newest first."""
    bot_id = None if bot is None else str(BotId.parse(bot))
    with the_store(config) as store:
        found = store.discrepancies.list(state=state, bot_id=bot_id, limit=limit)
    if as_json_:
        as_json([_everything(one) for one in found])
        return
    headings = ("discrepancy", "opened", "times", "kind", "bot", "account", "state")
    as_table(headings, [_row(one) for one in found])


@app.command("show")
def show_discrepancy(
    discrepancy_id: _Id, config: ConfigOption = None, as_json_: JsonOption = False
) -> None:
    """Show everything that is known of one discrepancy."""
    with the_store(config) as store:
        found = store.discrepancies.get(discrepancy_id)
    if found is None:
        raise InvalidRequestError(
            f"There is no discrepancy {shown(discrepancy_id)}; see `stripe-billing-router "
            "discrepancies list`.",
            parameter="discrepancy_id",
        )
    _show(found, as_json_)


@app.command("acknowledge")
def acknowledge(
    discrepancy_id: _Id, by: _By, config: ConfigOption = None, as_json_: JsonOption = False
) -> None:
    """Say that you are looking at a discrepancy."""
    with the_store(config) as store:
        _show(store.discrepancies.acknowledge(discrepancy_id, by=by), as_json_)


@app.command("resolve")
def resolve(
    discrepancy_id: _Id,
    by: _By,
    note: Annotated[str | None, typer.Option(help="What it was, and what was done.")] = None,
    config: ConfigOption = None,
    as_json_: JsonOption = False,
) -> None:
    """Close a discrepancy."""
    with the_store(config) as store:
        _show(store.discrepancies.resolve(discrepancy_id, by=by, note=note), as_json_)


def _show(found: DiscrepancyRecord, as_json_: bool) -> None:
    everything = _everything(found)
    if as_json_:
        as_json(everything)
        return
    rows = [(name, str(value)) for name, value in everything.items() if value is not None]
    as_table(("field", "value"), rows)


def _everything(found: DiscrepancyRecord) -> dict[str, Any]:
    return {
        name.removesuffix("_ms"): when(value) if name.endswith("_ms") and value else value
        for name, value in asdict(found).items()
    }


def _row(found: DiscrepancyRecord) -> tuple[str, ...]:
    return (
        found.id,
        when(found.opened_ms),
        str(found.count),
        found.kind,
        found.bot_id or "",
        found.account_id or "",
        str(found.state),
    )
