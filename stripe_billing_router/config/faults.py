"""The faults of a file, as one error."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ..errors import ConfigurationError
from ..models import Fault
from ..redaction import redact, shown

_MOST_SHOWN: Final = 20


def plain_path(path: object) -> str:
    """Return a file's path for a message, quoted and redacted where it is not plain text."""
    text = str(path)
    return redact(text) if text.isprintable() else shown(text)


def faulty(what: str, faults: Sequence[Fault], then: str) -> ConfigurationError:
    """Return one error for all faults of `what`; the message shows the first twenty of them.

    `then` is what to do next. Keys are redacted, in the message and in `faults`.
    """
    safe = tuple(Fault(redact(path), redact(message)) for path, message in faults)
    lines = [f"  {fault}" for fault in safe[:_MOST_SHOWN]]
    if len(safe) > _MOST_SHOWN:
        lines.append(f"  and {len(safe) - _MOST_SHOWN} more")
    count = "One fault" if len(safe) == 1 else f"{len(safe)} faults"
    return ConfigurationError("\n".join([f"{count} in {what}:", *lines, then]), faults=safe)


class Unreadable(Exception):
    """Carries the one fault that ends the reading."""

    def __init__(self, message: str, path: str = "") -> None:
        super().__init__(message)
        self.fault = Fault(path, message)
