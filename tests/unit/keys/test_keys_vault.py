"""Where the secret lies in Vault, whatever version its mount has."""

from __future__ import annotations

from typing import Any

import pytest

from stripe_billing_router.errors import KeyConfigurationError, KeyProviderUnavailableError
from stripe_billing_router.keys.vault.source import VALUES_TTL
from tests.unit.keys.vault_double import ADDR, ROTATED, SECRET, Clock, Ring, Vault, ok, refusal

FALLBACK = "sk_live_fromTheEnvironment"


@pytest.mark.parametrize("announces", [True, False], ids=["announced", "probed"])
@pytest.mark.parametrize("kv", [1, 2])
def test_both_versions_of_kv_are_read(
    vault_ring: Ring, vault: Vault, kv: int, announces: bool
) -> None:
    """With the mount's own word for its version, and without."""
    vault.kv, vault.announces = kv, announces
    assert vault_ring().keys().secret_key == SECRET


@pytest.mark.parametrize(
    ("kv", "denied"), [(1, "secret/data/stripe"), (2, "secret/stripe")], ids=["v1", "v2"]
)
def test_a_token_that_may_read_nothing_else_suffices(
    vault_ring: Ring, vault: Vault, kv: int, denied: str
) -> None:
    """Least privilege: one path, and nothing under sys or auth."""
    vault.kv, vault.announces = kv, False
    vault.denied = {denied, "auth/token/lookup-self"}
    assert vault_ring().keys().secret_key == SECRET


@pytest.mark.parametrize("kv", [1, 2])
def test_the_version_is_asked_once(vault_ring: Ring, vault: Vault, clock: Clock, kv: int) -> None:
    """Later readings cost one request."""
    vault.kv = kv
    ring = vault_ring()
    ring.keys()
    vault.calls.clear()
    clock.forward(VALUES_TTL)
    ring.keys()
    assert vault.paths() == ["secret/data/stripe" if kv == 2 else "secret/stripe"]


def test_a_mount_that_is_upgraded_is_found_again(
    vault_ring: Ring, vault: Vault, clock: Clock
) -> None:
    """Version 1 becomes version 2 while we run."""
    vault.kv = 1
    ring = vault_ring()
    ring.keys()
    vault.kv = 2
    vault.rotate()
    clock.forward(VALUES_TTL)
    assert ring.keys().secret_key == ROTATED


def test_mount_path_and_namespace_are_settings(vault_ring: Ring, vault: Vault) -> None:
    """Slashes around them do no harm."""
    vault.mount, vault.path = "team/kv", "prod/billing"
    ring = vault_ring(
        STRIPE_VAULT_MOUNT="/team/kv/", STRIPE_VAULT_PATH="prod/billing/", VAULT_NAMESPACE="ns1/"
    )
    assert ring.keys().secret_key == SECRET
    assert {call.headers["X-Vault-Namespace"] for call in vault.calls} == {"ns1/"}


def absent(vault: Vault) -> None:
    vault.fields = None


def deleted(vault: Vault) -> None:
    vault.deleted = True


def without_field(vault: Vault) -> None:
    vault.fields = {"something": "else"}


def null_field(vault: Vault) -> None:
    vault.fields = {"stripe_secret_key": None}


@pytest.mark.parametrize("announces", [True, False], ids=["announced", "probed"])
@pytest.mark.parametrize("kv", [1, 2])
@pytest.mark.parametrize("lacking", [absent, deleted, without_field, null_field])
def test_no_such_secret_falls_through(
    vault_ring: Ring, vault: Vault, lacking: Any, kv: int, announces: bool
) -> None:
    """Vault answers that it has none, so the next source is asked."""
    if kv == 1 and lacking is deleted:
        lacking = absent
    vault.kv, vault.announces = kv, announces
    lacking(vault)
    keys = vault_ring(STRIPE_SECRET_KEY=FALLBACK).keys()
    assert (keys.secret_key, keys.source) == (FALLBACK, "environment")


@pytest.mark.parametrize("kv", [1, 2])
def test_no_such_secret_under_least_privilege_falls_through(
    vault_ring: Ring, vault: Vault, kv: int
) -> None:
    """The other layout's path is denied; the right one says that nothing is there."""
    vault.kv, vault.announces, vault.fields = kv, False, None
    vault.denied = {"secret/stripe" if kv == 2 else "secret/data/stripe"}
    assert vault_ring(STRIPE_SECRET_KEY=FALLBACK).keys().secret_key == FALLBACK


@pytest.mark.parametrize("announces", [True, False], ids=["announced", "probed"])
@pytest.mark.parametrize("kv", [1, 2])
def test_permission_denied_does_not_fall_through(
    vault_ring: Ring, vault: Vault, kv: int, announces: bool
) -> None:
    """A policy that lacks the path says nothing about what lies there."""
    vault.kv, vault.announces = kv, announces
    vault.denied = {"secret/data/stripe"} if kv == 2 else {"secret/data/stripe", "secret/stripe"}
    with pytest.raises(KeyProviderUnavailableError, match="permission denied"):
        vault_ring(STRIPE_SECRET_KEY=FALLBACK).keys()


