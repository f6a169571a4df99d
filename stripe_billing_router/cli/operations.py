"""`operations`: what bots have asked for, and what came of it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer

from ..client import BillingRouter, assembly_of
from ..errors import InvalidRequestError
from ..models import BotId, Operation, OperationState, major
from ..redaction import shown
from .completing import BotOption
from .desk import ByOption
from .ground import ConfigOption, JsonOption, the_store, when
from .output import as_json, as_table, counting

app = typer.Typer(help="Look at what bots have asked for.", no_args_is_help=True)

_State = Annotated[
    list[OperationState] | None, typer.Option(help="Only these states; may be repeated.")
]
_Limit = Annotated[int, typer.Option(min=1, max=10_000, help="How many, the newest first.")]


@app.command("list")
def list_operations(
    state: _State = None,
    bot: BotOption = None,
    limit: _Limit = 50,
    config: ConfigOption = None,
    as_json_: JsonOption = False,
) -> None:
    """Show operations, the newest first."""
    bot_id = None if bot is None else str(BotId.parse(bot))
    with the_store(config) as store:
        found = store.operations(states=state or None, bot_id=bot_id, limit=limit)
    if as_json_:
        as_json([_summary(operation) for operation in found])
        return
    headings = ("operation", "when", "bot", "verb", "amount", "state", "Stripe id")
    as_table(headings, [_row(operation) for operation in found])


@app.command("show")
def show_operation(
    operation_id: Annotated[str, typer.Argument(metavar="OPERATION", help="op_…")],
    config: ConfigOption = None,
    as_json_: JsonOption = False,
) -> None:
    """Show everything that is known of one operation."""
    with the_store(config) as store:
        found = store.operation(operation_id)
    if found is None:
        raise InvalidRequestError(
            f"There is no operation {shown(operation_id)}; see `stripe-billing-router operations "
            "list`.",
            parameter="operation_id",
        )
    if as_json_:
        as_json(_everything(found))
        return
    rows = [(name, str(value)) for name, value in _everything(found).items() if value is not None]
    as_table(("field", "value"), rows)


@app.command("recover")
def recover(config: ConfigOption = None, as_json_: JsonOption = False) -> None:
    """Settle what crashes left behind.

    Exit code 1 if people have to look at something.
    """
    path = None if config is None else config.absolute()
    with BillingRouter(path) as router, counting("operations") as progress:
        found = asdict(router.recover_operations(progress))
    if as_json_:
        as_json(found)
    else:
        as_table(("outcome", "operations"), [(k, ", ".join(v)) for k, v in found.items() if v])
    if found["escalated"]:
        raise typer.Exit(1)


@app.command("cancel")
def cancel(
    operation_id: Annotated[str, typer.Argument(metavar="OPERATION", help="op_…")],
    config: ConfigOption = None,
    as_json_: JsonOption = False,
) -> None:
    """End an operation that still waits for its customer."""
    with BillingRouter(None if config is None else config.absolute()) as router:
        done = router.cancel(operation_id)
    if as_json_:
        as_json({"operation_id": operation_id, "state": done.state})
        return
    typer.echo(f"{operation_id} is {done.state}.")


@app.command("confirm")
def confirm(
    operation_id: Annotated[str, typer.Argument(metavar="OPERATION", help="op_…")],
    amount: Annotated[str, typer.Option(metavar="AMOUNT", help="What the statement shows.")],
    by: ByOption,
    note: Annotated[str | None, typer.Option(metavar="TEXT", help="What it shows besides.")] = None,
    config: ConfigOption = None,
    as_json_: JsonOption = False,
) -> None:
    """Record that a bank transfer has come, or was sent.

    It has to be all of it.
    """
    with BillingRouter(None if config is None else config.absolute()) as router:
        done = assembly_of(router).canceller.confirm(operation_id, amount, by, note)
    if as_json_:
        as_json({"operation_id": operation_id, "state": done.state})
        return
    typer.echo(f"{operation_id} is {done.state}: {done.amount} {done.currency}.")


def _summary(operation: Operation) -> dict[str, Any]:
    outcome = operation.outcome
    return {
        "operation_id": operation.operation_id,
        "created": when(operation.created_ms),
        "bot_id": str(operation.bot),
        "provider": operation.provider,
        "region": operation.region,
        "verb": operation.verb,
        "state": str(operation.state),
        "amount_minor": operation.amount_minor,
        "currency": operation.currency,
        "idempotency_key": operation.idempotency_key,
        "stripe_id": outcome.stripe_id if outcome else None,
        "failure": asdict(outcome.failure) if outcome and outcome.failure else None,
    }


def _everything(operation: Operation) -> dict[str, Any]:
    return {
        **_summary(operation),
        "updated": when(operation.updated_ms),
        "customer_id": operation.customer_id,
        "account_id": operation.account_id,
        "api_version": operation.api_version,
        "input_hash": operation.input_hash,
        "effect_hash": operation.effect_hash,
        "generation": operation.generation,
        "lease_until": when(operation.lease_until_ms) if operation.lease_token else None,
        "arguments": dict(operation.arguments),
        "steps": [asdict(step) for step in operation.steps],
        "outputs": [asdict(output) for output in operation.outputs],
    }


def _row(operation: Operation) -> tuple[str, ...]:
    found = _summary(operation)
    amount = major(operation.amount_minor, operation.currency)
    return (
        found["operation_id"],
        found["created"],
        found["bot_id"],
        found["verb"],
        "" if amount is None else f"{amount} {operation.currency}",
        found["state"],
        found["stripe_id"] or "",
    )
