"""Delivering alerts through apprise, which is loaded only where there are addresses."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from queue import Queue
from threading import get_ident
from typing import Any

from .alert import Alert
from .urls import scheme

_log = logging.getLogger(__name__)

_TALKATIVE = ("apprise", "urllib3.connectionpool", "urllib3.util.retry")


def services_of(urls: Sequence[str]) -> tuple[Any, ...]:
    """Return what delivers to each address; () without apprise. What is wrong is logged.

    Apprise is loaded here, and not when the first alert comes: that may be the last thing that
    this process does, and then nothing can be loaded any more.
    """
    if not urls:
        return ()
    if find_spec("apprise") is None:
        _log.warning(
            "STRIPE_ALERT_URLS is set, but apprise is not installed, so alerts go to the log "
            "and to alerts.jsonl only. Install stripe-billing-router[alerts]."
        )
        return ()
    with _hushed(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it loads what Python is about to drop
        found = [_service(url) for url in urls]
    for number, (url, service) in enumerate(zip(urls, found, strict=True), 1):
        if service is None:
            _log.error(
                "address %d of STRIPE_ALERT_URLS (%s) is not one that apprise understands; correct "
                "it and start again",
                number,
                scheme(url),
            )
    return tuple(service for service in found if service is not None)


def deliver_all(queue: Queue[Alert | None], services: Sequence[Any]) -> None:
    """Deliver what comes through the queue, until it is None. Runs in a thread of its own."""
    with _hushed():
        while True:
            alert = queue.get()
            try:
                if alert is None:
                    return
                for service in services:
                    _deliver(alert, service)
            finally:
                queue.task_done()


def _service(url: str) -> Any:
    from apprise import Apprise  # noqa: PLC0415 - an extra, and slow to load

    return Apprise.instantiate(url)


def _deliver(alert: Alert, service: Any) -> None:
    title = f"{alert.name} (severity {alert.severity:g})"
    body = "\n".join(f"{name}: {value}" for name, value in alert.to_dict().items())
    why = "refused or out of reach"
    try:
        if service.notify(body=body, title=title, notify_type="failure"):
            return
    except Exception as error:  # noqa: BLE001 - its text and its trace may hold the address
        why = type(error).__name__
    _log.warning("an alert could not be sent with %s: %s", type(service).__name__, why)


@contextmanager
def _hushed() -> Iterator[None]:
    """Keep the libraries quiet in this thread: they log addresses, and those hold tokens."""
    ours = get_ident()

    def elsewhere(record: logging.LogRecord) -> bool:  # noqa: ARG001
        return get_ident() != ours

    loggers = [logging.getLogger(name) for name in _TALKATIVE]
    for logger in loggers:
        logger.addFilter(elsewhere)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeFilter(elsewhere)
