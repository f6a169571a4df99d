"""Tokens: given, obtained with AppRole, renewed, and replaced when they die."""

from __future__ import annotations

import pytest

from stripe_billing_router.errors import KeyProviderUnavailableError
from stripe_billing_router.keys import KeyRing
from stripe_billing_router.keys.vault.source import VALUES_TTL
from tests.unit.keys.vault_double import (
    ADDR,
    ROLE,
    ROTATED,
    SECRET,
    SECRET_ID,
    TOKEN,
    Clock,
    Ring,
    Vault,
    ok,
)

APPROLE = {"VAULT_TOKEN": None, "VAULT_ROLE_ID": ROLE, "VAULT_SECRET_ID": SECRET_ID}
LOGIN, RENEWAL, LOOKUP = "auth/approle/login", "auth/token/renew-self", "auth/token/lookup-self"


def test_a_given_token_is_sent(vault_ring: Ring, vault: Vault) -> None:
    """With every request."""
    vault_ring().keys()
    assert {call.headers["X-Vault-Token"] for call in vault.calls} == {TOKEN}


def test_no_token_is_taken_from_the_home_directory(
    vault_ring: Ring, vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither from there nor from the process's own variables behind our back."""
    monkeypatch.setenv("VAULT_TOKEN", "hvs.fromTheProcess")
    vault_ring(**APPROLE).keys()
    assert "X-Vault-Token" not in vault.calls[0].headers


def test_approle_logs_in_once(vault_ring: Ring, vault: Vault, clock: Clock) -> None:
    """The token it gives serves later readings too."""
    ring = vault_ring(**APPROLE)
    assert ring.keys().secret_key == SECRET
    clock.forward(VALUES_TTL)
    ring.keys()
    assert vault.paths().count(LOGIN) == 1


def test_approle_logs_in_under_its_namespace(vault_ring: Ring, vault: Vault) -> None:
    """Roles belong to a namespace as secrets do."""
    vault_ring(**APPROLE, VAULT_NAMESPACE="team").keys()
    assert {call.headers["X-Vault-Namespace"] for call in vault.calls} == {"team"}


def test_approle_logs_in_again_when_its_token_has_expired(
    vault_ring: Ring, vault: Vault, clock: Clock
) -> None:
    """By the clock, without first trying the dead token."""
    vault.ttl = 60
    ring = vault_ring(**APPROLE)
    ring.keys()
    vault.tokens.clear()
    vault.calls.clear()
    vault.rotate()
    clock.forward(VALUES_TTL)
    assert ring.keys().secret_key == ROTATED
    assert vault.paths()[0] == LOGIN


def test_approle_logs_in_again_when_its_token_is_refused(
    vault_ring: Ring, vault: Vault, clock: Clock
) -> None:
    """It may have been revoked long before its time."""
    ring = vault_ring(**APPROLE)
    ring.keys()
    vault.tokens.clear()
    vault.rotate()
    clock.forward(VALUES_TTL)
    assert ring.keys().secret_key == ROTATED
    assert vault.paths().count(LOGIN) == 2


def test_a_role_that_lacks_the_path_logs_in_once(vault_ring: Ring, vault: Vault) -> None:
    """Secret ids may have few uses; a new token would be denied as well."""
    vault.denied = {"secret/data/stripe"}
    with pytest.raises(KeyProviderUnavailableError, match="permission denied"):
        vault_ring(**APPROLE).keys()
    assert vault.paths().count(LOGIN) == 1


def test_a_refused_login_does_not_fall_through(vault_ring: Ring, vault: Vault) -> None:
    """A wrong secret id is no statement about the key."""
    vault.refuses_login = True
    with pytest.raises(KeyProviderUnavailableError, match="refused"):
        vault_ring(**APPROLE, STRIPE_SECRET_KEY="sk_live_other").keys()


@pytest.mark.parametrize("auth", [None, {}, {"client_token": ""}, {"client_token": 5}])
def test_a_login_without_a_token_is_no_login(
    vault_ring: Ring, vault: Vault, auth: dict[str, object] | None
) -> None:
    """Whatever answered, it was not Vault at its best."""
    vault.broken = ok({"auth": auth})
    with pytest.raises(KeyProviderUnavailableError, match="the answer has no"):
        vault_ring(**APPROLE).keys()


def test_approle_takes_over_from_a_dead_token(vault_ring: Ring, vault: Vault) -> None:
    """When both are given."""
    ring = vault_ring(**APPROLE | {"VAULT_TOKEN": "hvs.expired"})
    assert ring.keys().secret_key == SECRET


def test_a_dead_token_alone_does_not_fall_through(vault_ring: Ring, vault: Vault) -> None:
    """Nor is it replaced by anything."""
    with pytest.raises(KeyProviderUnavailableError, match="check Vault, its token"):
        vault_ring(VAULT_TOKEN="hvs.expired", STRIPE_SECRET_KEY="sk_live_other").keys()


@pytest.mark.parametrize("settings", [{}, APPROLE], ids=["token", "approle"])
def test_a_token_is_renewed_in_the_last_third_of_its_life(
    vault_ring: Ring, vault: Vault, clock: Clock, settings: dict[str, str | None]
) -> None:
    """Not before, so that Vault is left in peace; then its life starts anew."""
    vault.ttl = 900
    ring = vault_ring(**settings)
    renewals = []
    for _ in range(5):
        ring.keys()
        renewals.append(vault.paths().count(RENEWAL))
        clock.forward(VALUES_TTL)
    assert renewals == [0, 0, 1, 1, 2]


def test_a_token_that_is_not_renewable_is_replaced_by_a_login(
    vault_ring: Ring, vault: Vault, clock: Clock
) -> None:
    """Batch tokens cannot be renewed."""
    vault.ttl, vault.renewable = 400, False
    ring = vault_ring(**APPROLE)
    ring.keys()
    clock.forward(VALUES_TTL)
    ring.keys()
    assert vault.paths().count(LOGIN) == 2
    assert RENEWAL not in vault.paths()


def test_a_given_token_about_to_die_is_used_and_mentioned(
    vault_ring: Ring, vault: Vault, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """Somebody has to replace it; until then it works."""
    vault.ttl, vault.renewable = 400, False
    ring = vault_ring()
    ring.keys()
    vault.rotate()
    clock.forward(VALUES_TTL)
    assert ring.keys().secret_key == ROTATED
    assert "replace VAULT_TOKEN" in caplog.text


def test_a_refused_renewal_does_not_stop_the_reading(
    vault_ring: Ring, vault: Vault, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """The token is still good for now."""
    vault.ttl, vault.denied = 400, {RENEWAL}
    ring = vault_ring()
    ring.keys()
    vault.rotate()
    clock.forward(VALUES_TTL)
    assert ring.keys().secret_key == ROTATED
    assert "refuses to renew" in caplog.text


def test_a_token_without_end_is_never_renewed(vault_ring: Ring, vault: Vault, clock: Clock) -> None:
    """A root token, say."""
    ring = vault_ring()
    ring.keys()
    clock.forward(10**8)
    ring.keys()
    assert RENEWAL not in vault.paths()
    assert vault.paths().count(LOOKUP) == 1


def test_a_token_replaced_in_the_environment_is_used_next(vault: Vault, clock: Clock) -> None:
    """Agents rotate it by rewriting the variable."""
    environ = {"VAULT_ADDR": ADDR, "VAULT_TOKEN": TOKEN}
    ring = KeyRing(environ=environ, elapsed=clock)
    ring.keys()
    vault.tokens = {"hvs.next"}
    vault.rotate()
    environ["VAULT_TOKEN"] = "hvs.next"
    clock.forward(VALUES_TTL)
    assert ring.keys().secret_key == ROTATED
