"""Telling observers. They can fail; they cannot break."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import suppress

from ..ports import Event, Observer

_log = logging.getLogger(__name__)


class Observers:
    """Every registered observer, told in turn."""

    def __init__(self, observers: Sequence[Observer]) -> None:
        self._observers = tuple(observers)

    def tell(self, event: Event) -> None:
        for observer in self._observers:
            try:
                observer.notify(event)
            except Exception:  # noqa: BLE001 - the payment is already what it is
                _log_if_possible("an observer failed: %s", type(observer).__name__)


def _log_if_possible(message: str, *arguments: object) -> None:
    with suppress(Exception):  # a log that cannot be written must not break a payment either
        _log.exception(message, *arguments)
