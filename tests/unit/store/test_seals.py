"""Seals: who holds no key cannot make one, and one serves nothing else."""

from __future__ import annotations

import copy
import pickle

import pytest

from stripe_billing_router.hashing import Seals

KEY = "sk_live_sandbox0000000000000000"


def test_a_seal_holds_for_what_it_was_made_of_and_nothing_else() -> None:
    seals = Seals([KEY])
    made = seals.seal("intent", "op_1", 500, None)
    assert seals.holds(made, "intent", "op_1", 500, None)
    for other in (("op_2", 500, None), ("op_1", 501, None), ("op_1", 500, ""), ("op_1", 500)):
        assert not seals.holds(made, "intent", *other)
    assert not seals.holds(made, "outcome", "op_1", 500, None)
    for wrong in (None, "", "0" * 64, made[:-1], made.upper(), "ä" * 64):
        assert not seals.holds(wrong, "intent", "op_1", 500, None)


def test_parts_cannot_be_shifted_into_each_other() -> None:
    seals = Seals([KEY])
    made = seals.seal("intent", "ab", "c")
    for other in (("a", "bc"), ("abc",), ("ab", "c", None), ("ab1:c",)):
        assert not seals.holds(made, "intent", *other)


def test_another_key_makes_other_seals_and_an_older_one_is_accepted() -> None:
    old, new, both = Seals([KEY]), Seals([KEY + "1"]), Seals([KEY + "1", KEY])
    made = old.seal("intent", "op_1")
    assert not new.holds(made, "intent", "op_1")
    assert both.holds(made, "intent", "op_1")
    assert both.seal("intent", "op_1") == new.seal("intent", "op_1")


def test_the_secret_is_derived_as_rfc_5869_says() -> None:
    """So that another program can check what this one has sealed."""
    hkdf = pytest.importorskip("cryptography.hazmat.primitives.kdf.hkdf")
    hashes = pytest.importorskip("cryptography.hazmat.primitives.hashes")
    derived = hkdf.HKDF(
        hashes.SHA256(), 32, b"stripe_billing_router", b"seal of what is stored, version 1"
    ).derive(KEY.encode())
    assert Seals([KEY])._secrets == (derived,)


def test_seals_neither_leave_the_process_nor_show_themselves() -> None:
    seals = Seals([KEY])
    assert repr(seals) == "Seals()"
    for leak in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="credentials"):
            leak(seals)
