"""No error of the library, of whatever kind and from wherever, carries a key in its frames.

The key in use, the webhook secret, the Vault token and the ledger's password hold the same text.
"""

from __future__ import annotations

import asyncio
import copy
import json
import logging
import pickle
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from typing import Any

import pytest
import requests
import responses

import stripe_billing_router
from stripe_billing_router import errors, menace_sanity_layer, operators, use_router, webhooks
from stripe_billing_router.aio import AsyncBillingRouter
from stripe_billing_router.client import BillingRouter
from stripe_billing_router.errors import BillingError, PolicyViolationError
from stripe_billing_router.models import OperationState, Policies, PolicyRule
from stripe_billing_router.ports import Keys, Request
from stripe_billing_router.store import FallbackStore
from stripe_billing_router.store.ledger import Broken, Verification
from stripe_billing_router.webhooks import webhooks_of
from tests.integration.charge.charge_bench import BOT, CARD, ROUTING, Bench, Forging
from tests.integration.charge.reporter import kept

CORE = "PlantedPlantedPlanted42"
KEY, WEBHOOK, TOKEN = f"sk_live_{CORE}", f"whsec_{CORE}", f"hvs.{CORE}"
ENVIRON = {
    "STRIPE_SECRET_KEY": KEY,
    "STRIPE_ALLOWED_SECRET_KEYS": KEY,
    "STRIPE_WEBHOOK_SECRET": WEBHOOK,
}
VAULT = {"VAULT_ADDR": "https://vault.example:8200", "VAULT_TOKEN": TOKEN}

Provoke = Callable[[Bench], object]
PROVOKED: dict[str, tuple[Provoke, type[BillingError]]] = {}


def provokes(error: type[BillingError]) -> Callable[[Provoke], Provoke]:
    def known(provoke: Provoke) -> Provoke:
        PROVOKED[provoke.__name__] = provoke, error
        return provoke

    return known


def in_use(bench: Bench, environ: dict[str, str] | None = None, **changes: Any) -> BillingRouter:
    bench.world.add_key(KEY)
    given = {"secret_key": None, "public_key": None, "environ": environ or ENVIRON}
    return bench.router(**{**given, **changes})


@provokes(errors.PaymentDeclinedError)
def a_decline(bench: Bench) -> None:
    bench.world.set_outcome(CARD, "declined:lost_card")
    in_use(bench).charge(BOT, 5)


@provokes(errors.PaymentActionRequiredError)
def an_authentication(bench: Bench) -> None:
    bench.world.set_outcome(CARD, "authentication_required")
    in_use(bench).charge(BOT, 5)


@provokes(errors.StripeRequestError)
def a_request_that_stripe_refuses(bench: Bench) -> None:
    in_use(bench).refund(BOT, "pi_nothing")


@provokes(errors.StripeUnavailableError)
def a_connection_that_is_refused(bench: Bench) -> None:
    """Over the library's own transport."""
    own = f"sqlite:///{bench.folder}/own.db"
    real: dict[str, Any] = {
        "api_base": "http://127.0.0.1:1",
        "http_client": None,
        "ledger_url": own,
    }
    in_use(bench, **real).charge(BOT, 5)


@provokes(errors.RateLimitedError)
def a_rate_limit(bench: Bench) -> None:
    router = in_use(bench)
    router.charge(BOT, 5)
    bench.fault("rate_limited", times=None)
    router.charge(BOT, 5)


@provokes(errors.OutcomeUnknownError)
def a_cut_connection(bench: Bench) -> None:
    bench.fault("cut", times=None)
    in_use(bench).charge(BOT, 5)


@provokes(errors.OutcomeUnknownError)
def an_answer_that_nobody_foresaw(bench: Bench) -> None:
    def change(body: dict[str, Any]) -> None:
        body["amount_received"] = {"surprise": KEY}

    in_use(bench, http_client=Forging(bench.world, change)).charge(BOT, 5)


@provokes(errors.KeyConfigurationError)
def a_key_that_is_revoked(bench: Bench) -> None:
    router = in_use(bench)
    bench.world.revoke_key(KEY)
    router.charge(BOT, 5)


@provokes(errors.AccountMismatchError)
def a_key_of_another_account(bench: Bench) -> None:
    bench.world.add_key(KEY, account="acct_somebody0else")
    environ = {**ENVIRON, "STRIPE_SECRET_KEY": KEY}
    bench.router(secret_key=None, public_key=None, environ=environ).charge(BOT, 5)


@provokes(errors.RouteNotFoundError)
def a_bot_without_a_route(bench: Bench) -> None:
    in_use(bench).charge("finance:nobody", 5)


@provokes(errors.InvalidAmountError)
def an_amount_that_is_none(bench: Bench) -> None:
    in_use(bench).charge(BOT, "five")


