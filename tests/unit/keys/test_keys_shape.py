"""Which keys pass, and what is said about those that do not."""

from __future__ import annotations

import traceback
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stripe_billing_router.errors import KeyConfigurationError
from stripe_billing_router.hashing import key_fingerprint
from stripe_billing_router.keys import shape

TAIL = "51HPLANTED0000"
DIGEST = "0123456789abcdefABCDEF" + "0" * 42

Check = Callable[[object, str], str]


def refusal(check: Check, value: object) -> KeyConfigurationError:
    with pytest.raises(KeyConfigurationError) as caught:
        check(value, "SOURCE")
    return caught.value


@pytest.mark.parametrize("prefix", ["sk_live_", "rk_live_"])
def test_live_secret_and_restricted_keys_pass_stripped(prefix: str) -> None:
    """White space around a key comes from files and editors, not from Stripe."""
    assert shape.secret_key(f" \t{prefix}{TAIL}\r\n", "SOURCE") == prefix + TAIL


def test_live_publishable_key_passes_stripped() -> None:
    """The public key is held to the same rule."""
    assert shape.public_key(f"\n pk_live_{TAIL} ", "SOURCE") == f"pk_live_{TAIL}"


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "missing"),
        ("", "empty"),
        (" \n\t", "empty"),
        (f"sk_test_{TAIL}", "test_mode"),
        (f"rk_test_{TAIL}", "test_mode"),
        (f"pk_test_{TAIL}", "test_mode"),
        (f"sk_org_{TAIL}", "organisation"),
        (f"sk_org_live_{TAIL}", "organisation"),
        (f"pk_live_{TAIL}", "publishable"),
        (f"whsec_{TAIL}", "webhook_secret"),
        (f"SK_LIVE_{TAIL}", "malformed"),
        (f"sk_{TAIL}", "malformed"),
        (f"sk_live_{TAIL}\nsk_live_{TAIL}", "malformed"),
        (f"sk_live_{TAIL} {TAIL}", "malformed"),
        (f"'sk_live_{TAIL}'", "malformed"),
        (f"sk_live_{TAIL}é", "malformed"),
        (f"sk_live_{TAIL}\x00", "malformed"),
        (f"\ufeffsk_live_{TAIL}", "malformed"),
        ("sk_live_", "malformed"),
        ("sk_live_a", "malformed"),
        (TAIL, "malformed"),
        (f"sk_live_{TAIL}".encode(), "malformed"),
        (51, "malformed"),
    ],
)
def test_what_is_no_live_secret_key_is_refused_with_its_reason(value: object, reason: str) -> None:
    """The reason is a word that programs can read; the message ends with the mend."""
    error = refusal(shape.secret_key, value)
    assert error.reason == reason
    assert str(error).startswith("SOURCE ")
    assert "sk_live_" in str(error).rpartition(";")[2]
    assert TAIL not in str(error)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (f"sk_live_{TAIL}", "secret"),
        (f"rk_live_{TAIL}", "secret"),
        (f"pk_test_{TAIL}", "test_mode"),
        ("", "empty"),
        ("pk_live_", "malformed"),
    ],
)
def test_what_is_no_live_publishable_key_is_refused(value: str, reason: str) -> None:
    """A secret key in the public one's place would be handed to customers."""
    error = refusal(shape.public_key, value)
    assert error.reason == reason
    assert TAIL not in str(error)


def test_the_refusal_names_its_source_as_a_fault() -> None:
    """Start-up checks collect the faults of everything in one error."""
    error = refusal(shape.secret_key, "")
    assert [path for path, _ in error.faults] == ["SOURCE"]


def test_an_allowed_key_becomes_its_fingerprint() -> None:
    """Lists are compared by fingerprint, so that none has to hold a secret."""
    key = f"sk_live_{TAIL}"
    assert shape.fingerprint(f" {key} ", "SOURCE") == key_fingerprint(key)


