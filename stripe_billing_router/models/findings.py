"""What a check of the routing file says: valid, but not what somebody can have meant."""

from __future__ import annotations

from typing import NamedTuple


class Finding(NamedTuple):
    """One thing found by `check` at `path` (dotted, as in the routing file)."""

    check: str
    path: str
    message: str