@provokes(errors.RouteConfigurationError)
def a_route_with_a_key(bench: Bench) -> None:
    in_use(bench).register_route("finance", "x", {"price_id": KEY})


@provokes(errors.PolicyViolationError)
def a_rule_that_refuses(bench: Bench) -> None:
    policies = Policies((PolicyRule("small", largest={"usd": 100}),))
    in_use(bench, policies=policies).charge(BOT, 5)


@provokes(errors.ApprovalRequiredError)
def an_approval_that_is_needed(bench: Bench) -> None:
    policies = Policies((PolicyRule("ask", approval_above={"usd": 100}),))
    in_use(bench, policies=policies).charge(BOT, 5)


@provokes(errors.PolicyViolationError)
def a_guard_of_the_host_s(bench: Bench) -> None:
    class Guard:
        def check_bot(self, bot: object) -> None:
            raise PolicyViolationError("not today")

        def check_intent(self, intent: object) -> tuple[()]:
            return ()

    in_use(bench, guards=[Guard()]).charge(BOT, 5)


@provokes(errors.FrozenError)
def a_freeze(bench: Bench) -> None:
    router = in_use(bench)
    with use_router(router):
        operators.freeze(BOT, "why", "me")
    router.charge(BOT, 5)


@provokes(errors.IdempotencyConflictError)
def a_key_of_its_own_twice(bench: Bench) -> None:
    router = in_use(bench)
    router.charge(BOT, 5, idempotency_key="k")
    router.charge(BOT, 6, idempotency_key="k")


@provokes(errors.OperationInProgressError)
def a_call_that_is_under_way(bench: Bench) -> None:
    router = in_use(bench)
    done = router.charge(BOT, 5, idempotency_key="k")
    store = router.store
    known = store.operation(str(done.operation_id))
    assert known is not None
    ahead = store.now_ms() + 10**6
    busy = replace(known, state=OperationState.PENDING, lease_until_ms=ahead, lease_owner=None)
    store.operation = lambda _: busy  # type: ignore[assignment, method-assign]
    router.charge(BOT, 5, idempotency_key="k")


@provokes(errors.LedgerUnavailableError)
def a_database_that_is_away(bench: Bench) -> None:
    url = f"postgresql+psycopg://someone:{CORE}@127.0.0.1:1/ledger?connect_timeout=1"
    in_use(bench, ledger_url=url).charge(BOT, 5, idempotency_key="k")


@provokes(errors.LedgerUnavailableError)
def a_ledger_that_cannot_be_read(bench: Bench) -> None:
    url = f"postgresql+psycopg://someone:{CORE}@127.0.0.1:1/ledger?connect_timeout=1"
    list(in_use(bench, ledger_url=url).ledger.entries())


@provokes(errors.LedgerTamperedError)
def a_ledger_that_does_not_verify(bench: Bench) -> None:
    in_use(bench).charge(BOT, 5)
    Verification(1, 1, (Broken(BOT, 1, 1, "no"),)).raise_if_broken()


@provokes(errors.KeyProviderUnavailableError)
def a_vault_that_is_away(bench: Bench) -> None:
    with responses.RequestsMock(assert_all_requests_are_fired=False):
        in_use(bench, VAULT).charge(BOT, 5)


@provokes(errors.KeyProviderUnavailableError)
def a_vault_that_refuses(bench: Bench) -> None:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        for method in ("GET", "POST"):
            answer = responses.CallbackResponse(
                method,
                url=re.compile("https://vault.example.*"),
                callback=lambda _: (403, {}, json.dumps({"errors": [f"no {TOKEN}"]})),
            )
            mock.add(answer)
        in_use(bench, VAULT).charge(BOT, 5)


@provokes(errors.ConfigurationError)
def a_vault_that_breaks_off(bench: Bench) -> None:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        broken = requests.ConnectionError(f"with {TOKEN}")
        mock.add(responses.GET, re.compile("https://vault.example.*"), body=broken)
        in_use(bench, VAULT).verify_router([BOT])


@provokes(errors.KeyConfigurationError)
def a_vault_with_half_a_role(bench: Bench) -> None:
    environ = {**VAULT, "VAULT_TOKEN": "", "VAULT_SECRET_ID": TOKEN}
    in_use(bench, environ).charge(BOT, 5)


@provokes(errors.KeyConfigurationError)
def a_malformed_key(bench: Bench) -> None:
    in_use(bench, {"STRIPE_SECRET_KEY": f"{KEY} {KEY}"}).charge(BOT, 5)


@provokes(errors.KeyConfigurationError)
def a_malformed_key_in_code(bench: Bench) -> None:
    bench.router(secret_key=f"sk_test_{CORE}").charge(BOT, 5)