def test_a_version_1_secret_called_data_is_not_taken_for_version_2(
    vault_ring: Ring, vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both layouts answer, but only one in its own shape."""
    vault.kv, vault.announces = 1, False
    original = vault._secret
    decoy = ok({"data": {"stripe_secret_key": "sk_live_decoy"}})
    monkeypatch.setattr(
        vault, "_secret", lambda path: decoy if "/data/" in path else original(path)
    )
    assert vault_ring().keys().secret_key == SECRET


@pytest.mark.parametrize("lacking", [absent, without_field, null_field])
def test_absence_is_logged_once(
    vault_ring: Ring, vault: Vault, clock: Clock, caplog: pytest.LogCaptureFixture, lacking: Any
) -> None:
    """Falling through is allowed, doing so silently is not."""
    lacking(vault)
    ring = vault_ring(STRIPE_SECRET_KEY=FALLBACK)
    ring.keys()
    clock.forward(VALUES_TTL)
    ring.keys()
    told = [record for record in caplog.records if "has no secret key" in record.getMessage()]
    assert len(told) == 1


@pytest.mark.parametrize(
    "answer",
    [
        (404, {"Content-Type": "text/html"}, "<h1>Not Found</h1>"),
        (200, {"Content-Type": "text/html"}, "<h1>Welcome</h1>"),
        (307, {"Location": "https://elsewhere.example/v1/secret/data/stripe"}, ""),
        ok({}),
        ok({"data": {"metadata": {}, "data": None}}),
        (200, {"Content-Type": "application/json"}, "[]"),
        (200, {"Content-Type": "application/json"}, '{"data": '),
        refusal(400, "missing client token"),
        refusal(429, "slow down"),
        refusal(500, "internal error"),
        refusal(501, "not initialised"),
        refusal(502),
        refusal(503, "Vault is sealed"),
    ],
)
def test_an_answer_that_is_not_vaults_does_not_fall_through(
    vault_ring: Ring, vault: Vault, answer: Any
) -> None:
    """A proxy's page proves nothing about the secret."""
    vault.broken = answer
    with pytest.raises(KeyProviderUnavailableError):
        vault_ring(STRIPE_SECRET_KEY=FALLBACK).keys()


def test_a_redirect_is_not_followed(vault_ring: Ring, vault: Vault) -> None:
    """The token would go wherever the answer points."""
    vault.broken = (307, {"Location": "https://elsewhere.example/"}, "")
    with pytest.raises(KeyProviderUnavailableError, match="redirects elsewhere"):
        vault_ring().keys()
    assert {str(call.url).startswith(ADDR) for call in vault.calls} == {True}


@pytest.mark.parametrize(
    ("settings", "variable"),
    [
        ({"VAULT_ADDR": "vault.example:8200"}, "VAULT_ADDR"),
        ({"VAULT_ADDR": "ftp://vault.example"}, "VAULT_ADDR"),
        ({"VAULT_ADDR": "https://"}, "VAULT_ADDR"),
        ({"VAULT_ADDR": "https://vault.example:port"}, "VAULT_ADDR"),
        ({"VAULT_ADDR": "https://[::1"}, "VAULT_ADDR"),
        ({"VAULT_TOKEN": None}, "VAULT_TOKEN"),
        ({"VAULT_TOKEN": "hvs.PLANTED\nX: y"}, "VAULT_TOKEN"),
        ({"VAULT_TOKEN": "hvs.PLANTEDé"}, "VAULT_TOKEN"),
        ({"VAULT_NAMESPACE": "a b"}, "VAULT_NAMESPACE"),
        ({"VAULT_ROLE_ID": "PLANTED"}, "VAULT_SECRET_ID"),
        ({"VAULT_SECRET_ID": "PLANTED"}, "VAULT_ROLE_ID"),
        ({"STRIPE_VAULT_MOUNT": "/"}, "STRIPE_VAULT_MOUNT"),
        ({"STRIPE_VAULT_PATH": "/"}, "STRIPE_VAULT_PATH"),
    ],
)
def test_settings_that_cannot_work_are_refused_before_any_request(
    vault_ring: Ring, vault: Vault, settings: dict[str, str | None], variable: str
) -> None:
    """Each fault names its variable, and never the value."""
    with pytest.raises(KeyConfigurationError) as caught:
        vault_ring(**settings).keys()
    assert [path for path, _ in caught.value.faults] == [variable]
    assert "PLANTED" not in str(caught.value)
    assert vault.calls == []


def test_making_a_ring_asks_nobody(vault_ring: Ring, vault: Vault) -> None:
    """Importing and constructing are silent."""
    vault_ring()
    assert vault.calls == []


def test_vault_is_off_without_its_address(vault_ring: Ring, vault: Vault) -> None:
    """A token alone, as many shells have it, switches nothing on."""
    ring = vault_ring(VAULT_ADDR=None, STRIPE_SECRET_KEY=FALLBACK)
    ring.refresh()
    assert ring.keys().source == "environment"
    assert vault.calls == []
