"""The signal of the readers: this text cannot be taken in at all."""

from __future__ import annotations

from ..models import Fault


class Unreadable(Exception):
    """Carries the one fault that ends the reading."""

    def __init__(self, message: str, path: str = "") -> None:
        super().__init__(message)
        self.fault = Fault(path, message)
