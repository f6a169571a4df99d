"""What Stripe answers to reads: as it should be, or an error that says what to do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import StripeRequestError
from ..ports import Reply


def good(reply: Reply, mend: str) -> Mapping[str, Any]:
    """Return the body of an answer of 200; StripeRequestError, which ends with `mend`, if not."""
    if reply.status == 200:
        return reply.body
    raise StripeRequestError(
        f"Stripe refuses to be read ({reply.note}). {mend}",
        http_status=reply.status,
        request_id=reply.request_id,
    )


def items_of(page: Mapping[str, Any]) -> list[Mapping[str, Any]] | None:
    """Return the objects of a list, each of which has an id; None if it cannot be read."""
    items = page.get("data")
    return items if isinstance(items, list) and all(map(_is_listed, items)) else None


def _is_listed(item: object) -> bool:
    return isinstance(item, Mapping) and isinstance(item.get("id"), str)
