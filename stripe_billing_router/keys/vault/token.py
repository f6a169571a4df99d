"""The token with which Vault is asked: given or from AppRole, renewed before it expires."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ...secrecy import Unpicklable
from .answers import Refused, VaultTrouble, ask, part
from .settings import VaultSettings

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, repr=False)
class Token(Unpicklable):
    """A token; `ttl` in seconds from `obtained`, 0 if it has no end or none is known."""

    value: str
    ttl: float
    renewable: bool
    obtained: float

    def expired(self, now: float) -> bool:
        """Whether Vault has dropped it."""
        return self.ttl > 0 and now >= self.obtained + self.ttl

    def due(self, now: float) -> bool:
        """Whether the last third of its life has begun."""
        return self.ttl > 0 and now >= self.obtained + self.ttl * 2 / 3


class Login(Unpicklable):
    """Keeps a hvac client supplied with a valid token. Not safe under threads by itself."""

    def __init__(self, settings: VaultSettings, elapsed: Callable[[], float]) -> None:
        self._settings = settings
        self._elapsed = elapsed
        self._token: Token | None = None
        self._new_login = False

    def authorise(self, client: Any) -> None:
        """Give the client a token, obtained or renewed if need be."""
        self._new_login = False
        token = self._token or self._first(client)
        if token.expired(self._elapsed()) and self._settings.has_role:
            token = self._logged_in(client)
        elif token.due(self._elapsed()):
            token = self._renewed(client, token)
        self._use(client, token)

    def again(self, client: Any) -> bool:
        """Log in anew after a refusal; False if that is impossible or was just done."""
        if self._new_login or not self._settings.has_role:
            return False
        self._use(client, self._logged_in(client))
        return True

    def _use(self, client: Any, token: Token) -> None:
        self._token = token
        client.token = token.value

    def _first(self, client: Any) -> Token:
        if self._settings.token is None:
            return self._logged_in(client)
        client.token = self._settings.token
        try:
            about = part(ask(client.auth.token.lookup_self), "data")
        except Refused:
            about = {}  # a token that may not look at itself is used as long as it works
        return self._issued(self._settings.token, about.get("ttl"), about.get("renewable"))

    def _logged_in(self, client: Any) -> Token:
        client.token = ""  # a dead token must not go along with the login
        login, role = client.auth.approle.login, self._settings
        answer = ask(lambda: login(role.role_id, role.secret_id, use_token=False))
        token = self._granted(answer)
        self._new_login = True
        return token

    def _renewed(self, client: Any, token: Token) -> Token:
        client.token = token.value
        if token.renewable:
            try:
                return self._granted(ask(client.auth.token.renew_self))
            except Refused:
                _log.warning("Vault refuses to renew the token")
        if self._settings.has_role:
            return self._logged_in(client)
        _log.warning("the Vault token expires soon and cannot be renewed; replace VAULT_TOKEN")
        return token

    def _granted(self, answer: Mapping[str, Any]) -> Token:
        auth = part(answer, "auth")
        value = auth.get("client_token")
        if not isinstance(value, str) or not value:
            raise VaultTrouble("the answer has no token")
        return self._issued(value, auth.get("lease_duration"), auth.get("renewable"))

    def _issued(self, value: str, ttl: object, renewable: object) -> Token:
        seconds = float(ttl) if isinstance(ttl, int | float) else 0.0
        return Token(value, seconds, renewable is True, self._elapsed())
