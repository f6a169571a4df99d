"""Whose event it is: every place that names an account, and every shape that Stripe never sends."""

from __future__ import annotations

import json
from typing import Any

import pytest
import stripe
from hypothesis import example, given, settings
from hypothesis import strategies as st

from stripe_billing_router.errors import WebhookError
from stripe_billing_router.master_account import STRIPE_MASTER_ACCOUNT_ID as MASTER
from stripe_billing_router.providers.stripe.webhooks import accounts_of

OTHER = "acct_somebody0else"

PLACES: dict[str, Any] = {
    "account": lambda value: event(account=value),
    "context": lambda value: event(context=value),
    "on_behalf_of": lambda value: event(on_behalf_of=value),
    "transfer_data.destination": lambda value: event(transfer_data={"destination": value}),
    "transfer": lambda value: event(transfer=value),
    "transfer.destination": lambda value: event(transfer={"id": "tr_1", "destination": value}),
    "metadata.destination_account": lambda value: event(metadata={"destination_account": value}),
    "metadata.account": lambda value: event(metadata={"account": value}),
    "metadata.stripe_account": lambda value: event(metadata={"stripe_account": value}),
}
every_place = pytest.mark.parametrize("place", PLACES)


def event(account: Any = None, context: Any = None, **fields: Any) -> dict[str, Any]:
    """An event as Stripe sends it, about a charge with these fields."""
    return {
        "id": "evt_1",
        "object": "event",
        "api_version": "2026-10-28.endive",
        "account": account,
        "context": context,
        "data": {"object": {"id": "ch_1", "object": "charge", **fields}},
        "type": "charge.succeeded",
    }


def forms(shape: dict[str, Any]) -> list[Any]:
    """The same event as a dict, as Stripe's object, and with what is None left out."""
    told = {name: value for name, value in shape.items() if value is not None}
    return [shape, told, stripe.Event.construct_from(json.loads(json.dumps(shape)), "sk")]


def test_an_event_that_names_no_account_is_the_platform_s() -> None:
    for form in forms(event()):
        assert accounts_of(form) == []


@every_place
@pytest.mark.parametrize("account", [MASTER, OTHER])
def test_an_account_is_found_wherever_an_event_may_name_one(place: str, account: str) -> None:
    for form in forms(PLACES[place](account)):
        assert accounts_of(form) == [account]


@pytest.mark.parametrize("place", ["account", "on_behalf_of", "transfer_data.destination"])
def test_an_account_may_be_shown_as_an_object(place: str) -> None:
    assert accounts_of(PLACES[place]({"id": OTHER, "object": "account"})) == [OTHER]


@every_place
@pytest.mark.parametrize(
    "value", ["", 5, 1.5, True, False, [], [OTHER], {}, {"id": None}, {"id": 5}]
)
def test_a_value_that_is_no_account_is_never_taken_for_one(place: str, value: Any) -> None:
    if place == "transfer" and isinstance(value, dict):
        return  # the object of a transfer, which names its account as `destination`
    with pytest.raises(WebhookError):
        accounts_of(PLACES[place](value))


@pytest.mark.parametrize(
    "shape",
    [
        None,
        5,
        "evt_1",
        b"{}",
        [],
        [event()],
        {},
        {"object": "event"},
        {"object": "event", "data": None},
        {"object": "event", "data": []},
        {"object": "event", "data": "x"},
        {"object": "event", "data": {}},
        {"object": "event", "data": {"object": None}},
        {"object": "event", "data": {"object": []}},
        {"object": "event", "data": {"object": "ch_1"}},
        event(transfer_data="acct_x"),
        event(transfer_data=["acct_x"]),
        event(transfer_data=5),
        event(metadata="x"),
        event(metadata=[]),
        event(metadata=0),
        event(transfer=5),
        event(transfer=[]),
        event(transfer=""),
        event(context="/"),
        event(context=f"/{MASTER}"),
        event(context=f"{MASTER}/"),
        {"object": "v2.core.event", "data": "x"},
        {"object": "v2.core.event", "data": {"object": "x"}},
    ],
    ids=str,
)
def test_a_shape_that_stripe_never_sends_is_refused(shape: Any) -> None:
    with pytest.raises(WebhookError) as told:
        accounts_of(shape)
    assert isinstance(told.value, ValueError)
    assert str(told.value).endswith(".")


def test_a_transfer_s_id_names_no_account() -> None:
    assert accounts_of(event(transfer="tr_1")) == []
    assert accounts_of(event(transfer={"id": "tr_1"})) == []


