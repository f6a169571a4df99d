"""One reading of the secret, from connecting to closing."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any, Final

from ...locks import LATE_IMPORTS
from ...secrecy import Unpicklable
from .answers import Denied
from .kv import KvReader
from .settings import VaultSettings
from .token import Login

CONNECT_TIMEOUT: Final = 3.0
READ_TIMEOUT: Final = 5.0
"""Seconds until an answer is there as a whole."""

LONGEST_READING: Final = 15.0
"""Seconds for all questions together: a login, the mount's version and the secret."""


class VaultSession(Unpicklable):
    """What is kept between readings: the token and the mount's version, but no connection.

    A connection kept for minutes would be shared with forked children and be cut by proxies.
    """

    def __init__(self, settings: VaultSettings, elapsed: Callable[[], float]) -> None:
        self.settings = settings
        self._login = Login(settings, elapsed)
        self._kv = KvReader(settings)

    def read(self) -> Mapping[str, Any] | None:
        """Return the secret's fields, None if Vault says there is none; VaultTrouble."""
        with _client(self.settings) as client:
            self._login.authorise(client)
            try:
                return self._kv.read(client)
            except Denied:
                if not self._login.again(client):
                    raise
            return self._kv.read(client)


@contextmanager
def _client(settings: VaultSettings) -> Iterator[Any]:
    with LATE_IMPORTS:
        import hvac  # type: ignore[import-untyped]  # noqa: PLC0415 - slow to load

        from .bounded import BoundedAdapter  # noqa: PLC0415 - loads requests

    client = hvac.Client(
        url=settings.addr,
        token="",  # None would make hvac look into the home directory
        namespace=settings.namespace,
        timeout=(CONNECT_TIMEOUT, READ_TIMEOUT),
        allow_redirects=False,  # requests would carry the token to wherever it is sent
    )
    bounded = BoundedAdapter(READ_TIMEOUT, time.monotonic() + LONGEST_READING)
    for scheme in ("http://", "https://"):
        client.session.mount(scheme, bounded)
    with closing(client.adapter):
        yield client
