"""Keys from HashiCorp Vault, by way of hvac, which is loaded when Vault is first asked."""

from .settings import VaultSettings
from .source import VaultSource

__all__ = ["VaultSettings", "VaultSource"]
