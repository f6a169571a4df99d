"""Which source a key is taken from, and which list of allowed keys applies."""

from __future__ import annotations

import pytest

from stripe_billing_router.errors import KeyConfigurationError
from stripe_billing_router.hashing import Seals, key_fingerprint
from stripe_billing_router.keys import KeyRing, baked
from tests.unit.keys.vault_double import PUBLIC, SECRET, Ring, Vault

OTHER = "rk_live_OTHERsecret"
HOOK = "whsec_PLANTEDhook"


def test_the_environment_gives_the_keys(ring: Ring) -> None:
    """The plainest set-up: two variables."""
    keys = ring(STRIPE_SECRET_KEY=f" {SECRET}\n", STRIPE_PUBLIC_KEY=PUBLIC).keys()
    assert (keys.secret_key, keys.public_key, keys.source) == (SECRET, PUBLIC, "environment")


def test_the_public_key_may_be_absent(ring: Ring) -> None:
    """Only front ends need it."""
    assert ring(STRIPE_SECRET_KEY=SECRET).keys().public_key is None


def test_a_public_key_that_is_present_must_be_one(ring: Ring) -> None:
    """A secret key in its variable would reach customers."""
    with pytest.raises(KeyConfigurationError, match="STRIPE_PUBLIC_KEY") as caught:
        ring(STRIPE_SECRET_KEY=SECRET, STRIPE_PUBLIC_KEY=OTHER).keys()
    assert caught.value.reason == "secret"


@pytest.mark.parametrize("blank", ["", "  \n"])
def test_a_blank_variable_counts_as_unset(ring: Ring, blank: str) -> None:
    """Container files set variables to nothing to switch them off."""
    with pytest.raises(KeyConfigurationError, match="STRIPE_SECRET_KEY") as caught:
        ring(STRIPE_SECRET_KEY=blank, VAULT_ADDR=blank).keys()
    assert caught.value.reason == "missing"


def test_baked_keys_come_last(ring: Ring, monkeypatch: pytest.MonkeyPatch) -> None:
    """A private build works without settings, and any setting overrides it."""
    monkeypatch.setattr(baked, "SECRET_KEY", SECRET)
    monkeypatch.setattr(baked, "PUBLIC_KEY", PUBLIC)
    keys = ring().keys()
    assert (keys.secret_key, keys.public_key, keys.source) == (SECRET, PUBLIC, "baked")
    assert ring(STRIPE_SECRET_KEY=OTHER).keys().secret_key == OTHER


def test_the_package_ships_without_keys() -> None:
    """What is published holds no key."""
    shipped = baked.SECRET_KEY, baked.PUBLIC_KEY, baked.ALLOWED_SECRET_KEYS, baked.WEBHOOK_SECRETS
    assert shipped == ("", "", (), ())