@provokes(errors.ConfigurationError)
def a_malformed_public_key(bench: Bench) -> None:
    in_use(bench, {**ENVIRON, "STRIPE_PUBLIC_KEY": KEY}).verify_router([BOT])


@provokes(errors.KeyConfigurationError)
def a_malformed_allowed_key(bench: Bench) -> None:
    in_use(bench, {**ENVIRON, "STRIPE_ALLOWED_SECRET_KEYS": f"{KEY} x,{KEY}"}).get_balance(BOT)


@provokes(errors.KeyConfigurationError)
def a_malformed_webhook_secret(bench: Bench) -> None:
    environ = {**ENVIRON, "STRIPE_WEBHOOK_SECRET": f"{WEBHOOK} {WEBHOOK}"}
    webhooks_of(in_use(bench, environ)).receive(b"{}", "t=1,v1=00")


def _signature() -> str:
    return f"t={int(time.time())},v1={'0' * 64}"


@provokes(errors.WebhookError)
def a_forged_webhook(bench: Bench) -> None:
    webhooks_of(in_use(bench)).receive(b'{"object": "event"}', _signature())


@provokes(errors.WebhookError)
def a_forged_webhook_of_the_default_router(bench: Bench) -> None:
    with use_router(in_use(bench)):
        webhooks.receive(b"not JSON", _signature())


@provokes(errors.WebhookError)
def a_signed_webhook_that_is_no_event(bench: Bench) -> None:
    router = in_use(bench)
    bench.world.add_webhook_endpoint()
    router.charge(BOT, 5)
    found = bench.world.objects("event")[0]
    found["data"]["object"] = []
    payload, headers = bench.world.delivery(found["id"], secret=WEBHOOK)
    webhooks_of(router).receive(payload[:-2], headers["Stripe-Signature"])


@provokes(errors.WebhookError)
def a_malformed_event(bench: Bench) -> None:
    in_use(bench).validate_webhook_account({"object": "event", "data": KEY})


@provokes(errors.ConfigurationError)
def a_routing_file_with_a_key_in_it(bench: Bench) -> None:
    bench.config.write_text(f"{ROUTING}\nallowed_secret_keys: ['{KEY}', '{KEY} x']")
    in_use(bench)


@provokes(errors.ConfigurationError)
def a_routing_file_that_is_no_text(bench: Bench) -> None:
    bench.config.write_bytes(f"{ROUTING}\nallowed_secret_keys: ['{KEY}', '".encode() + b"\xff']")
    in_use(bench)


@provokes(errors.ConfigurationError)
def a_routing_file_that_is_no_yaml(bench: Bench) -> None:
    bench.config.write_text(f"{ROUTING}\nallowed_secret_keys: ['{KEY}', '\n  : [")
    in_use(bench)


@provokes(errors.ConfigurationError)
def a_routing_file_that_is_no_json(bench: Bench) -> None:
    config = bench.folder / "routing.json"
    config.write_text(f'{{"allowed_secret_keys": ["{KEY}", }}')
    BillingRouter(config, environ=ENVIRON)


@provokes(errors.StripeUnavailableError)
def an_events_page_that_breaks_off(bench: Bench) -> None:
    router = in_use(bench)
    for _ in range(30):
        router.charge(BOT, 5)
    events = router.iter_master_events()
    next(events)
    bench.fault("cut", "GET /v1/events", times=None)
    list(events)


@provokes(errors.InvalidRequestError)
def a_coroutine(bench: Bench) -> None:
    asyncio.run(AsyncBillingRouter(in_use(bench)).charge(f"finance:{KEY}", 5))


@provokes(errors.StripeUnavailableError)
def a_listing_coroutine(bench: Bench) -> None:
    async def listed() -> None:
        bench.fault("cut", "GET /v1/events", times=None)
        async for _ in AsyncBillingRouter(in_use(bench)).iter_master_events():
            pass

    asyncio.run(listed())


BY_NAME: dict[str, Callable[[str], object]] = {
    "charge": lambda name: stripe_billing_router.charge(name, 5),
    "refund": lambda name: stripe_billing_router.refund(name, "pi_1"),
    "subscription": lambda name: stripe_billing_router.create_subscription(name),
    "checkout": lambda name: stripe_billing_router.create_checkout_session(name, []),
    "customer": lambda name: stripe_billing_router.create_customer(name, {}),
    "balance": lambda name: stripe_billing_router.get_balance(name),
    "explain": lambda name: stripe_billing_router.explain(name),
    "verify": lambda name: stripe_billing_router.verify_router([name]),
    "cancel": lambda name: stripe_billing_router.cancel(name),
    "route": lambda name: stripe_billing_router.register_route(name, name, {}),
    "history": lambda name: stripe_billing_router.get_router().history(name),
    "freeze": lambda name: operators.freeze(name, "why", "me"),
    "unfreeze": lambda name: operators.unfreeze(name, "me"),
    "approve": lambda name: operators.approve(name, by="me"),
    "anomaly": lambda name: menace_sanity_layer.record_payment_anomaly(name, {}, severity=99.0),
    "webhook": lambda name: webhooks.replay(name),
}


