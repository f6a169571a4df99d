"""A secret key, wherever it is put, is never seen again."""

from __future__ import annotations

import logging
import pickle
import traceback
from collections.abc import Callable
from typing import Any

import pytest
import stripe

from stripe_billing_router.client import BillingRouter
from stripe_billing_router.errors import (
    BillingError,
    LedgerUnavailableError,
    OutcomeUnknownError,
    PaymentActionRequiredError,
)
from tests.integration.charge.charge_bench import BOT, CARD, ROUTING, Bench, Forging
from tests.integration.charge.reporter import kept

CORE = "PlantedPlantedPlanted42"
SECRET = f"sk_live_{CORE}"
DRESSES = {
    "bare": SECRET,
    "restricted": f"rk_live_{CORE}",
    "test-mode": f"sk_test_{CORE}",
    "organisation": f"sk_org_{CORE}",
    "webhook": f"whsec_{CORE}",
    "vault": f"hvs.{CORE}",
    "client-secret": f"pi_123_secret_{CORE}",
    "line-after": f"{SECRET}\n",
    "line-before": f"\n{SECRET}",
    "tab-before": f"\t{SECRET}",
    "assignment": f"STRIPE_SECRET_KEY={SECRET}",
    "env-file": f"A=1\n{SECRET}\nB=2",
    "word-before": f"key_{SECRET}",
    "bearer": f"Bearer {CORE}",
    "query": f"https://example.org/?k={SECRET}&x=1",
    "long": "x" * 300 + f" {SECRET}",
}
"""What a person may paste by mistake."""

SHAPES: dict[str, Callable[[str], Any]] = {
    "text": lambda secret: secret,
    "bytes": lambda secret: secret.encode(),
    "list": lambda secret: [secret],
    "dict": lambda secret: {"key": secret},
    "name": lambda secret: {secret: "x"},
}
PLACES: dict[str, Callable[[Any], dict[str, Any]]] = {
    "bot_id": lambda value: {"bot_id": value},
    "amount": lambda value: {"amount": value},
    "description": lambda value: {"description": value},
    "price_id": lambda value: {"amount": None, "price_id": value},
    "quantity": lambda value: {"amount": None, "quantity": value},
    "customer_id": lambda value: {"customer_id": value},
    "payment_method_id": lambda value: {"payment_method_id": value},
    "on_session": lambda value: {"on_session": value},
    "idempotency_key": lambda value: {"idempotency_key": value},
    "overrides": lambda value: {"overrides": value},
    "region": lambda value: {"overrides": {"region": value}},
    "metadata": lambda value: {"metadata": value},
    "metadata-value": lambda value: {"metadata": {"note": value}},
    "receipt_email": lambda value: {"receipt_email": value},
    "shipping": lambda value: {"shipping": {"name": value}},
    "headers": lambda value: {"headers": {"Authorization": value}},
    "api_key": lambda value: {"api_key": value},
    "unknown": lambda value: {"unheard_of": value},
}


def shown_of(error: BaseException) -> str:
    """What a log, a console, another process or an error reporter gets to see of an error."""
    trace = "".join(traceback.format_exception(error))
    said = f"{error} {error!r} {error.args} {error.__dict__} {trace} {pickle.dumps(error)!r}"
    return "\n".join([said, *kept(error, CORE)])


def everything_in(error: BaseException) -> str:
    """The same, and all that a debugger finds by following causes and contexts."""
    parts = [shown_of(error)]
    current: BaseException | None = error
    while current is not None:
        parts.append(f"{current} {current!r} {current.args} {current.__dict__}")
        current = current.__cause__ or current.__context__
    return "\n".join(parts)


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> Callable[[], str]:
    """Everything that any logger says, at DEBUG."""
    caplog.set_level(logging.DEBUG)
    return lambda: "\n".join(f"{r.getMessage()} {r.__dict__}" for r in caplog.records)


def nowhere(bench: Bench, logs: str, *texts: str) -> None:
    """`CORE` is in no text, no log, no file and no request."""
    for text in (*texts, logs):
        assert CORE not in text
    for file in bench.folder.rglob("*"):
        if file.is_file() and file != bench.config:
            assert CORE.encode() not in file.read_bytes()
    sent = [f"{r.path} {r.params} {dict(r.headers)}" for r in bench.world.requests]
    assert not [request for request in sent if CORE in request]


@pytest.mark.parametrize("dress", DRESSES)
def test_a_secret_passed_by_mistake_is_not_repeated(
    bench: Bench, logged: Callable[[], str], dress: str
) -> None:
    router = bench.warm()
    for place in PLACES.values():
        for shape in SHAPES.values():
            call = {"bot_id": BOT, "amount": 5, **place(shape(DRESSES[dress]))}
            with pytest.raises(BillingError) as told:
                router.charge(**call)
            assert CORE not in everything_in(told.value)
    nowhere(bench, logged())
    assert bench.untouched()


class Talkative:
    """An object that shows what it holds."""

    def __repr__(self) -> str:
        return f"<Settings\n{SECRET}>"

    __str__ = __repr__


