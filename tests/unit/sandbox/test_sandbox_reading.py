"""Lists, expansion, events, balance, and the record of what arrived."""

from __future__ import annotations

import pytest
import stripe

from stripe_billing_router.sandbox import SANDBOX_SECRET_KEY, Fault, VirtualClock, World
from tests.unit.sandbox.sandbox_helpers import CARD, CUSTOMER, client_of, keyed, new_world, payment

DAY = 86_400


def test_a_list_shows_the_newest_first_a_page_at_a_time() -> None:
    client = client_of(new_world())
    made = [client.v1.payment_intents.create(payment(amount=100 + n)).id for n in range(12)][::-1]
    first = client.v1.payment_intents.list()
    assert [intent.id for intent in first.data] == made[:10]
    assert first.has_more
    rest = client.v1.payment_intents.list({"starting_after": made[9]})
    assert [intent.id for intent in rest.data] == made[10:]
    assert not rest.has_more
    back = client.v1.payment_intents.list({"ending_before": made[9], "limit": 3})
    assert [intent.id for intent in back.data] == made[6:9]
    assert back.has_more
    everything = client.v1.payment_intents.list({"limit": 5}).auto_paging_iter()
    assert [intent.id for intent in everything] == made


@pytest.mark.parametrize("limit", [0, 101])
def test_a_page_has_1_to_100_objects(limit: int) -> None:
    with pytest.raises(stripe.InvalidRequestError) as raised:
        client_of(new_world()).v1.charges.list({"limit": limit})
    assert raised.value.param == "limit"


def test_a_cursor_must_exist_and_only_one_may_be_given() -> None:
    client = client_of(new_world())
    with pytest.raises(stripe.InvalidRequestError, match="No such charge"):
        client.v1.charges.list({"starting_after": "ch_none"})
    with pytest.raises(stripe.InvalidRequestError, match="only specify one"):
        client.v1.charges.list({"starting_after": "ch_a", "ending_before": "ch_b"})


def test_a_list_can_be_filtered_by_time() -> None:
    world = new_world()
    client = client_of(world)
    ids = []
    for _ in range(3):
        ids.append(client.v1.payment_intents.create(payment()).id)
        world.advance(60)
    middle = world.get(ids[1])["created"]
    seen = client.v1.payment_intents.list({"created": {"gte": middle}})
    assert [intent.id for intent in seen.data] == ids[:0:-1]
    seen = client.v1.payment_intents.list({"created": {"gt": middle - 60, "lt": middle + 60}})
    assert [intent.id for intent in seen.data] == [ids[1]]
    seen = client.v1.payment_intents.list({"created": middle})
    assert [intent.id for intent in seen.data] == [ids[1]]


def test_a_list_can_be_filtered_by_what_it_belongs_to() -> None:
    world = new_world()
    world.add_customer("cus_two", email="two@example.org", default_payment_method="pm_two")
    client = client_of(world)
    mine = client.v1.payment_intents.create(payment())
    client.v1.payment_intents.create(payment(customer="cus_two", payment_method="pm_two"))
    assert [i.id for i in client.v1.payment_intents.list({"customer": CUSTOMER}).data] == [mine.id]
    assert len(client.v1.charges.list({"payment_intent": mine.id}).data) == 1
    [found] = client.v1.customers.list({"email": "two@example.org"}).data
    assert found.id == "cus_two"
    [method] = client.v1.customers.payment_methods.list(CUSTOMER).data
    assert method.id == CARD
    with pytest.raises(stripe.InvalidRequestError, match="No such customer"):
        client.v1.charges.list({"customer": "cus_none"})


def test_what_nobody_has_here_can_be_expanded_too() -> None:
    world = new_world()
    client = client_of(world)
    world.add_price("price_1")
    customer = client.v1.customers.retrieve(CUSTOMER, {"expand": ["sources"]})
    assert customer.sources is not None
    assert customer.sources.data == []
    client.v1.prices.retrieve("price_1", {"expand": ["tiers"]})
    invoice = client.v1.invoices.create({"customer": CUSTOMER, "expand": ["discounts"]})
    assert invoice.discounts == []


def test_ids_can_be_expanded() -> None:
    client = client_of(new_world())
    intent = client.v1.payment_intents.create(
        payment(expand=["latest_charge.balance_transaction", "customer", "payment_method"])
    )
    charge = intent.latest_charge
    assert isinstance(charge, stripe.Charge)
    assert isinstance(charge.balance_transaction, stripe.BalanceTransaction)
    assert isinstance(intent.customer, stripe.Customer)
    assert isinstance(intent.payment_method, stripe.PaymentMethod)
    [listed] = client.v1.payment_intents.list({"expand": ["data.latest_charge"]}).data
    assert isinstance(listed.latest_charge, stripe.Charge)
    again = client.v1.payment_intents.retrieve(intent.id)
    assert isinstance(again.latest_charge, str)