@pytest.fixture(autouse=True)
def reporters(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """What is logged with an exception goes to the reporters as well, at that very moment."""
    found: list[str] = []

    class Reporter(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.exc_info and record.exc_info[1] is not None:
                found.extend(kept(record.exc_info[1], CORE))

    handler = Reporter()
    logging.getLogger("stripe_billing_router").addHandler(handler)
    yield
    logging.getLogger("stripe_billing_router").removeHandler(handler)
    assert found == []
    assert CORE not in caplog.text


@pytest.mark.parametrize("name", PROVOKED)
def test_no_frame_of_an_error_holds_a_secret(bench: Bench, name: str) -> None:
    provoke, error = PROVOKED[name]
    with pytest.raises(error) as told:
        provoke(bench)
    assert kept(told.value, CORE) == []
    assert CORE not in repr(pickle.dumps(told.value))


@pytest.mark.parametrize("name", BY_NAME)
@pytest.mark.parametrize("form", ["{}", "finance:{}", "{}:bot", "acme:{}:bot"])
def test_a_key_for_a_name_is_refused_and_shown_nowhere(bench: Bench, name: str, form: str) -> None:
    with use_router(in_use(bench)), pytest.raises(BillingError) as told:
        BY_NAME[name](form.format(KEY))
    assert CORE not in f"{told.value} {vars(told.value)}"
    assert kept(told.value, CORE) == []
    assert CORE.encode() not in bench.stored()


WRONG: Any = object()
ASKED_OF_THE_STORE: dict[str, Callable[[FallbackStore], object]] = {
    "operation": lambda store: store.operation(WRONG),
    "commit": lambda store: store.commit(WRONG),
    "transact": lambda store: store.transact(WRONG),
    "operation_of": lambda store: store.operation_of(WRONG),
    "maker_of": lambda store: store.maker_of(WRONG),
    "payments": lambda store: store.payments(WRONG, BOT),
    "received": lambda store: store.inbox.receive(WRONG),
    "event": lambda store: store.inbox.event(WRONG),
    "facts": lambda store: store.inbox.facts(WRONG),
    "history": lambda store: store.outbox.history(WRONG),
    "entries": lambda store: store.books.entries_named(WRONG),
    "operations": lambda store: store.books.operations_named([WRONG]),
    "anomaly": lambda store: store.anomalies.record(WRONG, WRONG, 1.0),
    "anomalies": lambda store: store.anomalies.list(limit=WRONG),
    "projection": lambda store: store.projections.rebuild(WRONG),
}


@pytest.mark.parametrize("name", ASKED_OF_THE_STORE)
def test_no_frame_of_the_store_s_holds_a_secret(bench: Bench, name: str) -> None:
    store = in_use(bench).store
    store.now_ms()
    with pytest.raises(Exception) as told:  # noqa: PT011 - whatever it is
        ASKED_OF_THE_STORE[name](store)
    assert kept(told.value, CORE) == []


def test_every_kind_of_error_is_provoked() -> None:
    """A new one has to be provoked here as well."""
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    every = {kind for kind in kinds if issubclass(kind, BillingError)}
    assert every - {error for _, error in PROVOKED.values()} == {BillingError}


def test_what_the_caller_was_handling_keeps_its_locals(bench: Bench) -> None:
    router = in_use(bench)

    def own() -> None:
        mine = "kept"  # noqa: F841 - looked for below
        raise KeyError("the bot's own")

    try:
        own()
    except KeyError as before:
        with pytest.raises(BillingError) as told:
            router.charge(BOT, "five")
        trace = before.__traceback__
    assert trace is not None
    assert trace.tb_next is not None
    assert trace.tb_next.tb_frame.f_locals["mine"] == "kept"
    assert kept(told.value, CORE) == []


REQUEST = Request("get", "/v1/account", {}, KEY, "v", "account")
KEYS = Keys(KEY, None, frozenset(), "code")


@pytest.mark.parametrize("holder", [REQUEST, KEYS], ids=["request", "keys"])
@pytest.mark.parametrize("way", [pickle.dumps, copy.copy, copy.deepcopy, asdict])
def test_what_holds_the_key_is_not_copied(holder: Any, way: Callable[[Any], object]) -> None:
    with pytest.raises(TypeError):
        way(holder)
    assert holder.secret_key == KEY
    assert CORE not in f"{holder!r} {holder.secret_key!r}"
