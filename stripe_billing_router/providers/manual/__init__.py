"""Bank transfers that a person confirms: no requests, no keys, no lists, no webhooks."""

from .provider import ManualProvider

__all__ = ["ManualProvider"]