def test_every_change_is_an_event() -> None:
    world = new_world()
    client = client_of(world)
    intent = client.v1.payment_intents.create(payment(), keyed("k"))
    events = client.v1.events.list({"types": ["payment_intent.succeeded", "charge.succeeded"]}).data
    assert [event.type for event in events] == ["payment_intent.succeeded", "charge.succeeded"]
    assert events[0].data.object["id"] == intent.id
    assert events[0].request is not None
    assert events[0].request.idempotency_key == "k"
    assert events[0].request.id == world.requests[0].request_id
    [created] = client.v1.events.list({"type": "payment_intent.created"}).data
    assert created.data.object["status"] == "requires_confirmation"
    assert len(client.v1.events.list({"type": "payment_intent.*"}).data) == 2
    assert client.v1.events.retrieve(created.id).type == "payment_intent.created"


def test_an_event_remembers_what_a_field_was() -> None:
    client = client_of(new_world())
    client.v1.customers.update(CUSTOMER, {"name": "New", "metadata": {"a": "1"}})
    event = client.v1.events.list({"type": "customer.updated"}).data[0]
    assert event.data.previous_attributes["name"] is None  # type: ignore[index]


def test_events_are_kept_for_thirty_days() -> None:
    world = new_world()
    client = client_of(world)
    [event] = client.v1.events.list({"type": "customer.created"}).data
    world.advance(30 * DAY - 1)
    assert client.v1.events.retrieve(event.id).id == event.id
    world.advance(1)
    assert client.v1.events.list().data == []
    with pytest.raises(stripe.InvalidRequestError, match="No such event"):
        client.v1.events.retrieve(event.id)


def test_money_is_pending_for_two_days_less_the_fee() -> None:
    world = new_world()
    client = client_of(world)
    client.v1.payment_intents.create(payment(amount=10_000))
    client.v1.payment_intents.create(payment(amount=1000, currency="jpy"))
    balance = client.v1.balance.retrieve()
    assert [(held.currency, held.amount) for held in balance.pending] == [
        ("jpy", 1000 - 59),
        ("usd", 10_000 - 320),
    ]
    assert {held.amount for held in balance.available} == {0}
    world.advance(2 * DAY)
    balance = client.v1.balance.retrieve()
    assert [held.amount for held in balance.available] == [941, 9680]
    assert {held.amount for held in balance.pending} == {0}
    [entry] = client.v1.balance_transactions.list({"currency": "usd"}).data
    assert (entry.amount, entry.fee, entry.net, entry.status) == (10_000, 320, 9680, "available")


def test_an_empty_account_has_a_balance() -> None:
    balance = client_of(World()).v1.balance.retrieve()
    assert [(held.currency, held.amount) for held in balance.available] == [("usd", 0)]


def test_every_request_is_recorded_with_its_key_and_its_end() -> None:
    world = new_world()
    client = client_of(world)
    client.v1.payment_intents.create(payment(metadata={"a": "b"}), keyed("k"))
    world.faults.add(Fault("cut"))
    with pytest.raises(stripe.APIConnectionError):
        client.v1.customers.list({"limit": 3})
    paid, cut = world.requests
    assert (paid.method, paid.path, paid.status) == ("POST", "/v1/payment_intents", 200)
    assert paid.params["metadata"] == {"a": "b"}
    assert (paid.api_key, paid.idempotency_key) == (SANDBOX_SECRET_KEY, "k")
    assert paid.executed
    assert SANDBOX_SECRET_KEY not in repr(paid)
    assert (cut.method, cut.params, cut.status, cut.fault) == ("GET", {"limit": "3"}, None, "cut")
    assert not cut.executed


def test_what_is_handed_out_is_a_copy() -> None:
    world = new_world()
    world.get(CUSTOMER)["email"] = "changed"
    world.objects("customer")[0]["email"] = "changed"
    assert world.get(CUSTOMER)["email"] == "one@example.org"
    assert world.has(CARD)
    assert not world.has("pm_none")
    with pytest.raises(KeyError):
        world.get("pm_none")


def test_two_worlds_with_one_seed_are_alike() -> None:
    def first_ids(seed: int) -> list[str]:
        world = new_world(seed=seed)
        client = client_of(world)
        return [client.v1.payment_intents.create(payment()).id for _ in range(3)]

    assert first_ids(1) == first_ids(1)
    assert set(first_ids(1)) & set(first_ids(2)) == set()
    assert len(set(first_ids(1))) == 3


def test_the_clock_serves_the_engine_too() -> None:
    clock = VirtualClock(1_000_000)
    world = World(clock=clock)
    clock.sleep(1.5)
    assert (world.clock.now_ms(), clock.elapsed()) == (1_001_500, 1.5)
    clock.set(5_000)
    assert (clock.now_ms(), clock.elapsed()) == (5_000, 1.5)


def test_a_clock_can_follow_another() -> None:
    times = iter([10_000, 10_000, 12_000, 12_000, 13_000])
    clock = VirtualClock(source=lambda: next(times))
    clock.advance(60)
    assert clock.now_ms() == 70_000
    assert clock.now_ms() == 72_000
    clock.set(1_000)
    assert clock.now_ms() == 2_000
