"""Telling observers. They can fail; they cannot break."""

from __future__ import annotations

import logging
from collections.abc import Sequence

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
                _log.exception("an observer failed: %s", type(observer).__name__)
