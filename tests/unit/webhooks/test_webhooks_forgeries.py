"""Forged and mangled deliveries: nothing but WebhookError, and none accepted.

More of it: `make forgeries`.
"""

from __future__ import annotations

import json
import os
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stripe import WebhookSignature

from stripe_billing_router.errors import WebhookError
from stripe_billing_router.webhooks import Receipt
from tests.integration.webhooks.webhooks_bench import SECRET, WebhooksBench
from tests.unit.webhooks.forgeries import FORGERIES, forged, mutate

NUMBER = int(os.environ.get("FORGERIES", "25000"))
EXAMPLES = max(200, NUMBER // 250)
BENT = max(500, NUMBER // 200)


def signed(bench: WebhooksBench, text: str) -> tuple[bytes, str]:
    at = bench.world.clock.now_ms() // 1000
    header = WebhookSignature.generate_signature_header(text, SECRET, at)
    return text.encode(), header


def originals(bench: WebhooksBench) -> list[tuple[bytes, str]]:
    """Real events of every type that there is, signed now."""
    by_type = {event["type"]: event for event in bench.events()}
    return [signed(bench, json.dumps(event, indent=2)) for event in by_type.values()]


def test_no_forgery_is_accepted_and_none_raises_anything_else(bench: WebhooksBench) -> None:
    genuine, before = originals(bench), bench.states()
    for number in range(NUMBER):
        chance = random.Random(number)
        payload, header = forged(chance, *chance.choice(genuine))
        with pytest.raises(WebhookError):
            bench.webhooks.receive(payload, header)
    assert bench.states() == before


@pytest.mark.parametrize("forgery", FORGERIES, ids=lambda forgery: forgery.__name__)
def test_every_kind_of_forgery_changes_something(bench: WebhooksBench, forgery: Any) -> None:
    original = originals(bench)[0]
    assert any(forgery(random.Random(n), *original) != original for n in range(20))


def test_events_do_not_vouch_for_each_other(bench: WebhooksBench) -> None:
    genuine = originals(bench)
    for payload, _ in genuine:
        for other, header in genuine:
            if other != payload:
                with pytest.raises(WebhookError):
                    bench.webhooks.receive(payload, header)


@settings(max_examples=EXAMPLES, deadline=None)
@given(payload=st.binary(max_size=300), header=st.text(max_size=200))
def test_whatever_comes_is_refused(bench: WebhooksBench, payload: bytes, header: str) -> None:
    with pytest.raises(WebhookError):
        bench.webhooks.receive(payload, header)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@settings(max_examples=EXAMPLES, deadline=None)
@given(body=JSON)
def test_signed_nonsense_is_refused(bench: WebhooksBench, body: Any) -> None:
    with pytest.raises(WebhookError):
        bench.webhooks.receive(*signed(bench, json.dumps(body)))


def bend(bench: WebhooksBench, numbers: range) -> set[type]:
    """Deliver events whose signature is right, and whose shape is none that Stripe sends."""
    bodies = [json.loads(payload) for payload, _ in originals(bench)]
    outcomes: set[type] = set()
    for number in numbers:
        chance = random.Random(number)
        body = {**json.loads(json.dumps(chance.choice(bodies))), "id": f"evt_bent{number}"}
        for _ in range(chance.randrange(1, 4)):
            mutate(chance, body)
        try:
            outcomes.add(type(bench.webhooks.receive(*signed(bench, json.dumps(body)))))
        except WebhookError:
            outcomes.add(WebhookError)
    return outcomes


def test_signed_events_that_were_bent_are_refused_or_stored(bench: WebhooksBench) -> None:
    """Taken or refused, and nothing else."""
    assert bend(bench, range(BENT)) == {Receipt, WebhookError}


def test_bent_events_that_were_stored_break_no_worker(bench: WebhooksBench) -> None:
    """They are processed, or fail as themselves; the next event is worked on all the same."""
    bend(bench, range(BENT, BENT + 200))
    done = bench.webhooks.process_pending(100_000)
    assert done.total == done.processed + done.superseded + done.failed + done.waiting
    assert done.processed > 0
