"""Keys: whose they are, what they may do, and what becomes of requests with bad ones."""

from __future__ import annotations

import base64
from typing import Any

import pytest
import stripe

from stripe_billing_router.master_account import STRIPE_MASTER_ACCOUNT_ID
from stripe_billing_router.sandbox import SANDBOX_SECRET_KEY, HttpRequest
from tests.unit.sandbox.sandbox_helpers import CUSTOMER, client_of, error_of, new_world, payment

FOREIGN = "sk_live_sandboxforeign0000001"


def test_the_default_key_belongs_to_the_master_account() -> None:
    account = client_of(new_world()).v1.accounts.retrieve_current()
    assert account.id == STRIPE_MASTER_ACCOUNT_ID


def test_a_foreign_key_answers_with_its_own_account_and_sees_nothing_of_ours() -> None:
    world = new_world()
    world.add_key(FOREIGN, account="acct_foreign0001")
    client = client_of(world, FOREIGN)
    assert client.v1.accounts.retrieve_current().id == "acct_foreign0001"
    assert client.v1.customers.list().data == []
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.customers.retrieve(CUSTOMER)
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.accounts.retrieve(STRIPE_MASTER_ACCOUNT_ID)


@pytest.mark.parametrize("key", ["sk_live_unknown", "sk_test_123", "pk_live_x", "x"])
def test_an_unknown_key_is_a_401_that_does_not_show_it(key: str) -> None:
    world = new_world()
    with pytest.raises(stripe.AuthenticationError) as raised:
        client_of(world, key).v1.payment_intents.create(payment())
    assert error_of(raised.value)["type"] == "invalid_request_error"
    assert f"'{key}'" not in str(raised.value)
    assert world.effects() == []


def test_no_key_is_a_401() -> None:
    response = new_world().handle(HttpRequest.to("GET", "/v1/account", {}))
    assert response.status == 401


def test_a_401_names_stripe_and_no_request() -> None:
    headers = {"Authorization": "Bearer sk_live_unknown", "Idempotency-Key": "k"}
    response = new_world().handle(HttpRequest.to("POST", "/v1/payment_intents", headers))
    assert set(response.headers) == {"Content-Type", "Date", "Www-Authenticate"}
    assert response.headers["Www-Authenticate"] == 'Bearer realm="Stripe"'
    assert set(response.json()["error"]) == {"message", "type"}


def test_a_revoked_key_says_so() -> None:
    world = new_world()
    world.revoke_key(SANDBOX_SECRET_KEY)
    with pytest.raises(stripe.AuthenticationError) as raised:
        client_of(world).v1.accounts.retrieve_current()
    assert error_of(raised.value)["code"] == "api_key_expired"
    world.add_key(SANDBOX_SECRET_KEY)
    assert client_of(world).v1.accounts.retrieve_current().id == STRIPE_MASTER_ACCOUNT_ID
    with pytest.raises(KeyError):
        world.revoke_key("sk_live_never_added")


def test_a_restricted_key_may_pay_but_not_read_its_account() -> None:
    world = new_world()
    world.add_key("rk_live_1", restricted=True)
    client = client_of(world, "rk_live_1")
    with pytest.raises(stripe.PermissionError):
        client.v1.accounts.retrieve_current()
    assert client.v1.payment_intents.create(payment()).status == "succeeded"


def test_what_a_key_may_not_do_can_be_told() -> None:
    world = new_world()
    world.add_key("rk_live_2", denied={"payment_intents"})
    client = client_of(world, "rk_live_2")
    assert client.v1.accounts.retrieve_current().id == STRIPE_MASTER_ACCOUNT_ID
    with pytest.raises(stripe.PermissionError):
        client.v1.payment_intents.create(payment())
    assert world.effects() == []


@pytest.mark.parametrize("option", ["stripe_account", "stripe_context"])
def test_acting_for_another_account_is_refused_and_recorded(option: str) -> None:
    world = new_world()
    options: Any = {option: "acct_other"}
    with pytest.raises(stripe.PermissionError) as raised:
        client_of(world).v1.payment_intents.create(payment(), options)
    assert error_of(raised.value)["code"] == "account_invalid"
    assert world.requests[-1].headers[option.replace("_", "-")] == "acct_other"
    assert world.effects() == []


@pytest.mark.parametrize("option", ["stripe_account", "stripe_context"])
def test_a_key_may_name_its_own_account(option: str) -> None:
    options: Any = {option: STRIPE_MASTER_ACCOUNT_ID}
    made = client_of(new_world()).v1.payment_intents.create(payment(), options)
    assert made.status == "succeeded"


def test_a_key_may_come_as_a_basic_user() -> None:
    user = base64.b64encode(f"{SANDBOX_SECRET_KEY}:".encode()).decode()
    request = HttpRequest.to("GET", "/v1/account", {"Authorization": f"Basic {user}"})
    assert new_world().handle(request).status == 200
    broken = HttpRequest.to("GET", "/v1/account", {"Authorization": "Basic !!!"})
    assert new_world().handle(broken).status == 401
