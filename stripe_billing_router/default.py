"""The process's default router: made at first use, replaceable at start-up."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

from .errors import ConfigurationError
from .locks import LATE_IMPORTS, ForkSafeLock
from .models import Route, RouteKey
from .secrecy import discreet

if TYPE_CHECKING:
    from .client import BillingRouter

_lock = ForkSafeLock()
_router: BillingRouter | None = None
_used: list[BillingRouter] = []
_elsewhere: list[BillingRouter] = []


class _Here:
    """A context's own router, until that is over: a task may outlive what it began in."""

    __slots__ = ("router",)

    def __init__(self, router: BillingRouter) -> None:
        self.router: BillingRouter | None = router

    def get(self) -> BillingRouter:
        router = self.router
        if router is None:
            raise ConfigurationError(
                "The sandbox of this thread, or task, is over: whatever it paid only seemed to be "
                "paid. End what begins in a sandbox before the sandbox ends, and leave it in the "
                "thread, or task, that entered it."
            )
        return router


_here: ContextVar[_Here | None] = ContextVar("stripe_billing_router_here", default=None)


@discreet
def get_router() -> BillingRouter:
    """Return the current default router, making it from the environment at first use."""
    here = _here.get()
    if here is not None:
        return here.get()
    current = _used[-1] if _used else _router
    return current if current is not None else _make()


def set_router(router: BillingRouter | None) -> None:
    """Make `router` the default (at start-up); None has the next use make one again.

    ConfigurationError for the router of a sandbox that is one thread's, or task's, alone.
    """
    global _router
    with _lock:
        if router in _elsewhere:
            raise ConfigurationError(
                "The sandbox of this router is for one thread, or task, alone, and others may "
                "charge for real. Pass the router as an object to what needs it."
            )
        _router = router


@contextmanager
def use_router(router: BillingRouter) -> Iterator[BillingRouter]:
    """Make `router` the default of the whole process while the context lasts.

    Contexts nest; leaving one out of order raises ConfigurationError. In a sandbox that is one
    thread's, or task's, alone, and for its router, so is this.
    """
    if _here.get() is not None or router in _elsewhere:
        with use_router_here(router):
            yield router
        return
    with _lock:
        _used.append(router)
    try:
        yield router
    finally:
        with _lock:
            _leave(router)


@contextmanager
def use_router_here(router: BillingRouter) -> Iterator[BillingRouter]:
    """Make `router` the default of this thread or task alone, and of the tasks that it begins.

    Other threads keep the router that they have; one that has none is given none meanwhile: it may
    belong here or not, and a live router must not be made by accident.
    """
    before, here = _here.get(), _Here(router)
    with _lock:
        _elsewhere.append(router)
    _here.set(here)
    try:
        yield router
    finally:
        here.router = None
        if _here.get() is here:
            _here.set(before)
        with _lock:
            _elsewhere.remove(router)


def _leave(router: BillingRouter) -> None:
    in_order = _used[-1] is router
    place = next(i for i in reversed(range(len(_used))) if _used[i] is router)
    del _used[place]
    if not in_order:
        raise ConfigurationError(
            "use_router() contexts were left out of order. They are process-wide: nest them, and "
            "give each thread its router as an object instead."
        )


def _make() -> BillingRouter:
    global _router
    with LATE_IMPORTS:
        from .client import BillingRouter  # noqa: PLC0415 - importing the package must stay light

    with _lock:
        if _elsewhere:
            raise ConfigurationError(
                "A sandbox is the router of another thread, and this thread has none. Give a "
                "thread of a test the sandbox's `router` as an object; a process that charges "
                "calls set_router() before its threads begin."
            )
        if _router is None:
            _router = BillingRouter()
        return _router


class _RoutingTable(Mapping[RouteKey, Route]):
    """The default router's routes; loaded at first use, read-only, the same object for ever."""

    def __getitem__(self, key: RouteKey) -> Route:
        return get_router().routes[key]

    def __iter__(self) -> Iterator[RouteKey]:
        return iter(get_router().routes)

    def __len__(self) -> int:
        return len(get_router().routes)

    def __repr__(self) -> str:
        return "ROUTING_TABLE"


ROUTING_TABLE: Mapping[RouteKey, Route] = _RoutingTable()
"""`(domain, region, business_category, bot_name)` to Route."""
