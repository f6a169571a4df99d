"""Whose key, whose account: what is checked before a charge, and what a failed check does."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from stripe_billing_router.errors import (
    AccountMismatchError,
    BillingError,
    ConfigurationError,
    KeyConfigurationError,
    OutcomeUnknownError,
    RouteNotFoundError,
    StripeUnavailableError,
)
from stripe_billing_router.hashing import key_fingerprint
from stripe_billing_router.master_account import STRIPE_MASTER_ACCOUNT_ID
from stripe_billing_router.models import BotId, Write
from stripe_billing_router.ports import Discrepancy, Intent
from stripe_billing_router.sandbox import SANDBOX_SECRET_KEY
from tests.integration.charge.charge_bench import BOT, CUSTOMER, ROUTING, Bench, Forging

OTHER_KEY = "sk_live_ofSomebodyElse0000000"
RESTRICTED = "rk_live_mayNotReadItsAccount"
FOREIGN = "acct_somebody0else"


class Told:
    """A reaction that remembers."""

    def __init__(self) -> None:
        self.discrepancies: list[Discrepancy] = []

    def react(self, discrepancy: Discrepancy) -> None:
        self.discrepancies.append(discrepancy)


class Broken:
    """A reaction that fails."""

    def react(self, discrepancy: Discrepancy) -> None:
        raise OSError("no such directory")


def critical(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [r.getMessage() for r in caplog.records if r.levelno >= logging.CRITICAL]


def test_a_key_that_is_not_allowed_sends_nothing(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    environ = {"STRIPE_ALLOWED_SECRET_KEYS": OTHER_KEY}
    with pytest.raises(AccountMismatchError) as told:
        bench.router(environ=environ).charge(BOT, 5)
    assert told.value.bot_id == BOT
    assert told.value.expected_account_id == STRIPE_MASTER_ACCOUNT_ID
    assert bench.untouched()
    assert len(critical(caplog)) == 1


def test_a_key_of_another_account_is_told_with_that_account(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.world.add_key(OTHER_KEY, account=FOREIGN)
    with pytest.raises(AccountMismatchError) as told:
        bench.router(secret_key=OTHER_KEY).charge(BOT, 5)
    assert (told.value.account_id, told.value.money) == (FOREIGN, "not_moved")
    assert [r.path for r in bench.world.requests] == ["/v1/account"]
    assert bench.operations() == []
    assert FOREIGN in critical(caplog)[0]


def test_the_alert_names_the_key_s_account_and_not_the_route_s(bench: Bench) -> None:
    bench.world.add_key(OTHER_KEY, account="acct_the0real0one")
    with pytest.raises(AccountMismatchError) as told:
        bench.router(secret_key=OTHER_KEY).charge(BOT, 5)
    assert told.value.account_id == "acct_the0real0one"


def test_a_route_of_another_account_sends_nothing(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(AccountMismatchError) as told:
        bench.router().charge("finance:foreign", 5)
    assert told.value.account_id == FOREIGN
    assert bench.untouched()
    assert FOREIGN in critical(caplog)[0]


def test_every_consequence_follows_even_if_the_one_before_fails(bench: Bench) -> None:
    told = Told()
    with pytest.raises(AccountMismatchError):
        bench.router(reactions=[Broken(), told]).charge("finance:foreign", 5)
    assert [(d.kind, d.account_id) for d in told.discrepancies] == [("route_account", FOREIGN)]


def test_a_payment_that_went_to_another_account_is_recorded_and_told(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    def divert(body: dict[str, Any]) -> None:
        body["transfer_data"] = {"destination": FOREIGN}

    told = Told()
    router = bench.router(http_client=Forging(bench.world, divert), reactions=[told])
    with pytest.raises(AccountMismatchError) as raised:
        router.charge(BOT, 5, idempotency_key="k")
    assert (raised.value.money, raised.value.account_id) == ("moved", FOREIGN)
    entry, mismatch = router.ledger.entries()
    assert (entry.destination_account, entry.error, entry.amount_minor) == (FOREIGN, 1, 500)
    assert (mismatch.action_type, mismatch.destination_account) == ("mismatch", FOREIGN)
    assert mismatch.operation_id == entry.operation_id
    assert entry.operation_id == raised.value.operation_id
    assert [d.kind for d in told.discrepancies] == ["destination"]
    assert FOREIGN in critical(caplog)[0]


def test_a_diverted_payment_does_not_look_good_at_a_repeat(bench: Bench) -> None:
    def divert(body: dict[str, Any]) -> None:
        body["on_behalf_of"] = FOREIGN

    router = bench.router(http_client=Forging(bench.world, divert))
    for _ in range(2):
        with pytest.raises(AccountMismatchError) as told:
            router.charge(BOT, 5, idempotency_key="k")
        assert told.value.money == "moved"
    assert bench.moved() == [500]


@pytest.mark.parametrize(
    ("outcome", "on_session", "money"),
    [
        ("processing", False, "unknown"),
        ("authentication_required", False, "not_moved"),
        ("declined:card_declined", False, "not_moved"),
        ("succeeds", True, "not_moved"),
        ("succeeds", False, "moved"),
    ],
)
def test_a_diverted_payment_says_whether_the_money_has_moved(
    bench: Bench, outcome: str, on_session: bool, money: str
) -> None:
    """A payment that waits, is on its way or was declined has not sent its money anywhere yet."""

    def divert(body: dict[str, Any]) -> None:
        payment = body.get("error", {}).get("payment_intent", body)
        payment["transfer_data"] = {"destination": FOREIGN}

    method = bench.world.add_payment_method(customer=CUSTOMER, outcome=outcome)
    router = bench.router(http_client=Forging(bench.world, divert))
    for _ in range(2):
        with pytest.raises(AccountMismatchError) as told:
            router.charge(
                BOT, 5, payment_method_id=method, on_session=on_session, idempotency_key="k"
            )
        assert told.value.money == money
        assert ("the money has moved" in str(told.value)) is (money == "moved")
    assert bench.moved() == ([500] if money == "moved" else [])


@pytest.mark.parametrize(
    "kind", ["refused", "cut", "timeout", "server_error", "unavailable", "proxy_page", "truncated"]
)
def test_a_network_error_while_checking_is_no_discrepancy(bench: Bench, kind: str) -> None:
    told = Told()
    router = bench.router(reactions=[told])
    bench.fault(kind, "GET /v1/account", times=None)
    with pytest.raises(StripeUnavailableError) as raised:
        router.charge(BOT, 5)
    assert raised.value.money == "not_moved"
    assert told.discrepancies == []
    assert bench.operations() == []
    bench.world.faults.clear()
    assert router.charge(BOT, 5).paid


def test_a_network_error_while_the_customer_is_read_is_none_either(bench: Bench) -> None:
    router = bench.router()
    bench.fault("cut", "GET /v1/customers/*", times=None)
    with pytest.raises(StripeUnavailableError):
        router.charge(BOT, 5)
    assert bench.operations() == []
    bench.world.faults.clear()
    assert router.charge(BOT, 5).paid


def test_a_short_network_error_while_checking_is_retried(bench: Bench) -> None:
    bench.fault("unavailable", "GET /v1/account")
    assert bench.router().charge(BOT, 5).paid


def test_the_account_is_checked_once_in_hours_and_then_again(bench: Bench) -> None:
    router = bench.warm()
    for _ in range(3):
        router.charge(BOT, 5)
    assert "/v1/account" not in [r.path for r in bench.world.requests]
    bench.world.advance(24 * 3600)
    router.charge(BOT, 5)
    assert [r.path for r in bench.world.requests].count("/v1/account") == 1


def test_a_wrong_account_is_never_remembered_as_good(bench: Bench) -> None:
    bench.world.add_key(OTHER_KEY, account=FOREIGN)
    router = bench.router(secret_key=OTHER_KEY)
    for _ in range(3):
        with pytest.raises(AccountMismatchError):
            router.charge(BOT, 5)
    assert bench.operations() == []


def test_a_restricted_key_that_may_not_read_its_account_is_refused(bench: Bench) -> None:
    bench.world.add_key(RESTRICTED, restricted=True)
    with pytest.raises(KeyConfigurationError) as told:
        bench.router(secret_key=RESTRICTED).charge(BOT, 5)
    assert told.value.reason == "account_unreadable"
    assert bench.operations() == []


def _pin(bench: Bench, account: str) -> None:
    pinned = f"{{fingerprint: '{key_fingerprint(RESTRICTED)}', account: {account}}}"
    bench.config.write_text(f"{ROUTING}\nallowed_secret_keys: [{pinned}]\n")
    bench.world.add_key(RESTRICTED, restricted=True)


def test_a_restricted_key_pinned_to_the_account_is_accepted(bench: Bench) -> None:
    _pin(bench, STRIPE_MASTER_ACCOUNT_ID)
    assert bench.router(secret_key=RESTRICTED).charge(BOT, 5).paid


def test_a_restricted_key_pinned_to_another_account_is_a_mismatch(bench: Bench) -> None:
    _pin(bench, FOREIGN)
    with pytest.raises(AccountMismatchError) as told:
        bench.router(secret_key=RESTRICTED).charge(BOT, 5)
    assert told.value.account_id == FOREIGN


def test_a_pin_does_not_overrule_what_stripe_says(bench: Bench) -> None:
    _pin(bench, STRIPE_MASTER_ACCOUNT_ID)
    bench.world.add_key(RESTRICTED, account=FOREIGN, denied=set())
    with pytest.raises(AccountMismatchError):
        bench.router(secret_key=RESTRICTED).charge(BOT, 5)


def test_the_sandbox_s_account_and_stripe_itself_do_not_go_together(bench: Bench) -> None:
    told = Told()
    router = bench.router(api_base="https://api.stripe.com", reactions=[told])
    with pytest.raises(ConfigurationError) as raised:
        router.charge(BOT, 5)
    assert "pin" in str(raised.value)
    assert bench.untouched()
    assert told.discrepancies == []


@pytest.mark.parametrize(
    "base",
    [
        "https://api.stripe.com.evil.example",
        "https://evil.example",
        "http://api.stripe.com",
        "http://127.0.0.1@evil.example",
        "http://localhost.evil.example",
        "http://127.0.0.1:80/path",
        "http://0.0.0.0",
        "http://10.0.0.1",
        "//127.0.0.1",
        "http://127.0.0.1\\@evil.example",
        "https://api.stripe.com\n.evil.example",
    ],
)
def test_requests_carry_the_key_so_they_go_nowhere_else(bench: Bench, base: str) -> None:
    with pytest.raises(ConfigurationError):
        bench.router(api_base=base).charge(BOT, 5)
    assert bench.untouched()


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        ("sk_test_51abcdefghijkl", "test_mode"),
        ("rk_test_51abcdefghijkl", "test_mode"),
        ("pk_live_51abcdefghijkl", "publishable"),
        ("sk_org_live_51abcdefghijkl", "organisation"),
        ("whsec_51abcdefghijkl", "webhook_secret"),
        ("sk_live_", "malformed"),
        ("sk_live_abc def", "malformed"),
        ("sk_live_abc\ndef", "malformed"),
        ("not a key", "malformed"),
        ("", "empty"),
        ("   ", "empty"),
    ],
)
def test_only_a_live_secret_key_passes(bench: Bench, key: str, reason: str) -> None:
    with pytest.raises(KeyConfigurationError) as told:
        bench.router(secret_key=key).charge(BOT, 5)
    assert told.value.reason == reason
    assert bench.untouched()
    assert len(key.strip()) < 9 or key.strip() not in f"{told.value} {told.value!r}"


def test_a_key_with_white_space_around_it_is_the_same_key(bench: Bench) -> None:
    environ = {"STRIPE_SECRET_KEY": f" {SANDBOX_SECRET_KEY}\n"}
    router = bench.router(secret_key=None, public_key=None, environ=environ)
    assert router.charge(BOT, 5).paid
    assert {r.api_key for r in bench.world.requests} == {SANDBOX_SECRET_KEY}


def test_without_any_key_nothing_is_sent(bench: Bench) -> None:
    with pytest.raises(KeyConfigurationError) as told:
        bench.router(secret_key=None, public_key=None).charge(BOT, 5)
    assert told.value.reason == "missing"
    assert bench.untouched()


def test_a_revoked_key_is_a_matter_of_configuration(bench: Bench) -> None:
    bench.world.revoke_key(SANDBOX_SECRET_KEY)
    with pytest.raises(KeyConfigurationError) as told:
        bench.router().charge(BOT, 5)
    assert told.value.reason == "refused_by_stripe"
    assert bench.operations() == []


@pytest.mark.parametrize("bot", ["finance:nobody", "nobody:bot", "eu:finance:bot"])
def test_a_bot_without_a_route_sends_nothing(bench: Bench, bot: str) -> None:
    with pytest.raises(RouteNotFoundError):
        bench.router().charge(bot, 5)
    assert bench.untouched()


class Vetoing:
    """A guard that lets the first intent through and no other."""

    def __init__(self) -> None:
        self.intents: list[Intent] = []
        self.stopped = False

    def check_bot(self, bot: BotId) -> None:
        if self.stopped:
            raise BillingError(f"{bot} is stopped. Ask a person.")

    def check_intent(self, intent: Intent) -> list[Write]:
        if self.intents:
            raise BillingError("The budget is used up. Wait for the next day.")
        self.intents.append(intent)
        return []


def test_a_veto_sends_and_writes_nothing(bench: Bench) -> None:
    guard = Vetoing()
    guard.stopped = True
    with pytest.raises(BillingError, match="stopped"):
        bench.router(guards=[guard]).charge(BOT, 5)
    assert bench.untouched()


class StoppedWhileWaiting:
    """A clock: while the call waits for its next attempt, a person stops the bot."""

    def __init__(self, bench: Bench, guard: Vetoing) -> None:
        self._clock = bench.world.clock
        self._guard = guard
        self.now_ms = self._clock.now_ms
        self.elapsed = self._clock.elapsed

    def sleep(self, seconds: float) -> None:
        self._guard.stopped = True
        self._clock.advance(seconds)


def test_a_bot_stopped_between_two_attempts_sends_no_more(bench: Bench) -> None:
    guard = Vetoing()
    router = bench.router(guards=[guard], clock=StoppedWhileWaiting(bench, guard))
    bench.fault("rate_limited")
    with pytest.raises(BillingError, match="stopped") as told:
        router.charge(BOT, 5, idempotency_key="k")
    assert told.value.money == "not_moved"
    assert len(bench.sent()) == 1
    assert bench.states() == ["abandoned"]
    guard.stopped = False
    guard.intents.clear()
    assert bench.router(guards=[guard]).charge(BOT, 5, idempotency_key="k").paid


def test_a_bot_stopped_while_in_doubt_is_still_in_doubt(bench: Bench) -> None:
    guard = Vetoing()
    router = bench.router(guards=[guard], clock=StoppedWhileWaiting(bench, guard))
    bench.fault("cut", effect=True)
    with pytest.raises(OutcomeUnknownError):
        router.charge(BOT, 5)
    assert len(bench.sent()) == 1
    assert bench.states() == ["unknown"]


def test_a_budget_is_asked_again_before_an_abandoned_charge_is_sent(bench: Bench) -> None:
    router = bench.router(guards=[Vetoing()])
    bench.fault("refused", times=None)
    with pytest.raises(StripeUnavailableError):
        router.charge(BOT, 5, idempotency_key="k")
    bench.world.faults.clear()
    with pytest.raises(BillingError, match="budget"):
        router.charge(BOT, 5, idempotency_key="k")
    assert bench.moved() == []


def test_a_route_taken_away_stops_an_abandoned_charge_too(bench: Bench) -> None:
    router = bench.router()
    bench.fault("refused", times=None)
    with pytest.raises(StripeUnavailableError):
        router.charge(BOT, 5, idempotency_key="k")
    bench.world.faults.clear()
    bench.config.write_text(ROUTING.replace("      bot:", "      robot:"))
    with pytest.raises(RouteNotFoundError):
        bench.router().charge(BOT, 5, idempotency_key="k")
    assert bench.moved() == []