def test_a_fingerprint_is_taken_in_any_case() -> None:
    """Hexadecimal comes in both cases, depending on the tool."""
    expected = f"sha256:{DIGEST.lower()}"
    assert shape.fingerprint(f" SHA256:{DIGEST} ", "SOURCE") == expected


@pytest.mark.parametrize(
    "entry", ["sha256:", "sha256:abc", f"sha256:{'g' * 64}", f"sha256:{chr(0x660) * 64}"]
)
def test_a_malformed_fingerprint_is_refused(entry: str) -> None:
    """A cut fingerprint matches nothing: better to say so than to refuse every key later."""
    assert refusal(shape.fingerprint, entry).reason == "malformed"


def test_a_test_key_in_a_list_is_refused() -> None:
    """An entry that can never be right is a mistake worth hearing about."""
    assert refusal(shape.fingerprint, f"sk_test_{TAIL}").reason == "test_mode"


def test_every_wrong_entry_of_a_list_is_named() -> None:
    """One error for one list, with the position of each fault, counted from 1."""
    listed = [f"sk_live_{TAIL}", f"pk_live_{TAIL}", f"sk_test_{TAIL}"]
    with pytest.raises(KeyConfigurationError) as caught:
        shape.each(shape.fingerprint, listed, "LIST")
    assert [path for path, _ in caught.value.faults] == ["LIST[2]", "LIST[3]"]
    assert TAIL not in str(caught.value)


@pytest.mark.parametrize(
    ("value", "listed"),
    [
        (None, []),
        ("", []),
        (" , ,", []),
        ("a, b,", ["a", " b"]),
        (["a", " ", "b"], ["a", "b"]),
        (("a",), ["a"]),
    ],
)
def test_lists_come_as_text_or_sequences(value: object, listed: list[object]) -> None:
    """Vault fields and YAML hold either."""
    assert shape.entries(value, "LIST") == listed


@pytest.mark.parametrize("value", [{"a": 1}, 5, b"sk_live_x"])
def test_what_is_no_list_is_refused(value: object) -> None:
    """A mapping in a list's place is not quietly taken for its keys."""
    with pytest.raises(KeyConfigurationError, match="is no list") as caught:
        shape.entries(value, "LIST")
    assert caught.value.reason == "malformed"


@pytest.mark.parametrize("secret", ["whsec_abc+/=", " whsec_0123 "])
def test_webhook_secrets_pass_stripped(secret: str) -> None:
    """They have an alphabet of their own."""
    assert shape.webhook_secret(secret, "SOURCE") == secret.strip()


def test_an_api_key_is_no_webhook_secret() -> None:
    """The two are often swapped, and then every signature fails."""
    assert refusal(shape.webhook_secret, f"sk_live_{TAIL}").reason == "secret"


ALPHABET = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"
PREFIXES = ["", "sk_live_", "rk_live_", "pk_live_", "sk_test_", "sk_org_", "whsec_", "sha256:"]


@given(text=st.text() | st.text(ALPHABET), prefix=st.sampled_from(PREFIXES))
@pytest.mark.parametrize("check", [shape.secret_key, shape.public_key, shape.fingerprint])
def test_any_text_passes_whole_or_is_refused_unseen(check: Check, prefix: str, text: str) -> None:
    """Whatever is pasted: either a well-formed key comes out, or an error that hides it."""
    planted = f"{prefix}{text}QQPLANTEDQQ{text}"
    passed, refused = outcome(check, planted)
    if refused is None:
        assert passed in (planted.strip(), key_fingerprint(planted.strip()))
        assert set(planted.strip()) <= set(ALPHABET)
    else:
        shown = "".join(traceback.format_exception(refused)) + repr(vars(refused))
        assert refused.reason
        assert "QQPLANTEDQQ" not in shown


def outcome(check: Check, value: str) -> tuple[str | None, KeyConfigurationError | None]:
    try:
        return check(value, "SOURCE"), None
    except KeyConfigurationError as error:
        return None, error