def test_a_wrong_key_is_an_error_and_not_a_reason_to_look_further(
    ring: Ring, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Falling through a typing error would charge with a key that nobody meant."""
    monkeypatch.setattr(baked, "SECRET_KEY", OTHER)
    with pytest.raises(KeyConfigurationError) as caught:
        ring(STRIPE_SECRET_KEY="sk_test_123").keys()
    assert caught.value.reason == "test_mode"


def test_keys_given_in_code_come_first_and_alone(vault_ring: Ring, vault: Vault) -> None:
    """No other source is even asked, and its public key is not mixed in."""
    ring = vault_ring(given_secret=f" {OTHER} ", STRIPE_PUBLIC_KEY=PUBLIC)
    ring.refresh()
    keys = ring.keys()
    assert (keys.secret_key, keys.public_key, keys.source) == (OTHER, None, "code")
    assert vault.calls == []


def test_an_empty_key_given_in_code_is_refused(ring: Ring) -> None:
    """Somebody passed it on purpose; the environment must not answer for them."""
    with pytest.raises(KeyConfigurationError, match="secret_key given in code is empty"):
        ring(given_secret="", STRIPE_SECRET_KEY=SECRET).keys()


def test_a_public_key_given_in_code_comes_first(ring: Ring) -> None:
    """It may be given alone."""
    keys = ring(given_public="pk_live_code", STRIPE_SECRET_KEY=SECRET).keys()
    assert (keys.public_key, keys.source) == ("pk_live_code", "environment")


def test_vault_comes_before_the_environment(vault_ring: Ring, vault: Vault) -> None:
    """Each key on its own: what Vault lacks, the environment gives."""
    keys = vault_ring(STRIPE_SECRET_KEY=OTHER, STRIPE_PUBLIC_KEY=PUBLIC).keys()
    assert (keys.secret_key, keys.public_key, keys.source) == (SECRET, PUBLIC, "vault")


@pytest.mark.parametrize("value", ["", "sk_test_123", 5, ["sk_live_abc"]])
def test_a_wrong_key_in_vault_is_an_error(vault_ring: Ring, vault: Vault, value: object) -> None:
    """The field is there, so it is meant."""
    vault.fields = {"stripe_secret_key": value}
    with pytest.raises(KeyConfigurationError, match="stripe_secret_key in Vault"):
        vault_ring(STRIPE_SECRET_KEY=OTHER).keys()


def test_without_any_list_the_key_allows_itself(ring: Ring) -> None:
    """The account check still stands."""
    assert ring(STRIPE_SECRET_KEY=SECRET).keys().allowed == {key_fingerprint(SECRET)}


def test_lists_of_allowed_keys_apply_in_order(
    vault_ring: Ring, vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Environment, Vault, file, build: the first list that is not blank is the whole list."""
    one, two, three, four = (f"sk_live_{word}" for word in ("one", "two", "three", "four"))
    monkeypatch.setattr(baked, "ALLOWED_SECRET_KEYS", (four,))
    vault.fields = {"stripe_secret_key": SECRET, "stripe_allowed_secret_keys": two}

    def allowed(**given: object) -> frozenset[str]:
        vault_keys = vault_ring(file_allowed=[three], **given)
        return vault_keys.keys().allowed

    assert allowed(STRIPE_ALLOWED_SECRET_KEYS=f"{one}, ") == {key_fingerprint(one)}
    assert allowed(STRIPE_ALLOWED_SECRET_KEYS=" ") == {key_fingerprint(two)}
    vault.fields = {"stripe_secret_key": SECRET}
    assert allowed() == {key_fingerprint(three)}
    assert vault_ring().keys().allowed == {key_fingerprint(four)}


@pytest.mark.parametrize("listed", [f"{SECRET},{OTHER}", [SECRET, OTHER], f" {OTHER} ,\n{SECRET}"])
def test_vault_lists_are_text_or_lists(vault_ring: Ring, vault: Vault, listed: object) -> None:
    """Vault's command line writes text, its API often lists."""
    vault.fields = {"stripe_secret_key": SECRET, "stripe_allowed_secret_keys": listed}
    assert vault_ring().keys().allowed == {key_fingerprint(SECRET), key_fingerprint(OTHER)}


def test_a_key_outside_the_list_is_reported_and_not_judged(ring: Ring) -> None:
    """The engine decides, since a failed check has consequences that belong there."""
    keys = ring(STRIPE_SECRET_KEY=SECRET, STRIPE_ALLOWED_SECRET_KEYS=OTHER).keys()
    assert keys.secret_key == SECRET
    assert keys.allowed == {key_fingerprint(OTHER)}


def test_a_wrong_entry_of_the_list_is_an_error(ring: Ring) -> None:
    """A list that shrinks by a typing error would lock out the right key."""
    with pytest.raises(KeyConfigurationError, match=r"STRIPE_ALLOWED_SECRET_KEYS\[2\]"):
        ring(STRIPE_SECRET_KEY=SECRET, STRIPE_ALLOWED_SECRET_KEYS=f"{SECRET},nonsense").keys()


def test_pinned_accounts_are_keyed_by_fingerprint(ring: Ring) -> None:
    """The file may name a key or its fingerprint."""
    pins = {SECRET: "acct_1", key_fingerprint(OTHER).upper(): "acct_2"}
    accounts = ring(STRIPE_SECRET_KEY=SECRET, file_accounts=pins).keys().accounts
    assert accounts == {key_fingerprint(SECRET): "acct_1", key_fingerprint(OTHER): "acct_2"}


def test_the_environment_is_read_again_at_each_call() -> None:
    """A key rotated in the process's environment is in force at once."""
    environ = {"STRIPE_SECRET_KEY": SECRET}
    ring = KeyRing(environ=environ)
    assert ring.keys().secret_key == SECRET
    environ["STRIPE_SECRET_KEY"] = OTHER
    assert ring.keys().secret_key == OTHER


def test_webhook_secrets_come_from_the_environment(vault_ring: Ring, vault: Vault) -> None:
    """During a rotation there are two, and Vault need not be asked."""
    secrets = vault_ring(STRIPE_WEBHOOK_SECRET=f"{HOOK}, whsec_old").webhook_secrets()
    assert secrets == (HOOK, "whsec_old")
    assert vault.calls == []


def test_webhook_secrets_come_from_vault_next(vault_ring: Ring, vault: Vault) -> None:
    """In the field beside the keys."""
    vault.fields = {"stripe_webhook_secret": [HOOK]}
    assert vault_ring().webhook_secrets() == (HOOK,)


def test_webhook_secrets_may_be_baked_or_absent(
    ring: Ring, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether their absence matters is for the webhooks to say."""
    assert ring().webhook_secrets() == ()
    monkeypatch.setattr(baked, "WEBHOOK_SECRETS", (HOOK,))
    assert ring().webhook_secrets() == (HOOK,)


SEAL_KEY = "a" * 20 + "0" * 20


def test_seals_are_made_with_the_secret_key(ring: Ring) -> None:
    """No setting is needed where one key is in use."""
    seals = ring(STRIPE_SECRET_KEY=SECRET).seals()
    assert seals.holds(Seals([SECRET]).seal("intent", "op"), "intent", "op")
    assert seals.seal("intent", "op") == Seals([SECRET]).seal("intent", "op")


def test_a_seal_key_is_common_to_processes_with_different_keys(ring: Ring) -> None:
    one = ring(STRIPE_SECRET_KEY=SECRET, STRIPE_ROUTER_SEAL_KEY=SEAL_KEY).seals()
    other = ring(STRIPE_SECRET_KEY=OTHER, STRIPE_ROUTER_SEAL_KEY=SEAL_KEY).seals()
    assert other.holds(one.seal("intent", "op"), "intent", "op")
    alone = ring(STRIPE_ROUTER_SEAL_KEY=SEAL_KEY).seals()
    assert alone.holds(one.seal("intent", "op"), "intent", "op")


def test_what_was_sealed_before_holds_while_the_list_in_force_names_its_key(ring: Ring) -> None:
    """The key before it: in the list in full, or known to this process and in the list."""
    made = Seals([SECRET]).seal("intent", "op")
    both = f"{OTHER},{key_fingerprint(SECRET)}"
    running = ring(STRIPE_SECRET_KEY=SECRET, STRIPE_ALLOWED_SECRET_KEYS=both)
    running.seals()
    running._environ["STRIPE_SECRET_KEY"] = OTHER  # type: ignore[index]
    assert running.seals().holds(made, "intent", "op")
    kept = ring(STRIPE_SECRET_KEY=OTHER, STRIPE_ALLOWED_SECRET_KEYS=f"{OTHER},{SECRET}").seals()
    assert kept.holds(made, "intent", "op")
    forgot = ring(STRIPE_SECRET_KEY=OTHER, STRIPE_ALLOWED_SECRET_KEYS=both).seals()
    assert not forgot.holds(made, "intent", "op")


@pytest.mark.parametrize(("allowed", "after"), [("", True), (OTHER, False)])
def test_a_key_that_was_replaced_seals_nothing_once_a_list_leaves_it_out(
    ring: Ring, allowed: str, after: bool
) -> None:
    """It may have leaked, which is why it was replaced."""
    made = Seals([SECRET]).seal("intent", "op")
    running = ring(STRIPE_SECRET_KEY=SECRET, STRIPE_ALLOWED_SECRET_KEYS=allowed)
    assert running.seals().holds(made, "intent", "op")
    running._environ["STRIPE_SECRET_KEY"] = OTHER  # type: ignore[index]
    assert running.seals().holds(made, "intent", "op") is after


@pytest.mark.parametrize("seal_key", ["", "a" * 20 + "0" * 20])
def test_a_key_of_a_list_that_is_not_in_force_seals_nothing(ring: Ring, seal_key: str) -> None:
    """The first list that holds any is the whole list."""
    made = Seals([OTHER]).seal("intent", "op")
    listed = {"STRIPE_ALLOWED_SECRET_KEYS": SECRET, "STRIPE_ROUTER_SEAL_KEY": seal_key}
    found = ring(STRIPE_SECRET_KEY=SECRET, file_allowed=[OTHER], **listed).seals()
    assert not found.holds(made, "intent", "op")


@pytest.mark.parametrize("wrong", ["guessed", SECRET, "whsec_" + "0" * 40])
def test_a_seal_key_that_is_weak_or_a_key_of_stripes_is_refused(ring: Ring, wrong: str) -> None:
    with pytest.raises(KeyConfigurationError, match="STRIPE_ROUTER_SEAL_KEY") as caught:
        ring(STRIPE_SECRET_KEY=SECRET, STRIPE_ROUTER_SEAL_KEY=wrong).seals()
    assert wrong not in str(caught.value)


def test_the_seal_key_may_be_in_vault(vault_ring: Ring, vault: Vault) -> None:
    vault.fields = {"stripe_secret_key": SECRET, "stripe_seal_key": SEAL_KEY}
    seals = vault_ring().seals()
    assert seals.seal("intent", "op") == Seals([SEAL_KEY]).seal("intent", "op")
