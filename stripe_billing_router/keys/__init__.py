"""Where keys come from, and which of them pass."""

from .ring import KeyRing

__all__ = ["KeyRing"]
