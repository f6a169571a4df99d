"""What is known of a verb without running it."""

from __future__ import annotations

from typing import Any


class _LeftOut:
    """What an argument is that the caller has not given."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "<left out>"


LEFT_OUT: Any = _LeftOut()
"""The default of arguments that decide what is paid. None is no way to leave them out: it is what a
missing field reads as, such as `order.get("total")`."""
