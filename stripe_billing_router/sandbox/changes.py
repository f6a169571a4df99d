"""What an object was before it changed, as `previous_attributes` tells it."""

from __future__ import annotations

from .wire import Json


def previous_attributes(before: Json, now: Json) -> Json:
    """Return the old values of what changed; within an inner object, only of what changed there.

    What was not there before was None.
    """
    found: Json = {}
    for name in [*now, *(gone for gone in before if gone not in now)]:
        old, new = before.get(name), now.get(name)
        if isinstance(old, dict) and isinstance(new, dict):
            inner = previous_attributes(old, new)
            if inner:
                found[name] = inner
        elif old != new:
            found[name] = old
    return found
