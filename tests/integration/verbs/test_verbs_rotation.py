"""A key that was rotated in Vault: found out by Stripe's 401, without a restart."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
import responses

from stripe_billing_router.errors import (
    AccountMismatchError,
    KeyConfigurationError,
    OutcomeUnknownError,
    StripeRequestError,
)
from stripe_billing_router.sandbox import SANDBOX_SECRET_KEY, Fault
from tests.integration.verbs.verbs_bench import BOT, CARD, OTHER, Bench, warm
from tests.integration.verbs.verbs_cases import CASES, CHARGE, Case
from tests.unit.keys.vault_double import ADDR, TOKEN, Vault

NEW_KEY = "sk_live_rotated000000000000000"

every_verb = pytest.mark.parametrize("case", CASES, ids=str)


@pytest.fixture
def vault() -> Iterator[Vault]:
    double = Vault(fields={"stripe_secret_key": SANDBOX_SECRET_KEY})
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        for method in ("GET", "POST", "PUT"):
            url = re.compile(re.escape(ADDR) + "/.*")
            mock.add_callback(method, url, callback=double, content_type=None)
        yield double


@pytest.fixture
def paid(bench: Bench, vault: Vault) -> str:
    """A payment of 50.00, made by a router whose keys come from Vault."""
    bench.router = bench.restarted(
        secret_key=None, public_key=None, environ={"VAULT_ADDR": ADDR, "VAULT_TOKEN": TOKEN}
    )
    warm(bench.router)
    done = bench.router.charge(BOT, 50, payment_method_id=CARD)
    bench.router.charge(BOT, 1)
    bench.forget_requests()
    return str(done.id)


def rotate(
    bench: Bench, vault: Vault, *, in_vault: bool = True, account: str | None = None
) -> None:
    """Let a new key be good, the old one be revoked and, perhaps, Vault have the new one."""
    bench.world.add_key(NEW_KEY, account=account)
    bench.world.revoke_key(SANDBOX_SECRET_KEY)
    if in_vault:
        vault.fields = {"stripe_secret_key": NEW_KEY}


@every_verb
def test_a_rotated_key_is_found_out_and_the_call_happens_once(
    bench: Bench, vault: Vault, paid: str, case: Case
) -> None:
    rotate(bench, vault)
    done = case.run(bench, paid, idempotency_key="k")
    assert done.state == case.state
    refused, account, sent = bench.world.requests[:3]
    assert (refused.status, refused.api_key) == (401, SANDBOX_SECRET_KEY)
    assert (account.path, account.api_key) == ("/v1/account", NEW_KEY)
    assert (sent.status, sent.api_key) == (200, NEW_KEY)
    assert sent.idempotency_key == refused.idempotency_key
    assert bench.entry().id == done.id
    bench.forget_requests()
    assert case.run(bench, paid, idempotency_key="k").id == done.id


@every_verb
def test_a_rotated_key_is_asked_for_once_however_many_requests_follow(
    bench: Bench, vault: Vault, paid: str, case: Case
) -> None:
    reads = len(vault.reads())
    rotate(bench, vault)
    case.run(bench, paid)
    assert len(vault.reads()) == reads + 1
    assert [r.status for r in bench.world.requests if r.api_key == SANDBOX_SECRET_KEY] == [401]


@every_verb
def test_without_a_new_key_nothing_happens_and_the_same_call_may_come_again(
    bench: Bench, vault: Vault, paid: str, case: Case
) -> None:
    reads, before = len(vault.reads()), bench.collected()
    rotate(bench, vault, in_vault=False)
    with pytest.raises(StripeRequestError) as told:
        case.run(bench, paid, idempotency_key="k")
    assert (told.value.http_status, told.value.money) == (401, "not_moved")
    assert len(vault.reads()) == reads + 1
    assert [request.status for request in bench.world.requests] == [401]
    entry = bench.entry()
    assert (entry.status, entry.error, entry.operation_id) == (
        "abandoned",
        1,
        told.value.operation_id,
    )
    vault.fields = {"stripe_secret_key": NEW_KEY}
    bench.world.advance(400)
    done = case.run(bench, paid, idempotency_key="k")
    assert (done.state, done.operation_id) == (case.state, told.value.operation_id)
    gained = sum(bench.collected()) - sum(before)
    assert gained == (0 if case.action_type == "refund" else case.amount_minor or 0)


@pytest.mark.parametrize("in_vault", [True, False], ids=["new-key", "no-key"])
def test_a_key_rotated_while_in_doubt_settles_nothing_but_the_new_one_may(
    bench: Bench, vault: Vault, paid: str, in_vault: bool
) -> None:
    def rotated() -> None:
        rotate(bench, vault, in_vault=in_vault)
        raise ConnectionResetError

    bench.world.faults.add(Fault("call", match=CHARGE.sends, effect=True, call=rotated))
    if in_vault:
        assert CHARGE.run(bench, paid, idempotency_key="k").paid
    else:
        with pytest.raises(OutcomeUnknownError) as told:
            CHARGE.run(bench, paid, idempotency_key="k")
        assert told.value.money == "unknown"
    assert bench.collected() == [5000, 100, 1999]
    sends = [r for r in bench.world.requests if f"{r.method} {r.path}" == CHARGE.sends]
    assert [r.status for r in sends] == [None, 401, *([200] if in_vault else [])]
    assert len({r.idempotency_key for r in sends}) == 1


def test_a_key_rotated_before_the_first_read_is_found_out_by_it(
    bench: Bench, vault: Vault, paid: str
) -> None:
    bench.router = bench.restarted(
        secret_key=None, public_key=None, environ={"VAULT_ADDR": ADDR, "VAULT_TOKEN": TOKEN}
    )
    bench.router.explain(BOT)
    reads = len(vault.reads())
    rotate(bench, vault)
    assert bench.router.charge(BOT).paid
    accounts = [r for r in bench.world.requests if r.path == "/v1/account"]
    assert [(r.status, r.api_key) for r in accounts] == [
        (401, SANDBOX_SECRET_KEY),
        (200, NEW_KEY),
    ]
    assert len(vault.reads()) == reads + 1


def test_a_rotated_key_is_found_out_by_a_look_up_and_by_reads(
    bench: Bench, vault: Vault, paid: str
) -> None:
    keys = [SANDBOX_SECRET_KEY, *(f"sk_live_rotated{n}0000000000000" for n in range(3))]
    reads: list[Callable[[], object]] = [
        lambda: bench.router.get_balance(BOT).pending,
        lambda: list(bench.router.iter_master_events()),
        lambda: bench.router.charge(BOT, 3, customer_id=OTHER).paid,
    ]
    for old, new, read in zip(keys[:-1], keys[1:], reads, strict=True):
        bench.world.add_key(new)
        bench.world.revoke_key(old)
        vault.fields = {"stripe_secret_key": new}
        assert read()
        assert bench.world.requests[-1].api_key == new


def test_a_wrong_key_at_start_is_told_at_once_and_vault_is_asked_once(
    bench: Bench, vault: Vault
) -> None:
    rotate(bench, vault, in_vault=False)
    bench.router = bench.restarted(
        secret_key=None, public_key=None, environ={"VAULT_ADDR": ADDR, "VAULT_TOKEN": TOKEN}
    )
    bench.forget_requests()
    before = bench.world.clock.elapsed()
    with pytest.raises(KeyConfigurationError) as told:
        bench.router.charge(BOT, 3)
    assert (told.value.reason, told.value.money) == ("refused_by_stripe", "not_moved")
    assert [r.status for r in bench.world.requests] == [401]
    assert bench.world.clock.elapsed() == before
    assert len(vault.reads()) == 2


def test_a_new_key_of_another_account_stops_the_call(bench: Bench, vault: Vault, paid: str) -> None:
    rotate(bench, vault, account="acct_elsewhere")
    with pytest.raises(AccountMismatchError) as told:
        CHARGE.run(bench, paid)
    assert told.value.account_id == "acct_elsewhere"
    assert [request.path for request in bench.world.requests] == [
        "/v1/payment_intents",
        "/v1/account",
    ]
    assert bench.collected() == [5000, 100]


def test_vault_that_is_away_leaves_the_refusal_as_it_is(
    bench: Bench, vault: Vault, paid: str
) -> None:
    rotate(bench, vault)
    vault.broken = (503, {}, "")
    with pytest.raises(StripeRequestError) as told:
        CHARGE.run(bench, paid, idempotency_key="k")
    assert told.value.http_status == 401
    vault.broken = None
    bench.world.advance(400)
    assert CHARGE.run(bench, paid, idempotency_key="k").paid


def test_a_new_key_that_is_refused_too_is_not_asked_for_again(
    bench: Bench, vault: Vault, paid: str
) -> None:
    rotate(bench, vault)
    bench.world.revoke_key(NEW_KEY)
    reads = len(vault.reads())
    with pytest.raises(KeyConfigurationError):
        CHARGE.run(bench, paid)
    assert len(vault.reads()) == reads + 1
    assert bench.collected() == [5000, 100]
