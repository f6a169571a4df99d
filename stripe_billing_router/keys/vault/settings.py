"""How Vault is reached."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import field
from urllib.parse import urlsplit

from ...errors import KeyConfigurationError
from ...frozen import frozen
from ...secrecy import Unpicklable

_HEADER = re.compile(r"[\x21-\x7e]+")


@frozen
class VaultSettings(Unpicklable):
    """Address, credentials and the secret's place; KeyConfigurationError for what cannot work.

    Either `token`, or `role_id` with `secret_id` (AppRole), or all three: then the role is used
    once the token is refused. `mount` and `path` are those of the secret, without `data/`.
    """

    addr: str = field(repr=False)
    token: str | None = field(default=None, repr=False)
    role_id: str | None = field(default=None, repr=False)
    secret_id: str | None = field(default=None, repr=False)
    namespace: str | None = None
    mount: str = "secret"
    path: str = "stripe"

    def __post_init__(self) -> None:
        if faults := tuple(self._faults()):
            message = "; ".join(f"{name} {why}" for name, why in faults)
            raise KeyConfigurationError(message, reason="vault_settings", faults=faults)

    @property
    def place(self) -> str:
        """Where the secret lies, for people: address (without user and password), mount, path."""
        url = urlsplit(self.addr)
        host = url.netloc.rpartition("@")[2]
        return f"{url.scheme}://{host}, {self.mount.strip('/')}/{self.path.strip('/')}"

    @property
    def has_role(self) -> bool:
        """Whether a login with AppRole is possible."""
        return self.role_id is not None and self.secret_id is not None

    def _faults(self) -> Iterator[tuple[str, str]]:
        if not _is_http(self.addr):
            yield "VAULT_ADDR", "is not an http or https address; use https://host:port"
        if (self.role_id is None) != (self.secret_id is None):
            lacking = "VAULT_ROLE_ID" if self.role_id is None else "VAULT_SECRET_ID"
            yield lacking, "is missing; AppRole needs VAULT_ROLE_ID and VAULT_SECRET_ID"
        elif self.token is None and self.role_id is None:
            yield "VAULT_TOKEN", "is missing; set it, or VAULT_ROLE_ID and VAULT_SECRET_ID"
        for name, value in (("VAULT_TOKEN", self.token), ("VAULT_NAMESPACE", self.namespace)):
            if value is not None and not _HEADER.fullmatch(value):
                yield name, "has characters that cannot be sent; copy it again"
        for name, value in (("STRIPE_VAULT_MOUNT", self.mount), ("STRIPE_VAULT_PATH", self.path)):
            if not value.strip("/"):
                yield name, "is empty; name the place of the secret"


def _is_http(addr: str) -> bool:
    try:
        url = urlsplit(addr)
        port_is_a_number = url.port is None or url.port > 0
    except ValueError:
        return False
    return url.scheme in ("http", "https") and bool(url.hostname) and port_is_a_number