@pytest.mark.parametrize("place", PLACES)
def test_an_object_that_shows_a_secret_is_not_shown(
    bench: Bench, logged: Callable[[], str], place: str
) -> None:
    call = {"bot_id": BOT, "amount": 5, **PLACES[place](Talkative())}
    with pytest.raises(BillingError) as told:
        bench.warm().charge(**call)
    nowhere(bench, logged(), everything_in(told.value))


def test_a_parameter_named_like_a_secret_is_not_repeated(
    bench: Bench, logged: Callable[[], str]
) -> None:
    router = bench.warm()
    for dress in DRESSES.values():
        named: dict[str, Any] = {dress: 1}
        with pytest.raises(BillingError) as told:
            router.charge(BOT, 5, **named)
        nowhere(bench, logged(), everything_in(told.value))


ROUTE = {"product_id": "prod_1", "price_id": "price_1", "customer_id": "cus_1"}


@pytest.mark.parametrize("dress", DRESSES)
def test_a_secret_in_a_route_or_an_override_is_refused_and_not_repeated(
    bench: Bench, logged: Callable[[], str], dress: str
) -> None:
    router, secret = bench.router(), DRESSES[dress]
    rule = {"business_category": "finance", "bot_name": "bot", "key": "k", "value": "v"}
    attempts: list[Callable[[], object]] = [
        *(
            lambda name=name: router.register_route("finance", "x", {**ROUTE, name: secret})
            for name in (*ROUTE, "account_id", "currency", "payment_method_id", "user_email")
        ),
        lambda: router.register_route(secret, "x", ROUTE),
        lambda: router.register_route("finance", secret, ROUTE),
        lambda: router.register_route("finance", "x", ROUTE, region=secret),
        lambda: router.register_route("finance", "x", {**ROUTE, "secret_key": secret}),
        lambda: router.register_route("finance", "x", {**ROUTE, secret: "x"}),
        lambda: router.register_override({**rule, "route": {"price_id": secret}}),
        lambda: router.register_override({**rule, "value": secret, "route": ROUTE}),
        lambda: router.register_override({**rule, secret: secret, "route": ROUTE}),
    ]
    for attempt in attempts:
        with pytest.raises(BillingError) as told:
            attempt()
        nowhere(bench, logged(), everything_in(told.value))


def test_a_secret_that_a_strategy_brings_is_refused_and_not_repeated(
    bench: Bench, logged: Callable[[], str]
) -> None:
    class Smuggler:
        def apply(self, bot_id: str, route: Any) -> Any:
            return {**route, "secret_key": SECRET}

    class Failing:
        def apply(self, bot_id: str, route: Any) -> Any:
            raise RuntimeError(f"cannot log in with\n{SECRET}")

    for strategy in (Smuggler(), Failing()):
        router = bench.router()
        router.register_strategy(strategy)
        with pytest.raises(BillingError) as told:
            router.charge(BOT, 5)
        nowhere(bench, logged(), everything_in(told.value))
    assert bench.untouched()


SETTINGS: dict[str, dict[str, Any]] = {
    "public_key": {"public_key": SECRET},
    "ledger_url": {"ledger_url": f"postgresql+psycopg://u:{SECRET}@127.0.0.1:1/x"},
    "ledger_url-scheme": {"ledger_url": f"{SECRET}://x"},
    "api_base": {"api_base": f"https://{SECRET}@api.stripe.com"},
    "secret_key": {"secret_key": f"{SECRET} x"},
    "secret_key-line": {"secret_key": f"{SECRET}\nx"},
    "allowed": {"environ": {"STRIPE_ALLOWED_SECRET_KEYS": f"{SECRET},{SECRET} x"}},
    "allowed-other": {"environ": {"STRIPE_ALLOWED_SECRET_KEYS": SECRET}},
    "environ-base": {"api_base": None, "environ": {"STRIPE_API_BASE": f"http://{SECRET}"}},
    "environ-ledger": {"ledger_url": None, "environ": {"STRIPE_LEDGER_URL": SECRET}},
    "environ-key": {"secret_key": None, "environ": {"STRIPE_SECRET_KEY": f"'{SECRET}'"}},
    "environ-vault": {"secret_key": None, "environ": {"VAULT_ADDR": f"http://{SECRET}:x"}},
}


@pytest.mark.parametrize("setting", SETTINGS)
def test_a_secret_in_a_setting_is_not_repeated(
    bench: Bench, logged: Callable[[], str], setting: str
) -> None:
    with pytest.raises(BillingError) as told:
        bench.router(**SETTINGS[setting]).charge(BOT, 5)
    nowhere(bench, logged(), shown_of(told.value))


@pytest.mark.parametrize(
    "line",
    [
        "secret_key: {0}",
        "default_currency: '{0}'",
        "allowed_secret_keys: ['{0} x']",
        "recovery: {{http_timeout: '{0}'}}",
        "{0}: {{default: {{a: {{b: {{price_id: 1}}}}}}}}",
        "stripe: {{default: {{finance: {{bot: {{price_id: {0}}}}}}}}}",
        "x: [{0}",
    ],
)
def test_a_secret_in_the_routing_file_is_not_repeated(
    bench: Bench, logged: Callable[[], str], line: str
) -> None:
    bench.config.write_text(line.format(SECRET))
    with pytest.raises(BillingError) as told:
        bench.router().charge(BOT, 5)
    nowhere(bench, logged(), everything_in(told.value))


