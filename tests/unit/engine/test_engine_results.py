"""What a verb returns: typed, frozen, and readable like the JSON it came from."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Mapping
from dataclasses import FrozenInstanceError
from decimal import Decimal
from typing import Any

import pytest

from stripe_billing_router.models import Charge, major

RAW = {
    "id": "pi_1",
    "object": "payment_intent",
    "amount": 1999,
    "currency": "usd",
    "metadata": {"order": "7"},
    "payment_method_types": ["card"],
    "items": "not a method",
}


def charge(**changes: Any) -> Charge:
    fields: dict[str, Any] = {
        "id": "pi_1",
        "status": "succeeded",
        "state": "succeeded",
        "paid": True,
        "amount": Decimal("19.99"),
        "amount_minor": 1999,
        "currency": "usd",
        "operation_id": "op_1",
        "idempotency_key": "k",
        "raw": copy.deepcopy(RAW),
        **changes,
    }
    return Charge(**fields)


def test_a_result_reads_like_a_dictionary() -> None:
    done = charge()
    assert isinstance(done, Mapping)
    assert done["id"] == "pi_1"
    assert done.get("currency") == "usd"
    assert done.get("nothing") is None
    assert done.get("nothing", 5) == 5
    assert "metadata" in done
    assert "nothing" not in done
    assert list(done) == list(done.keys()) == list(RAW)
    assert dict(done.items()) == RAW
    assert len(done) == len(RAW)
    assert {**done} == RAW
    assert json.loads(json.dumps(done.to_dict())) == RAW
    with pytest.raises(KeyError):
        done["nothing"]


def test_a_result_has_a_short_repr() -> None:
    assert repr(charge()) == "Charge(19.99 usd, succeeded, pi_1)"
    assert "order" not in repr(charge())
    assert repr(charge(sandbox=True)) == "Charge(19.99 usd, succeeded, pi_1, sandbox)"


def test_a_result_cannot_be_changed() -> None:
    done: Any = charge()
    for name in ("id", "paid", "amount", "raw", "state"):
        with pytest.raises(FrozenInstanceError):
            setattr(done, name, None)
        with pytest.raises(FrozenInstanceError):
            delattr(done, name)
    with pytest.raises(TypeError):
        done["id"] = "pi_2"
    with pytest.raises(TypeError):
        del done["id"]


def test_what_to_dict_returns_is_the_caller_s_own() -> None:
    done = charge()
    own = done.to_dict()
    own["id"] = "pi_2"
    own["metadata"]["order"] = "8"
    own["payment_method_types"].append("sepa_debit")
    assert done.to_dict() == RAW


def test_a_result_survives_pickling_and_copying() -> None:
    done = charge()
    for found in (pickle.loads(pickle.dumps(done)), copy.copy(done), copy.deepcopy(done)):  # noqa: S301
        assert type(found) is Charge
        assert found.to_dict() == RAW
        assert (found.amount, found.operation_id) == (Decimal("19.99"), "op_1")


@pytest.mark.parametrize(
    ("minor", "currency", "expected"),
    [
        (1999, "usd", "19.99"),
        (1, "usd", "0.01"),
        (0, "usd", "0.00"),
        (1000, "jpy", "1000"),
        (1230, "kwd", "1.230"),
        (500, "isk", "5.00"),
        (99999999999, "idr", "999999999.99"),
        (-5, "usd", "-0.05"),
    ],
)
def test_amounts_are_exact_in_every_currency(minor: int, currency: str, expected: str) -> None:
    assert str(major(minor, currency)) == expected


@pytest.mark.parametrize(("minor", "currency"), [(None, "usd"), (5, None), (None, None)])
def test_an_amount_without_its_currency_is_none(minor: int | None, currency: str | None) -> None:
    assert major(minor, currency) is None
