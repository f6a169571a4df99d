"""With a domain installed, the same schedules break no promise, and the domain's rows are what the
ledger says, wherever a process died."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import closing

import pytest

from stripe_billing_router.bootstrap import INSTALLED
from stripe_billing_router.hashing import Seals
from stripe_billing_router.master_account import STRIPE_MASTER_ACCOUNT_ID
from stripe_billing_router.models import OperationState
from stripe_billing_router.sandbox import SANDBOX_API_BASE
from stripe_billing_router.store import Caught, Projections, Sealing, SqlStore
from tests.integration.domains.points import POINTS
from tests.simulation.bed import Bed, new_bed
from tests.simulation.runs import play
from tests.simulation.simulation import SEALS

SCHEDULES = 60
NAME = "projection:points.balances"


@pytest.fixture
def bed_with_points(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bed]:
    monkeypatch.setitem(INSTALLED, "points", "tests.integration.domains.points:POINTS")
    with new_bed() as made:
        yield made


def worker(bed: Bed) -> SqlStore:
    """Another process, when everything is over."""
    return SqlStore(
        bed.url,
        bed.clock,
        account_id=STRIPE_MASTER_ACCOUNT_ID,
        api_base=SANDBOX_API_BASE,
        sealing=Sealing(lambda: Seals([SEALS])),
        domains=[POINTS],
    )


def collected(store: SqlStore) -> Counter[str]:
    """Whole major units that charges have collected, by bot; not by rows that somebody forged."""
    found: Counter[str] = Counter()
    for one in store.operations(states=[OperationState.SUCCEEDED]):
        if one.verb == "charge" and store.proof(one).may_be_told and one.outcome is not None:
            found[str(one.bot)] += (one.outcome.amount_minor or 0) // 100
    return found


def test_a_domain_s_rows_follow_from_the_ledger_whatever_crashes(
    bed_with_points: Bed, monkeypatch: pytest.MonkeyPatch
) -> None:
    bed, total = bed_with_points, 0
    late: list[int] = []
    real = Projections.catch_up

    def catch_up(projections: Projections) -> Caught:
        caught = real(projections)
        late.append(caught.applied)
        return caught

    monkeypatch.setattr(Projections, "catch_up", catch_up)
    for seed in range(SCHEDULES):
        played = play(bed, seed)
        assert not played.violations, (seed, played.violations)
        with closing(worker(bed)) as store:
            store.projections.catch_up()
            assert store.projections.compare(NAME) == [], seed
            rows = bed.rows.execute("SELECT bot_id, points FROM stripe_points_balances")
            points = Counter(dict(rows.fetchall()))
            assert points == collected(store), seed
        total += points.total()
    assert total
    assert any(late)  # some process died between its commit and its projection