KEY = f"sk_live_{CORE}TheRealOne"


def _in_use(bench: Bench, **changes: Any) -> BillingRouter:
    bench.world.add_key(KEY)
    environ = {"STRIPE_SECRET_KEY": f"{KEY}\n", "STRIPE_ALLOWED_SECRET_KEYS": KEY}
    return bench.router(secret_key=None, public_key=None, environ=environ, **changes)


def no_key_left(bench: Bench, logs: str, *texts: str) -> None:
    for text in (*texts, logs):
        assert CORE not in text
    for file in bench.folder.rglob("*"):
        if file.is_file():
            assert CORE.encode() not in file.read_bytes()


def test_the_key_in_use_shows_nowhere_when_all_is_well(
    bench: Bench, logged: Callable[[], str]
) -> None:
    router = _in_use(bench)
    bench.config.write_text(ROUTING)
    done = router.charge(BOT, 5, "a thing", metadata={"a": "b"}, idempotency_key="k")
    waits = router.charge(BOT, 5, on_session=True)
    texts = [repr(router), repr(done), repr(done.to_dict()), repr(vars(done))]
    texts += [repr(pickle.dumps(done)), repr(pickle.dumps(waits))]
    no_key_left(bench, logged(), *texts)
    assert {r.api_key for r in bench.world.requests} == {KEY}


@pytest.mark.parametrize(
    "kind",
    ["refused", "cut", "timeout", "broken_body", "truncated", "proxy_page", "server_error"],
)
@pytest.mark.parametrize("match", ["GET /v1/account", "POST /v1/payment_intents"])
def test_the_key_in_use_shows_nowhere_when_the_network_breaks(
    bench: Bench, logged: Callable[[], str], kind: str, match: str
) -> None:
    router = _in_use(bench)
    bench.fault(kind, match, times=None)
    with pytest.raises(BillingError) as told:
        router.charge(BOT, 5)
    no_key_left(bench, logged(), everything_in(told.value))


def test_the_key_in_use_shows_nowhere_when_stripe_refuses_it(
    bench: Bench, logged: Callable[[], str]
) -> None:
    router = _in_use(bench)
    router.charge(BOT, 5)
    bench.world.revoke_key(KEY)
    for charging in (router, _in_use_again(bench)):
        with pytest.raises(BillingError) as told:
            charging.charge(BOT, 5, idempotency_key="k")
        no_key_left(bench, logged(), everything_in(told.value))


def _in_use_again(bench: Bench) -> BillingRouter:
    environ = {"STRIPE_SECRET_KEY": KEY, "STRIPE_ALLOWED_SECRET_KEYS": KEY}
    return bench.router(secret_key=None, public_key=None, environ=environ)


def test_a_client_secret_is_in_no_log_and_no_file(bench: Bench, logged: Callable[[], str]) -> None:
    router = bench.warm()
    started = router.charge(BOT, 5, on_session=True)
    bench.world.set_outcome(CARD, "authentication_required")
    with pytest.raises(PaymentActionRequiredError):
        router.charge(BOT, 6)
    secret = str(started["client_secret"])
    assert "_secret_" in secret
    assert secret not in logged()
    assert "_secret_" not in logged()
    assert b"_secret_" not in bench.stored()


def test_a_client_secret_inside_a_link_is_in_no_file(bench: Bench) -> None:
    def with_link(body: dict[str, Any]) -> None:
        url = f"https://hooks.stripe.com/x?payment_intent_client_secret={body['client_secret']}"
        body["next_action"] = {"type": "redirect_to_url", "redirect_to_url": {"url": url}}

    router = bench.router(http_client=Forging(bench.world, with_link))
    router.charge(BOT, 5, on_session=True)
    assert b"_secret_" not in bench.stored()


def test_the_sdk_s_console_log_prints_no_client_secret(
    bench: Bench, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stripe, "log", "debug")
    bench.router().charge(BOT, 5, on_session=True)
    told = capsys.readouterr()
    assert "_secret_" not in told.out + told.err


def test_a_database_s_password_is_not_repeated(bench: Bench, logged: Callable[[], str]) -> None:
    url = f"postgresql+psycopg://someone:{CORE}@127.0.0.1:1/ledger?connect_timeout=1"
    router = bench.router(ledger_url=url)
    with pytest.raises(LedgerUnavailableError) as told:
        router.charge(BOT, 5)
    no_key_left(bench, logged(), shown_of(told.value), repr(router))


def test_a_doubt_chains_no_exception_that_holds_the_key(bench: Bench) -> None:
    router = _in_use(bench)
    bench.fault("cut", times=None)
    with pytest.raises(OutcomeUnknownError) as told:
        router.charge(BOT, 5)
    current: BaseException | None = told.value
    while current is not None:
        assert type(current).__module__.partition(".")[0] == "stripe_billing_router"
        current = current.__cause__ or current.__context__
