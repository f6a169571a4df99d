"""From when until when a run looks, and whether the last-run marker may move after it."""

from __future__ import annotations

from typing import Final

from ..errors import InvalidRequestError
from ..frozen import frozen
from .moments import iso
from .register import Memory

FIRST_RUN_MS: Final = 30 * 86_400_000
"""How far the first run looks back: as long as Stripe keeps events."""


@frozen
class Window:
    """Milliseconds since the epoch; `until_ms` is excluded, and None for the moment of the run.

    `moves_marker` is False where a later run would then leave out what nobody has looked at.
    """

    since_ms: int
    until_ms: int | None
    moves_marker: bool


def choose(
    *, since_ms: int | None, until_ms: int | None, now_ms: int, memory: Memory, overlap_ms: int
) -> Window:
    """Return the window of this run.

    Without `since_ms` a run begins `overlap_ms` before the last-run marker, for what was known
    late; without a marker where a run that was cut off began; else 30 days ago.
    """
    since = _usual_begin(now_ms, memory, overlap_ms) if since_ms is None else since_ms
    until = now_ms if until_ms is None else until_ms
    if until > now_ms:
        raise InvalidRequestError(
            f"--until {iso(until)} is in the future; leave it out to look at everything so far."
        )
    if since >= until:
        raise InvalidRequestError(
            f"From {iso(since)} until {iso(until)} is no time at all; correct --since or --until."
        )
    leaves_a_gap = memory.marker_ms is not None and since > memory.marker_ms
    return Window(since, until_ms, not leaves_a_gap)


def _usual_begin(now_ms: int, memory: Memory, overlap_ms: int) -> int:
    if memory.marker_ms is not None:
        return max(0, min(memory.marker_ms, now_ms) - overlap_ms)
    if memory.cut_off is not None:
        return memory.cut_off.since_ms
    return max(0, now_ms - FIRST_RUN_MS)
