"""Keeps client secrets out of the SDK's own log lines."""

from __future__ import annotations

import logging

from ..redaction import redact


class _Redacting(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        record.msg = redact(record.getMessage())
        record.args = None
        return True


_FILTER = _Redacting()


def keep_secrets_out() -> None:
    """Redact what the loggers of SDK and HTTP library say; at DEBUG they print bodies."""
    for name in ("stripe", "urllib3.connectionpool"):
        logging.getLogger(name).addFilter(_FILTER)
