"""The verbs as functions: each is the default router's method of the same name."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar, cast

from .default import get_router
from .door import Door
from .secrecy import discreet

P = ParamSpec("P")
T = TypeVar("T")


def _function(method: Callable[P, T]) -> Callable[P, T]:
    """Return a method as a function that calls the default router's of that name."""
    name = method.__name__

    @wraps(method)
    def function(*args: P.args, **kwargs: P.kwargs) -> T:
        return cast("T", getattr(get_router(), name)(*args, **kwargs))

    function.__module__, function.__qualname__ = __name__, name
    return discreet(function)


_door = Door()
"""No router's: its methods have the signatures, less `self`, and the words."""

cancel = _function(_door.cancel)
charge = _function(_door.charge)
create_checkout_session = _function(_door.create_checkout_session)
create_customer = _function(_door.create_customer)
create_subscription = _function(_door.create_subscription)
explain = _function(_door.explain)
get_balance = _function(_door.get_balance)
iter_master_events = _function(_door.iter_master_events)
refund = _function(_door.refund)
register_override = _function(_door.register_override)
register_route = _function(_door.register_route)
register_strategy = _function(_door.register_strategy)
validate_webhook_account = _function(_door.validate_webhook_account)
verify_router = _function(_door.verify_router)
