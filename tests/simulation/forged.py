"""Somebody who can write to the database, but holds no key: what is open is changed, or copied, and
nothing may come of it. Seldom of use by chance, so these schedules are made for it."""

from __future__ import annotations

import json
from dataclasses import asdict
from random import Random
from typing import Any

from stripe_billing_router.hashing import Seals
from stripe_billing_router.sandbox import SANDBOX_SECRET_KEY
from stripe_billing_router.store import Sealing
from stripe_billing_router.store.codec import operation_of
from tests.simulation.bed import Bed
from tests.simulation.house import House
from tests.simulation.schedule import (
    Ask,
    Crash,
    Forge,
    Happening,
    Injection,
    Intent,
    NetworkFault,
    Recover,
    Schedule,
    Wait,
)

STOLEN = 999_999
"""Minor units that nobody has asked for."""

PAYOUTS = "/v1/payouts"
_WAYS = ("amount", "customer", "payout", "generation", "time", "outputs", "copy", "step", "step")
_VERBS = (
    "charge by amount",
    "charge by amount",
    "charge by price",
    "refund",
    "create_subscription",
)


def with_forged_rows(seed: int, random: Random) -> Schedule:
    """Return a schedule in which a call is broken off and its row is then forged."""
    key = "key-0" if random.random() < 0.6 else None
    intent = Intent(0, random.choice(_VERBS), key, "succeeds")
    other = Intent(1, "charge by amount", "key-1", "succeeds")
    return Schedule(
        seed=seed,
        intents=(intent, other),
        happenings=_happenings(random),
        injections=(_breaks_off(random),),
        deaths_show=random.random() < 0.5,
        house=House(),
    )


def _happenings(random: Random) -> tuple[Happening, ...]:
    again: list[Happening] = [Recover(1), Ask(0, random.choice((0, 1))), Ask(1, 1)]
    random.shuffle(again)
    pauses = [Wait(random.choice((0.0, 130.0, 700.0, 1800.0))) for _ in range(2)]
    return Ask(0, 0), pauses[0], Forge(random.choice(_WAYS)), pauses[1], *again


def _breaks_off(random: Random) -> Injection:
    skip = random.randrange(3)
    if random.random() < 0.3:
        return Injection("send.before", skip, NetworkFault("cut", True, 12), "ask", True)
    point = random.choice(("send.before", "send.after"))
    return Injection(point, skip, Crash(), "ask", True)  # type: ignore[arg-type]


def forge(bed: Bed, way: str) -> str | None:
    """Forge the last row that is open; return the operation id of what came of it."""
    query = "SELECT * FROM stripe_operations WHERE state IN ('pending', 'unknown')"
    found = bed.rows.execute(f"{query} ORDER BY created_ms DESC, operation_id").fetchone()
    if found is None:
        return None
    row = dict(found)
    steps = json.loads(row["steps"])
    if way == "outputs" and row["outputs"] == "[]":
        way = "amount"
    changes = _changes(way, row, steps)
    if way == "copy":
        copy = {**row, **changes}
        names, marks = ", ".join(copy), ", ".join("?" * len(copy))
        bed.rows.execute(
            f"INSERT INTO stripe_operations ({names}) VALUES ({marks})",
            tuple(copy.values()),
        )
        return str(copy["operation_id"])
    sets = ", ".join(f"{name} = ?" for name in changes)
    bed.rows.execute(
        f"UPDATE stripe_operations SET {sets} WHERE operation_id = ?",
        (*changes.values(), row["operation_id"]),
    )
    return str(row["operation_id"])


def _changes(way: str, row: dict[str, Any], steps: list[dict[str, Any]]) -> dict[str, Any]:
    first = steps[0]
    match way:
        case "amount":
            first["params"]["amount"] = STOLEN
            return {"amount_minor": STOLEN, "steps": json.dumps(steps)}
        case "customer":
            first["params"]["customer"] = "cus_1"
            return {"customer_id": "cus_1", "steps": json.dumps(steps)}
        case "payout":
            first.update(path=PAYOUTS, params={"amount": STOLEN, "currency": "usd"})
            return {"steps": json.dumps(steps)}
        case "generation":
            return {"generation": row["generation"] + 1}
        case "time":
            return {"started_ms": row["started_ms"] + 3_600_000}
        case "outputs":
            outputs = json.loads(row["outputs"])
            outputs[0]["body"]["id"] = "in_somebody_elses"
            return {"outputs": json.dumps(outputs)}
        case "copy":
            first["params"]["amount"] = STOLEN
            return {
                "operation_id": "op_forged",
                "idempotency_key": "forged",
                "input_hash": "0" * 64,
                "steps": json.dumps(steps),
                "lease_token": None,
                "lease_until_ms": 0,
            }
    return _under_a_stolen_seal(row, steps)


def _under_a_stolen_seal(row: dict[str, Any], steps: list[dict[str, Any]]) -> dict[str, Any]:
    """Even then nothing is sent that is not the verb's own."""
    steps[0].update(path=PAYOUTS, params={})
    forged = {**row, "steps": json.dumps(steps)}
    sealing = Sealing(lambda: Seals([SANDBOX_SECRET_KEY]))
    sealed = sealing.sealed(operation_of(forged))
    return {"steps": json.dumps([asdict(step) for step in sealed.steps]), "seal": sealed.seal}
