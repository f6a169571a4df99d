"""The rules of retry and doubt, over every reply that can be thought of."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stripe_billing_router.ports import Reply, Verdict
from stripe_billing_router.providers.stripe.replies import verdict

TYPES = ["card_error", "invalid_request_error", "idempotency_error", "api_error", None, 5]
CODES = ["card_declined", "idempotency_key_in_use", "lock_timeout", "rate_limit", None, ["x"]]
DOUBTFUL = (Verdict.DOUBT, Verdict.STOP)

bodies: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.just({}),
    st.builds(
        lambda kind, code: {"error": {"type": kind, "code": code}},
        st.sampled_from(TYPES),
        st.sampled_from(CODES),
    ),
    st.builds(lambda error: {"error": error}, st.none() | st.text() | st.lists(st.integers())),
)
replies = st.builds(
    Reply,
    kind=st.sampled_from(["answered", "not_sent", "indeterminate"]),
    status=st.none() | st.integers(100, 599) | st.sampled_from([200, 400, 401, 402, 409, 429, 500]),
    body=bodies,
    replayed=st.booleans(),
    should_retry=st.none() | st.booleans(),
    retry_after=st.none() | st.floats(0, 3600),
)
often = settings(max_examples=200, deadline=None, derandomize=True, database=None)


def kind_of_error(reply: Reply) -> object:
    error = reply.body.get("error")
    return error.get("type") if isinstance(error, dict) else None


@often
@given(replies)
def test_in_doubt_only_an_answer_about_this_payment_settles(reply: Reply) -> None:
    if verdict(reply, in_doubt=True) is not Verdict.SETTLED:
        return
    assert reply.kind == "answered"
    status = reply.status or 0
    if 200 <= status < 300 or reply.replayed:
        assert status < 500
        return
    assert status < 500
    assert status not in (401, 403, 409, 429)
    assert kind_of_error(reply) != "idempotency_error"


@often
@given(replies)
def test_in_doubt_nothing_that_stripe_answers_says_not_executed(reply: Reply) -> None:
    if reply.kind == "answered":
        assert verdict(reply, in_doubt=True) is not Verdict.AGAIN


@often
@given(replies)
def test_doubt_never_makes_an_answer_surer(reply: Reply) -> None:
    if verdict(reply, in_doubt=False) in DOUBTFUL:
        assert verdict(reply, in_doubt=True) in DOUBTFUL


@often
@given(replies, st.booleans())
def test_what_may_have_had_its_effect_is_always_doubt(reply: Reply, in_doubt: bool) -> None:
    unsure = reply.kind == "indeterminate"
    broken = reply.kind == "answered" and (reply.status or 0) >= 500
    if unsure or broken:
        assert verdict(reply, in_doubt=in_doubt) in DOUBTFUL


@often
@given(replies, st.booleans())
def test_what_was_never_sent_settles_nothing(reply: Reply, in_doubt: bool) -> None:
    unsent = replace(reply, kind="not_sent")
    assert verdict(unsent, in_doubt=in_doubt) is Verdict.AGAIN


@often
@given(replies, st.booleans())
def test_a_success_settles(reply: Reply, in_doubt: bool) -> None:
    done = replace(reply, kind="answered", status=200)
    assert verdict(done, in_doubt=in_doubt) is Verdict.SETTLED


@pytest.mark.parametrize("in_doubt", [True, False])
@pytest.mark.parametrize("status", [400, 402, 404])
def test_a_decline_or_a_refusal_settles(status: int, in_doubt: bool) -> None:
    reply = Reply("answered", status, {"error": {"type": "card_error"}})
    assert verdict(reply, in_doubt=in_doubt) is Verdict.SETTLED


@pytest.mark.parametrize("code", ["idempotency_key_in_use", "lock_timeout", None])
@pytest.mark.parametrize("in_doubt", [True, False])
def test_a_conflict_may_hide_an_effect(code: str | None, in_doubt: bool) -> None:
    reply = Reply("answered", 409, {"error": {"code": code}})
    assert verdict(reply, in_doubt=in_doubt) in DOUBTFUL


def test_a_rate_limit_on_the_first_send_executed_nothing() -> None:
    reply = Reply("answered", 429, {"error": {"code": "rate_limit"}})
    assert verdict(reply, in_doubt=False) is Verdict.AGAIN
    assert verdict(reply, in_doubt=True) in DOUBTFUL


@often
@given(replies, st.integers(0, 50))
def test_a_wait_is_never_shorter_than_stripe_asks_and_never_longer_than_it_must(
    reply: Reply, attempt: int
) -> None:
    wait = reply.wait(attempt)
    assert wait >= (reply.retry_after or 0)
    assert 0 < wait <= max(8.0, reply.retry_after or 0)
