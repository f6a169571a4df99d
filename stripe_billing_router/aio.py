"""The verbs for asyncio: each runs the function of the same name in a worker thread.

::

    from stripe_billing_router import aio

    paid = await aio.charge("finance:finance_router_bot", "19.99")

    async for event in aio.iter_master_events(): ...

    acme = aio.AsyncBillingRouter(BillingRouter("acme.yaml"))      # a router of one's own
    await acme.charge("finance:finance_router_bot", "19.99")

Arguments, results and errors are those of the function. An await that is cancelled ends at once:
a call that has not begun is never made, and one that has begun goes on in its thread to its end,
and is recorded. What it raises then is logged. Without a key, whoever asks for the same again gets
`OutcomeUnknownError` while it runs, and for a day if it has paid; a call that has not sent anything
yet when nobody waits for it any more sends nothing.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import os
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeVar, cast

from . import api
from .errors import ConfigurationError
from .locks import CALLER, Caller, ForkSafeLock
from .redaction import shown
from .secrecy import forget, hidden

if TYPE_CHECKING:
    from .client import BillingRouter

__all__ = [
    "AsyncBillingRouter",
    "cancel",
    "charge",
    "create_checkout_session",
    "create_customer",
    "create_subscription",
    "explain",
    "get_balance",
    "iter_master_events",
    "join",
    "refund",
    "register_override",
    "register_route",
    "register_strategy",
    "validate_webhook_account",
    "verify_router",
]

WORKERS: Final = 32
"""Calls of a process that run at once, unless STRIPE_ASYNC_WORKERS says another number; more than
that wait their turn."""

_MOST_WORKERS: Final = 1000

P = ParamSpec("P")
T = TypeVar("T")

_log = logging.getLogger(__name__)
_KEPT = ("__name__", "__qualname__", "__doc__", "__annotations__")
_END: Final = object()


class _Workers:
    """Threads of our own, so that neither we nor the host's other work starves. They are made at
    first use, and anew in a forked child, where the parent's do not exist. The interpreter waits
    for them before it exits."""

    def __init__(self) -> None:
        self._lock = ForkSafeLock()
        self._pool: ThreadPoolExecutor | None = None
        self._open: set[Future[Any]] = set()

    def submit(self, call: Callable[[], T]) -> Future[T]:
        with self._lock:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(_workers_wanted(), "stripe-billing-router")
            future = self._pool.submit(copy_context().run, call)
        self._open.add(future)
        future.add_done_callback(self._open.discard)
        return future

    def join(self, seconds: float | None = None) -> None:
        """Wait until no call is under way, or so long."""
        wait(self._open.copy(), seconds)

    def forget(self) -> None:
        self._pool = None
        self._open = set()


def _workers_wanted() -> int:
    text = os.environ.get("STRIPE_ASYNC_WORKERS", "").strip() or str(WORKERS)
    if not (text.isascii() and text.isdecimal() and 0 < int(text) <= _MOST_WORKERS):
        raise ConfigurationError(
            f"STRIPE_ASYNC_WORKERS is {shown(text)}; set it to a number from 1 to {_MOST_WORKERS}.",
            faults=(("STRIPE_ASYNC_WORKERS", f"is no number from 1 to {_MOST_WORKERS}"),),
        )
    return int(text)


workers = _Workers()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=workers.forget)


async def _run(name: str, call: Callable[[], T]) -> T:
    caller = Caller()
    future = workers.submit(functools.partial(_begun, asyncio.get_running_loop(), caller, call))
    try:
        result, error = await asyncio.wrap_future(future)
    except (asyncio.CancelledError, GeneratorExit):
        if not future.cancel():
            caller.leaves()
            future.add_done_callback(functools.partial(_tell, name))
        raise
    if error is not None:
        raise error
    return cast("T", result)


def _begun(
    loop: asyncio.AbstractEventLoop, caller: Caller, call: Callable[[], T]
) -> tuple[T | None, BaseException | None]:
    """Return the result or the error, which does not go through the frames of the pool.

    A loop that was closed over a waiting call did not cancel it, but nobody waits any more.
    """
    if loop.is_closed():
        return None, asyncio.CancelledError()
    CALLER.set(caller)  # in the context of this call alone
    try:
        return call(), None
    except BaseException as error:  # noqa: BLE001 - raised again where it is awaited
        return None, error


def _tell(name: str, future: Future[Any]) -> None:
    """Nobody waits for this call any more: what it raised must not go unheard."""
    _, error = future.result()
    if error is not None and not isinstance(error, asyncio.CancelledError):
        _log.error("%s() failed after its await was cancelled: %s", name, error, exc_info=error)


def _verb(sync: Callable[P, T]) -> Callable[P, Coroutine[Any, Any, T]]:
    called, name = hidden(sync), sync.__name__

    @functools.wraps(sync, assigned=_KEPT)
    async def verb(*args: P.args, **kwargs: P.kwargs) -> T:
        before = sys.exception()
        try:
            return await _run(name, functools.partial(called(), *args, **kwargs))
        except BaseException as error:
            forget(error, before)
            del args, kwargs, before
            raise

    return verb


def _listing(sync: Callable[P, Iterator[T]]) -> Callable[P, AsyncIterator[T]]:
    called, name = hidden(sync), sync.__name__

    @functools.wraps(sync, assigned=_KEPT)
    async def listing(*args: P.args, **kwargs: P.kwargs) -> AsyncIterator[T]:
        before, found = sys.exception(), None
        try:
            found = await _run(name, functools.partial(called(), *args, **kwargs))
            while (item := await _run(name, functools.partial(next, found, _END))) is not _END:
                yield item
        except BaseException as error:
            forget(error, before)
            del args, kwargs, before, found
            raise

    return listing


cancel = _verb(api.cancel)
charge = _verb(api.charge)
create_checkout_session = _verb(api.create_checkout_session)
create_customer = _verb(api.create_customer)
create_subscription = _verb(api.create_subscription)
explain = _verb(api.explain)
get_balance = _verb(api.get_balance)
iter_master_events = _listing(api.iter_master_events)
refund = _verb(api.refund)
register_override = _verb(api.register_override)
register_route = _verb(api.register_route)
register_strategy = _verb(api.register_strategy)
validate_webhook_account = _verb(api.validate_webhook_account)
verify_router = _verb(api.verify_router)


async def join() -> None:
    """Wait until every call made so far has ended, those whose await was cancelled as well.

    For the end of a server, before its routers are closed, and for tests.
    """
    await asyncio.to_thread(workers.join)


class AsyncBillingRouter:
    """The methods of a given router as coroutines; the router itself is `router`.

    Closing the router stays its owner's: `await close()`, or close the router itself.
    """

    def __init__(self, router: BillingRouter) -> None:
        self.router = router
        self.cancel = _verb(router.cancel)
        self.charge = _verb(router.charge)
        self.close = _verb(router.close)
        self.create_checkout_session = _verb(router.create_checkout_session)
        self.create_customer = _verb(router.create_customer)
        self.create_subscription = _verb(router.create_subscription)
        self.explain = _verb(router.explain)
        self.get_balance = _verb(router.get_balance)
        self.history = _verb(router.history)
        self.iter_master_events = _listing(router.iter_master_events)
        self.recover_operations = _verb(router.recover_operations)
        self.refund = _verb(router.refund)
        self.register_override = _verb(router.register_override)
        self.register_route = _verb(router.register_route)
        self.register_strategy = _verb(router.register_strategy)
        self.validate_webhook_account = _verb(router.validate_webhook_account)
        self.verify_router = _verb(router.verify_router)

    def __repr__(self) -> str:
        return f"AsyncBillingRouter({self.router!r})"
