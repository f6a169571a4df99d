"""The secret's fields, cached, and kept for a while when Vault is away."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final
from weakref import WeakSet

from ...errors import KeyProviderUnavailableError
from ...secrecy import Unpicklable
from .answers import VaultTrouble
from .session import VaultSession
from .settings import VaultSettings

FIELDS: Final = (
    "stripe_secret_key",
    "stripe_public_key",
    "stripe_allowed_secret_keys",
    "stripe_webhook_secret",
    "stripe_seal_key",
)

VALUES_TTL: Final = 300.0
"""Seconds for which what Vault said is used without asking again."""

GRACE: Final = 600.0
"""Seconds after VALUES_TTL for which it is still used while Vault does not answer."""

FAILURE_PAUSE: Final = 10.0
"""Seconds after a failure in which Vault is left alone."""

_NOTHING: Mapping[str, Any] = MappingProxyType({})
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class _Good(Unpicklable):
    fields: Mapping[str, Any]
    read_at: float


@dataclass(frozen=True, slots=True, eq=False)
class _Failure:
    why: str
    at: float


class VaultSource(Unpicklable):
    """Asks Vault at most once at a time, on first need; `settings()` is None when Vault is off."""

    def __init__(
        self, settings: Callable[[], VaultSettings | None], elapsed: Callable[[], float]
    ) -> None:
        self._settings = settings
        self._elapsed = elapsed
        self._session: VaultSession | None = None
        self._good: _Good | None = None
        self._failure: _Failure | None = None
        self._lock = threading.Lock()
        _SOURCES.add(self)

    def fields(self) -> Mapping[str, Any]:
        """Return those of FIELDS that the secret has; {} if Vault is off or has no such secret.

        KeyProviderUnavailableError if Vault does not answer, or refuses us, for longer than GRACE.
        """
        settings = self._settings()
        if settings is None:
            return _NOTHING
        good = self._good
        if good is not None and self._age(good) < VALUES_TTL:
            return good.fields
        return self._after_waiting(settings, good).fields

    def refresh(self) -> None:
        """Ask Vault again now, unless another thread has done so since this call began."""
        settings = self._settings()
        if settings is None:
            return
        seen = self._good, self._failure
        with self._lock:
            if seen == (self._good, self._failure):
                self._asked(settings)

    def renew_lock(self) -> None:
        """Drop a lock that a thread of the parent process may hold for ever."""
        self._lock = threading.Lock()

    def _after_waiting(self, settings: VaultSettings, seen: _Good | None) -> _Good:
        lock = self._lock
        if not lock.acquire(blocking=not self._usable(seen)) and seen is not None:
            return seen  # another thread is asking; meanwhile the old values do
        try:
            if self._good is not seen and self._good is not None:
                return self._good
            if self._failure is not None and self._in_pause(self._failure):
                return self._kept(settings, self._failure)
            return self._asked(settings)
        finally:
            lock.release()

    def _asked(self, settings: VaultSettings) -> _Good:
        began = self._elapsed()
        try:
            found = self._session_for(settings).read()
        except VaultTrouble as trouble:
            failure = _Failure(str(trouble), self._elapsed())
        else:
            return self._remembered(found, began, settings)
        self._failure = failure
        kept = self._kept(settings, failure)
        _log.warning(
            "Vault (%s) gives no keys: %s; those read %.0f s ago stay in use",
            settings.place,
            failure.why,
            self._age(kept),
        )
        return kept

    def _session_for(self, settings: VaultSettings) -> VaultSession:
        if self._session is None or self._session.settings != settings:
            self._session = VaultSession(settings, self._elapsed)
        return self._session

    def _remembered(
        self, found: Mapping[str, Any] | None, began: float, settings: VaultSettings
    ) -> _Good:
        fields = {name: found[name] for name in FIELDS if name in found} if found else {}
        before, self._good, self._failure = self._good, _Good(fields, began), None
        if _lacks_key(self._good) and not _lacks_key(before):
            _log.warning("Vault (%s) has no secret key; other sources apply", settings.place)
        return self._good

    def _kept(self, settings: VaultSettings, failure: _Failure) -> _Good:
        if self._good is not None and self._usable(self._good):
            return self._good
        raise KeyProviderUnavailableError(
            f"Vault ({settings.place}) gives no keys: {failure.why}; "
            "no other source of keys is tried: check Vault, its token and its policy"
        )

    def _usable(self, good: _Good | None) -> bool:
        return good is not None and self._age(good) < VALUES_TTL + GRACE

    def _in_pause(self, failure: _Failure) -> bool:
        return self._elapsed() - failure.at < FAILURE_PAUSE

    def _age(self, good: _Good) -> float:
        return self._elapsed() - good.read_at


def _lacks_key(good: _Good | None) -> bool:
    return good is not None and good.fields.get("stripe_secret_key") is None


_SOURCES: WeakSet[VaultSource] = WeakSet()


def _renew_locks() -> None:
    for source in _SOURCES:
        source.renew_lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_locks)
