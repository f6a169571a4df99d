"""`status`: who is frozen, what waits for people, and what is used of the budgets."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast, get_args

from ..errors import ConfigurationError
from ..models import ApprovalState, BotId, Policies, Usage, Window, window_start_ms
from ..money import to_major
from ..policy import counter_of
from .approvals import described
from .freezes import described as frozen
from .ground import ConfigOption, JsonOption, routing_file, the_store, when
from .output import as_json, as_table

_SOMEBODY = BotId("stripe", "any", "bot")


def status(config: ConfigOption = None, as_json_: JsonOption = False) -> None:
    """Show freezes, open approvals and the use of budgets.

    Budgets are shown for their present windows.
    """
    limits = _limits(config)
    with the_store(config) as store:
        now_ms = store.now_ms()
        freezes = [frozen(freeze) for freeze in store.freezes()]
        waiting = store.approvals(states=[ApprovalState.PENDING], limit=10_000)
        starts_ms = [window_start_ms(window, now_ms) for window in get_args(Window)]
        present = [u for u in store.budgets(starts_ms=starts_ms) if _is_present(u, now_ms)]
        used = [_used(usage, limits) for usage in present]
    approvals = [described(approval) for approval in waiting]
    if as_json_:
        as_json({"freezes": freezes, "approvals": approvals, "budgets": used})
        return
    as_table(("frozen", "since", "by", "reason"), _rows(freezes, "scope frozen frozen_by reason"))
    as_table(
        ("waits for approval", "expires", "bot", "verb", "amount", "currency"),
        _rows(approvals, "approval_id expires bot_id verb amount currency"),
    )
    as_table(("counter", "since", "used", "limit"), _rows(used, "counter since used limit"))


def _rows(found: list[dict[str, Any]], names: str) -> list[list[str]]:
    return [["" if row[n] is None else str(row[n]) for n in names.split()] for row in found]


def _is_present(usage: Usage, now_ms: int) -> bool:
    window = usage.counter.split("/")[2]
    return usage.window_start_ms == window_start_ms(cast("Window", window), now_ms)


def _used(usage: Usage, limits: dict[str, int]) -> dict[str, Any]:
    """Money is in major units; a limit that the routing file has no more is None."""
    kind, currency = usage.counter.split("/")[1::2][:2]
    limit = limits.get(_without_bot(usage.counter))
    return {
        "counter": usage.counter,
        "since": when(usage.window_start_ms),
        "used": _in_units(usage.used, kind, currency),
        "limit": None if limit is None else _in_units(limit, kind, currency),
    }


def _in_units(number: int, kind: str, currency: str) -> str | int:
    return f"{to_major(number, currency):f}" if kind == "money" else number


def _limits(config: Path | None) -> dict[str, int]:
    """Return the limits of the routing file, by counter less its bot; none if it is broken."""
    try:
        policies = routing_file(config).policies
    except ConfigurationError:
        return {}
    return dict(_each_limit(policies))


def _each_limit(policies: Policies) -> list[tuple[str, int]]:
    found = []
    for rule in policies.rules:
        for budget in rule.budgets:
            found.append((counter_of(rule, budget, _SOMEBODY), budget.amount_minor))
        for calls in rule.call_limits:
            found.append((counter_of(rule, calls, _SOMEBODY), calls.calls))
    return [(_without_bot(counter), limit) for counter, limit in found]


def _without_bot(counter: str) -> str:
    return counter.rpartition("/")[0]
