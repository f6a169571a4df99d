"""Errors: their tree, their attributes, and that they survive the way to another process."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Iterator
from typing import Any

import pytest

from stripe_billing_router import errors
from stripe_billing_router.errors import BillingError

VALUES: dict[str, Any] = {
    "faults": (("a.b", "is empty"),),
    "next_action": {"type": "use_stripe_sdk"},
    "sequence": 7,
    "http_status": 402,
    "retry_after": 1.5,
    "limit": 100,
    "remaining": 0,
}


def all_errors(top: type[BillingError] = BillingError) -> Iterator[type[BillingError]]:
    yield top
    for below in top.__subclasses__():
        if below.__module__ == errors.__name__:
            yield from all_errors(below)


ERRORS = list(dict.fromkeys(all_errors()))


def context_of(cls: type[BillingError]) -> dict[str, Any]:
    """Every attribute that the class and its bases declare, each with a value."""
    names = [name for base in cls.__mro__ for name in getattr(base, "__annotations__", {})]
    return {
        name: VALUES.get(name, f"the {name}")
        for name in names
        if name not in ("operation_id", "money") and hasattr(cls, name)
    }


@pytest.mark.parametrize("cls", ERRORS, ids=lambda cls: cls.__name__)
def test_an_error_survives_pickling_with_every_attribute(cls: type[BillingError]) -> None:
    context = context_of(cls)
    error = cls("What happened. What to do.", operation_id="op_1", money="unknown", **context)
    error.add_note("seen on Tuesday")
    for found in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):  # noqa: S301
        assert type(found) is cls
        assert str(found) == "What happened. What to do."
        assert (found.operation_id, found.money) == ("op_1", "unknown")
        assert found.__notes__ == ["seen on Tuesday"]
        assert {name: getattr(found, name) for name in context} == context


@pytest.mark.parametrize("cls", ERRORS, ids=lambda cls: cls.__name__)
def test_what_is_not_told_is_none_and_nothing_else(cls: type[BillingError]) -> None:
    error = cls("What happened. What to do.")
    assert isinstance(error, RuntimeError)
    assert (error.operation_id, error.money) == (None, "not_moved")
    for name in context_of(cls):
        assert getattr(error, name) in (None, ())
    with pytest.raises(TypeError):
        cls("What happened.", unheard_of=1)


@pytest.mark.parametrize("cls", ERRORS, ids=lambda cls: cls.__name__)
def test_no_message_holds_a_secret(cls: type[BillingError]) -> None:
    error = cls("The key sk_live_abcdefghijklmn and pi_1_secret_abcdef are here.")
    told = f"{error} {error!r} {error.args} {pickle.dumps(error)!r}"
    assert "abcdef" not in told


def test_what_a_bot_may_catch_as_a_value_error() -> None:
    names = {cls.__name__ for cls in ERRORS if issubclass(cls, ValueError)}
    assert names == {
        "RouteConfigurationError",
        "InvalidAmountError",
        "InvalidRequestError",
        "WebhookError",
    }


def test_the_tree_in_the_documentation_is_the_tree() -> None:
    drawn = errors.__doc__ or ""
    for cls in ERRORS:
        assert f" {cls.__name__}" in drawn


def test_one_error_s_attributes_are_not_another_s() -> None:
    first = errors.PaymentDeclinedError("a", code="card_declined")
    second = errors.PaymentDeclinedError("b")
    assert (first.code, second.code) == ("card_declined", None)
