"""Reading Stripe into the workspace, page by page; a run that was killed goes on where it was."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from ..errors import StripeRequestError, StripeUnavailableError
from ..ports import Discrepancy, Page
from ..store import Mark, Workspace
from .limits import Limits
from .shapes import Row
from .sources import SOURCES, Source


class Reads(Protocol):
    """Where Stripe is read: `engine.Listings`."""

    def discrepancy(self) -> Discrepancy | None: ...
    def now_ms(self) -> int | None: ...
    def page(self, kind: str, query: Mapping[str, Any], after: str | None = None) -> Page: ...
    def one(self, kind: str, object_id: str) -> Mapping[str, Any] | None: ...


def read_sources(
    reads: Reads,
    workspace: Workspace,
    limits: Limits,
    until_ms: int,
    told: Callable[[str, int], None],
    sources: Sequence[Source] = SOURCES,
) -> None:
    """Stage every page of every source; `told` hears the source and how many objects it gave."""
    for source in sources:
        query = source.asked(limits, until_ms)
        mark = workspace.mark(source.name)
        while not mark.done:
            page = _page(reads, source, query, mark)
            objects = mark.objects + len(page.items)
            mark = Mark(page.next_after, objects, page.next_after is None)
            workspace.stage(source.name, mark, rows_of(source, page.items))
            told(source.name, objects)


def _page(reads: Reads, source: Source, query: Mapping[str, Any], mark: Mark) -> Page:
    """Return the next page; the first again if the object is gone after which it would begin."""
    try:
        return reads.page(source.kind, query, mark.next_after)
    except StripeRequestError as error:
        if mark.next_after is None or error.http_status not in (400, 404):
            raise
    return reads.page(source.kind, query)


def all_pages(reads: Reads, kind: str) -> list[Mapping[str, Any]]:
    """Return a list that is short by its nature."""
    page = reads.page(kind, {})
    items = list(page.items)
    while page.next_after is not None:
        page = reads.page(kind, {}, page.next_after)
        items += page.items
    return items


def rows_of(source: Source, items: Sequence[Mapping[str, Any]]) -> list[Row]:
    """Return objects as rows; StripeUnavailableError for what lacks what it always has."""
    try:
        return [source.read(item) for item in items]
    except (AttributeError, KeyError, TypeError) as error:
        raise StripeUnavailableError(
            f"A page of {source.kind} cannot be read ({type(error).__name__}: {error}); the run "
            "stops here. Run again, and see https://status.stripe.com."
        ) from None
