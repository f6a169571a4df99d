"""Keys that a private build carries inside the package.

Shipped empty, and asked last: Vault and the environment come first. A build that fills these in
must never leave its owner's hands, for whoever holds the package then holds the keys.
"""

SECRET_KEY: str = ""

PUBLIC_KEY: str = ""

ALLOWED_SECRET_KEYS: tuple[str, ...] = ()
"""Live keys or `sha256:` fingerprints of keys."""

WEBHOOK_SECRETS: tuple[str, ...] = ()
