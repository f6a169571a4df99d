"""The one place that says which keys are in force."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from ..errors import KeyConfigurationError
from ..hashing import Seals
from ..ports import Keys
from ..secrecy import Unpicklable
from . import baked, shape
from .vault import VaultSettings, VaultSource

SECRET_KEY: Final = "STRIPE_SECRET_KEY"  # noqa: S105 - the name of a variable
PUBLIC_KEY: Final = "STRIPE_PUBLIC_KEY"
ALLOWED_SECRET_KEYS: Final = "STRIPE_ALLOWED_SECRET_KEYS"  # noqa: S105 - the name of a variable
WEBHOOK_SECRET: Final = "STRIPE_WEBHOOK_SECRET"  # noqa: S105 - the name of a variable
SEAL_KEY: Final = "STRIPE_ROUTER_SEAL_KEY"
VAULT_ADDR: Final = "VAULT_ADDR"


def variable(environ: Mapping[str, str], name: str) -> str | None:
    """Return a variable stripped of white space, or None if it is unset or blank."""
    return environ.get(name, "").strip() or None


def vault_settings(environ: Mapping[str, str]) -> VaultSettings | None:
    """Return how Vault is reached, or None without VAULT_ADDR; KeyConfigurationError if wrong."""
    addr = variable(environ, VAULT_ADDR)
    if addr is None:
        return None
    return VaultSettings(
        addr=addr,
        token=variable(environ, "VAULT_TOKEN"),
        role_id=variable(environ, "VAULT_ROLE_ID"),
        secret_id=variable(environ, "VAULT_SECRET_ID"),
        namespace=variable(environ, "VAULT_NAMESPACE"),
        mount=variable(environ, "STRIPE_VAULT_MOUNT") or "secret",
        path=variable(environ, "STRIPE_VAULT_PATH") or "stripe",
    )


_NONE: Mapping[str, Any] = MappingProxyType({})
_VARIABLES = (SECRET_KEY, PUBLIC_KEY, ALLOWED_SECRET_KEYS)

_MOST_SECRETS = 8
"""Secret keys of which the seals are accepted after they were replaced."""


class _Candidate(NamedTuple):
    source: str
    origin: str
    value: object


class KeyRing(Unpicklable):
    """Keys from code, else from Vault, the environment and the baked-in values, in that order.

    A secret key given in code stands alone: then neither Vault nor any other source is asked for
    keys, and only the environment's, the file's and the baked lists of allowed keys apply.
    `Keys.source` is `"code"`, `"vault"`, `"environment"` or `"baked"`. Whether the key is among
    the allowed ones is for the caller to judge.

    `file_allowed` and `file_accounts` come from the routing file; their keys may be live keys or
    `sha256:` fingerprints. `elapsed` counts seconds. Making a ring reads nothing; every method
    may raise KeyConfigurationError or KeyProviderUnavailableError. Safe under threads and fork.
    """

    def __init__(
        self,
        *,
        environ: Mapping[str, str],
        given_secret: str | None = None,
        given_public: str | None = None,
        file_allowed: Sequence[str] = (),
        file_accounts: Mapping[str, str] = _NONE,
        elapsed: Callable[[], float] = time.monotonic,
    ) -> None:
        self._environ = environ
        self._given_secret = given_secret
        self._given_public = given_public
        self._file_allowed = file_allowed
        self._file_accounts = file_accounts
        self._vault = VaultSource(lambda: vault_settings(environ), elapsed)
        self._judged: tuple[object, Keys] | None = None
        self._sealing: tuple[tuple[str, ...], Keys | None, Seals] | None = None
        self._secrets: tuple[str, ...] = ()

    def keys(self) -> Keys:
        """Return the keys in force now."""
        vault = self._vault_fields()
        found = vault, [variable(self._environ, name) for name in _VARIABLES], _baked()
        judged = self._judged
        if judged is None or judged[0] != found:
            self._judged = judged = found, self._keys(vault)
        return judged[1]

    def _keys(self, vault: Mapping[str, Any]) -> Keys:
        secret, source = self._secret_key(vault)
        return Keys(
            secret_key=secret,
            public_key=self._public_key(vault),
            allowed=self._allowed(vault, secret),
            source=source,
            accounts=self._accounts(),
        )

    def webhook_secrets(self) -> tuple[str, ...]:
        """Return the webhook signing secrets, newest first as configured; () if there are none."""
        name = WEBHOOK_SECRET
        if listed := shape.entries(variable(self._environ, name), name):
            return shape.each(shape.webhook_secret, listed, name)
        origin = "stripe_webhook_secret in Vault"
        if listed := shape.entries(self._vault.fields().get("stripe_webhook_secret"), origin):
            return shape.each(shape.webhook_secret, listed, origin)
        return shape.each(shape.webhook_secret, baked.WEBHOOK_SECRETS, "baked WEBHOOK_SECRETS")

    def seals(self) -> Seals:
        """Return what seals stored operations: seal keys of their own, else the secret key.

        Accepted are also the seals of the secret key, of the keys that the list of allowed ones in
        force holds in full, and of those that this process has known, unless there is a list that
        does not name them: they may have leaked. KeyConfigurationError if there is neither a seal
        key nor a secret key.
        """
        own = self._seal_keys()
        try:
            keys = self.keys()
        except KeyConfigurationError:
            if not own:
                raise
            keys = None
        made = self._sealing
        if made is None or made[0] != own or made[1] is not keys:
            self._sealing = made = own, keys, self._seals(own, keys)
        return made[2]

    def _seals(self, own: tuple[str, ...], keys: Keys | None) -> Seals:
        if keys is not None and keys.secret_key not in self._secrets:
            self._secrets = (keys.secret_key, *self._secrets)[:_MOST_SECRETS]
        known = (key for key in self._secrets if self._is_in_force(key, keys))
        return Seals(dict.fromkeys((*own, *known, *self._allowed_in_full())))

    def _is_in_force(self, secret: str, keys: Keys | None) -> bool:
        if keys is None or secret == keys.secret_key:
            return keys is not None
        if not self._list_in_force(self._vault_fields())[1]:
            return True  # or what was asked for under the key before could not be asked for again
        return shape.fingerprint(secret, "a key before it") in keys.allowed

    def _seal_keys(self) -> tuple[str, ...]:
        name = SEAL_KEY
        if listed := shape.entries(variable(self._environ, name), name):
            return shape.each(shape.seal_key, listed, name)
        origin = "stripe_seal_key in Vault"
        listed = shape.entries(self._vault_fields().get("stripe_seal_key"), origin)
        return shape.each(shape.seal_key, listed, origin)

    def _allowed_in_full(self) -> Iterator[str]:
        """Yield the allowed keys of which not only the fingerprint is known."""
        _, listed = self._list_in_force(self._vault_fields())
        for entry in listed:
            if not str(entry).strip().lower().startswith("sha256:"):
                yield str(entry).strip()

    def _vault_fields(self) -> Mapping[str, Any]:
        return _NONE if self._given_secret is not None else self._vault.fields()

    def refresh(self) -> None:
        """Ask Vault again, whatever is cached: for when Stripe refuses a key after a rotation."""
        if self._given_secret is None:
            self._vault.refresh()

    def _secret_key(self, vault: Mapping[str, Any]) -> tuple[str, str]:
        found = _first(self._secret_candidates(vault))
        if found is None:
            raise _no_secret_key()
        return shape.secret_key(found.value, found.origin), found.source

    def _secret_candidates(self, vault: Mapping[str, Any]) -> Iterator[_Candidate]:
        if self._given_secret is not None:
            yield _Candidate("code", "the secret_key given in code", self._given_secret)
        name = SECRET_KEY
        yield _Candidate("vault", "stripe_secret_key in Vault", vault.get("stripe_secret_key"))
        yield _Candidate("environment", name, variable(self._environ, name))
        yield _Candidate("baked", "baked SECRET_KEY", baked.SECRET_KEY.strip() or None)

    def _public_key(self, vault: Mapping[str, Any]) -> str | None:
        found = _first(self._public_candidates(vault))
        return None if found is None else shape.public_key(found.value, found.origin)

    def _public_candidates(self, vault: Mapping[str, Any]) -> Iterator[_Candidate]:
        yield _Candidate("code", "the public_key given in code", self._given_public)
        if self._given_secret is not None:
            return  # a public key from elsewhere could belong to another account
        name = PUBLIC_KEY
        yield _Candidate("vault", "stripe_public_key in Vault", vault.get("stripe_public_key"))
        yield _Candidate("environment", name, variable(self._environ, name))
        yield _Candidate("baked", "baked PUBLIC_KEY", baked.PUBLIC_KEY.strip() or None)

    def _allowed(self, vault: Mapping[str, Any], secret: str) -> frozenset[str]:
        origin, listed = self._list_in_force(vault)
        if listed:
            return frozenset(shape.each(shape.fingerprint, listed, origin))
        return frozenset({shape.fingerprint(secret, "the secret key")})

    def _list_in_force(self, vault: Mapping[str, Any]) -> tuple[str, Sequence[object]]:
        """Return the first list of allowed keys that holds any, and whence it is."""
        for origin, value in self._allowed_lists(vault):
            if listed := shape.entries(value, origin):
                return origin, listed
        return "", ()

    def _allowed_lists(self, vault: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
        field, name = "stripe_allowed_secret_keys", ALLOWED_SECRET_KEYS
        yield name, variable(self._environ, name)
        yield f"{field} in Vault", vault.get(field)
        yield "allowed_secret_keys", self._file_allowed
        yield "baked ALLOWED_SECRET_KEYS", baked.ALLOWED_SECRET_KEYS

    def _accounts(self) -> Mapping[str, str]:
        return {
            shape.fingerprint(key, "a pinned account's key"): account
            for key, account in self._file_accounts.items()
        }


def _baked() -> tuple[object, ...]:
    return baked.SECRET_KEY, baked.PUBLIC_KEY, tuple(baked.ALLOWED_SECRET_KEYS)


def _first(candidates: Iterator[_Candidate]) -> _Candidate | None:
    return next((found for found in candidates if found.value is not None), None)


def _no_secret_key() -> KeyConfigurationError:
    message = (
        f"there is no secret key; set {SECRET_KEY}, or {VAULT_ADDR} "
        "and the field stripe_secret_key in Vault"
    )
    faults = ((SECRET_KEY, message),)
    return KeyConfigurationError(message, reason="missing", faults=faults)
