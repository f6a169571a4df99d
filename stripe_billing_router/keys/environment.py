"""What the environment says about keys: the variables, and the settings of Vault.

A variable that is blank counts as unset.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from .vault import VaultSettings

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
