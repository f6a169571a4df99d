"""Kept heads show what a chain alone cannot: a cut tail, and a stream that is gone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import text

from stripe_billing_router.engine.clock import SystemClock
from stripe_billing_router.errors import ConfigurationError, LedgerTamperedError
from stripe_billing_router.models import AppendEntry, EntryDraft
from stripe_billing_router.store import LedgerHeads, SqlStore
from stripe_billing_router.store.database import Database


def draft(bot_id: str | None) -> EntryDraft:
    return EntryDraft(
        "pi_1", "charge", 500, "usd", 1, None, bot_id, "acct_1", {}, False, "op_1", "succeeded"
    )


@pytest.fixture
def store(sqlite_url: str) -> Iterator[SqlStore]:
    made = SqlStore(sqlite_url, SystemClock(), account_id="acct_1", api_base="http://127.0.0.1")
    made.commit(*(AppendEntry(draft(bot)) for bot in ("a:a", "b:b", "a:a", None)))
    yield made
    made.close()


def tamper(url: str, *statements: str) -> None:
    database = Database(url, SystemClock())
    with database.engine.connect() as connection:
        connection.begin()
        for name in ("no_update", "no_delete"):
            connection.execute(text(f"DROP TRIGGER stripe_ledger_{name}"))
        for statement in statements:
            connection.execute(text(statement))
        connection.commit()
    database.close()


def pair() -> tuple[bytes, bytes]:
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return private, public


def test_a_ledger_that_has_grown_verifies_against_its_old_heads(store: SqlStore) -> None:
    kept = store.ledger.heads()
    assert {name: place for name, (place, _) in kept.streams.items()} == {
        "a:a": 2,
        "b:b": 1,
        "_system": 1,
    }
    store.commit(AppendEntry(draft("a:a")))
    assert store.ledger.verify(LedgerHeads.from_json(kept.to_json())).ok


def test_a_cut_tail_is_found_with_kept_heads_only(store: SqlStore, sqlite_url: str) -> None:
    kept = store.ledger.heads()
    (first,) = (e for e in store.ledger.entries(bot_id="a:a") if e.stream_sequence == 1)
    tamper(
        sqlite_url,
        "UPDATE stripe_ledger_heads SET stream_sequence = 1, sequence = 1, "
        f"entry_hash = '{first.entry_hash}' WHERE stream = 'a:a'",
        "DELETE FROM stripe_ledger WHERE stream = 'a:a' AND stream_sequence = 2",
    )
    assert store.ledger.verify().ok
    found = store.ledger.verify(kept)
    assert [(b.stream, b.stream_sequence) for b in found.broken] == [("a:a", 2)]


def test_a_vanished_stream_is_found_with_kept_heads_only(store: SqlStore, sqlite_url: str) -> None:
    kept = store.ledger.heads()
    tamper(
        sqlite_url,
        "DELETE FROM stripe_ledger_heads WHERE stream = 'b:b'",
        "DELETE FROM stripe_ledger WHERE stream = 'b:b'",
    )
    assert store.ledger.verify().ok
    with pytest.raises(LedgerTamperedError, match="stream b:b, entry 1"):
        store.ledger.verify(kept).raise_if_broken()


def test_a_signature_shows_that_heads_were_changed(store: SqlStore) -> None:
    private, public = pair()
    kept = LedgerHeads.from_json(store.ledger.heads().signed(private).to_json())
    kept.check_signature(public)
    forged = replace(kept, streams={**kept.streams, "b:b": (1, "0" * 64)})
    for wrong in (forged, replace(kept, signature=None), replace(kept, signature="no base64")):
        with pytest.raises(LedgerTamperedError, match="not signed by this key"):
            wrong.check_signature(public)
    with pytest.raises(LedgerTamperedError):
        kept.check_signature(pair()[1])


def test_another_ledgers_heads_are_refused(store: SqlStore) -> None:
    with pytest.raises(ConfigurationError, match="acct_2"):
        store.ledger.verify(replace(store.ledger.heads(), account_id="acct_2"))


@pytest.mark.parametrize(
    "text",
    ["", "{}", "[]", "null", '{"format":"x"}', '{"format":"stripe_ledger_heads/1"}', "[" * 9999],
)
def test_what_is_no_heads_file_is_refused_clearly(text: str) -> None:
    with pytest.raises(ConfigurationError, match="ledger heads"):
        LedgerHeads.from_json(text)


def test_a_key_of_another_kind_is_refused_clearly(store: SqlStore) -> None:
    heads = store.ledger.heads()
    for pem in (b"", b"no key", pair()[1]):
        with pytest.raises(ConfigurationError, match="openssl genpkey"):
            heads.signed(pem)
