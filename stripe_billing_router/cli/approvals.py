"""`approvals`: what bots have asked people for, and what they were told."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer

from ..models import Approval, ApprovalState, BotId, major
from .completing import BotOption
from .desk import ByOption, the_desk
from .ground import ConfigOption, JsonOption, the_store, when
from .output import as_json, as_table

app = typer.Typer(help="Decide what bots may do.", no_args_is_help=True)

_Approval = Annotated[str, typer.Argument(metavar="APPROVAL", help="apr_…")]
_Note = Annotated[str | None, typer.Option(metavar="TEXT", help="Why; it is kept.")]
_State = Annotated[
    list[ApprovalState] | None,
    typer.Option(help="Only these states; may be repeated. Without it, those to be decided."),
]
_Limit = Annotated[int, typer.Option(min=1, max=10_000, help="How many, the newest first.")]


@app.command("list")
def list_approvals(
    state: _State = None,
    bot: BotOption = None,
    limit: _Limit = 50,
    config: ConfigOption = None,
    as_json_: JsonOption = False,
) -> None:
    """Show what waits for a decision, the newest first.

    `operations show` tells all of it.
    """
    bot_id = None if bot is None else str(BotId.parse(bot))
    with the_store(config) as store:
        found = store.approvals(states=state or [ApprovalState.PENDING], bot_id=bot_id, limit=limit)
    if as_json_:
        as_json([described(approval) for approval in found])
        return
    headings = ("approval", "asked", "expires", "bot", "verb", "amount", "customer", "rule")
    more = ("state", "by", "operation")
    as_table((*headings, *more), [_row(approval) for approval in found])


@app.command("approve")
def approve(
    approval_id: _Approval,
    by: ByOption,
    note: _Note = None,
    config: ConfigOption = None,
    as_json_: JsonOption = False,
) -> None:
    """Let a bot do it, once, and exactly as it asked.

    The bot repeats its call with its key.
    """
    with the_desk(config) as desk:
        done = desk.approve(approval_id, by, note)
    if as_json_:
        as_json(described(done))
        return
    typer.echo(
        f"{done.approval_id} is approved until {when(done.expires_ms)}: {_what(done)}. The bot "
        f"repeats its call with idempotency_key {done.idempotency_key}."
    )


@app.command("reject")
def reject(
    approval_id: _Approval,
    by: ByOption,
    note: _Note = None,
    config: ConfigOption = None,
    as_json_: JsonOption = False,
) -> None:
    """Refuse it for good; also what was approved, until it is used."""
    with the_desk(config) as desk:
        done = desk.reject(approval_id, by, note)
    if as_json_:
        as_json(described(done))
        return
    typer.echo(f"{done.approval_id} is rejected: {_what(done)}.")


def described(approval: Approval) -> dict[str, Any]:
    """Return an approval in JSON types, its times as people read them."""
    amount = major(approval.amount_minor, approval.currency)
    decided = approval.decided_ms
    return {
        **asdict(approval),
        "state": str(approval.state),
        "amount": None if amount is None else f"{amount:f}",
        "requested": when(approval.requested_ms),
        "expires": when(approval.expires_ms),
        "decided": None if decided is None else when(decided),
    }


def _what(approval: Approval) -> str:
    return f"{approval.verb} of {_money(approval)} by {approval.bot_id}"


def _money(approval: Approval) -> str:
    amount = major(approval.amount_minor, approval.currency)
    return "an amount not known before" if amount is None else f"{amount:f} {approval.currency}"


def _row(approval: Approval) -> tuple[str, ...]:
    return (
        approval.approval_id,
        when(approval.requested_ms),
        when(approval.expires_ms),
        approval.bot_id,
        approval.verb,
        _money(approval),
        approval.customer_id or "",
        approval.rule,
        str(approval.state),
        approval.decided_by or "",
        approval.operation_id,
    )