def test_no_other_account_may_be_on_the_way_to_the_target() -> None:
    assert accounts_of(event(context=f"org_1/{MASTER}")) == [MASTER]
    assert OTHER in accounts_of(event(context=f"org_1/{OTHER}"))
    assert OTHER in accounts_of(event(context=f"{OTHER}/{MASTER}"))
    assert OTHER in accounts_of(event(context=f"{MASTER}/{OTHER}"))


def test_every_account_that_an_event_names_is_told() -> None:
    both = event(account=MASTER, on_behalf_of=OTHER, metadata={"account": "acct_third"})
    assert accounts_of(both) == [MASTER, OTHER, "acct_third"]


@pytest.mark.parametrize("data", [None, {"amount": 5}, {"object": None}])
def test_a_thin_event_names_its_account_in_its_context_only(data: Any) -> None:
    thin = {"object": "v2.core.event", "id": "evt_1", "type": "x", "data": data}
    assert accounts_of(thin) == []
    assert accounts_of({**thin, "context": OTHER}) == [OTHER]
    with_object = {**thin, "data": {"object": {"on_behalf_of": OTHER}}}
    assert accounts_of(with_object) == [OTHER]


def test_a_thin_notification_of_the_sdk_is_an_event_too() -> None:
    body = {
        "id": "evt_1",
        "object": "v2.core.event",
        "type": "v1.billing.meter.error_report_triggered",
        "created": "2026-01-01T00:00:00Z",
        "livemode": True,
        "related_object": {"id": "mtr_1", "type": "billing.meter", "url": "/v1/billing/meters/1"},
    }
    client = stripe.StripeClient("sk_live_x")
    thin = stripe.v2.core.EventNotification
    assert accounts_of(thin.from_json(dict(body), client)) == []
    assert accounts_of(thin.from_json({**body, "context": OTHER}, client)) == [OTHER]


def test_an_object_that_fails_to_show_itself_is_refused() -> None:
    class Odd:
        def to_dict(self) -> dict[str, Any]:
            raise RecursionError

    with pytest.raises(WebhookError):
        accounts_of(Odd())


def test_a_key_in_an_event_is_not_repeated() -> None:
    key = "sk_live_" + "0" * 24
    with pytest.raises(WebhookError) as told:
        accounts_of(event(transfer_data=key))
    assert key not in str(told.value)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from([MASTER, OTHER, "tr_1", "v2.core.event", "event"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                """
                account context object data on_behalf_of transfer_data destination transfer metadata
                destination_account stripe_account id
                """.split()
            ),
            inner,
            max_size=6,
        )
    ),
    max_leaves=25,
)
often = settings(max_examples=200, deadline=None, derandomize=True, database=None)


@often
@given(json_values)
@example({"object": "event", "data": {"object": {"transfer_data": {"destination": []}}}})
@example({"object": "v2.core.event", "context": {"id": OTHER}})
def test_any_json_is_refused_or_names_accounts(shape: Any) -> None:
    try:
        found = accounts_of(shape)
    except WebhookError:
        return
    assert "" not in found


@often
@given(
    st.fixed_dictionaries({}, optional=dict.fromkeys(("account", "context"), json_values)),
    st.fixed_dictionaries(
        {},
        optional=dict.fromkeys(
            ("on_behalf_of", "transfer_data", "transfer", "metadata", "id", "object"), json_values
        ),
    ),
)
def test_an_event_is_the_master_s_only_if_every_place_says_so_or_nothing(
    outside: dict[str, Any], inside: dict[str, Any]
) -> None:
    shape = {"object": "event", **outside, "data": {"object": inside}}
    try:
        found = accounts_of(shape)
    except WebhookError:
        return
    if set(found) <= {MASTER}:
        metadata = inside.get("metadata") or {}
        transfer = inside.get("transfer_data") or {}
        moved = inside.get("transfer")
        named = [
            outside.get("account"),
            inside.get("on_behalf_of"),
            transfer.get("destination"),
            moved.get("destination") if isinstance(moved, dict) else None,
            *(metadata.get(n) for n in ("destination_account", "account", "stripe_account")),
        ]
        for value in named:
            assert (value.get("id") if isinstance(value, dict) else value) in (None, MASTER)
        assert isinstance(moved, dict | None) or str(moved).startswith("tr_") or moved == MASTER
        assert str(outside.get("context") or MASTER).endswith(MASTER)
