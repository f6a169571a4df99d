"""Find the route of a request."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from .failures import unrecognized_url
from .family import Route


class Router:
    """All routes of the sandbox. Fixed words win over placeholders."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._routes: dict[tuple[str, int], list[tuple[list[str], Route]]] = {}
        for route in routes:
            words = route.pattern.split("/")
            self._routes.setdefault((route.method, len(words)), []).append((words, route))
        for found in self._routes.values():
            found.sort(key=lambda entry: entry[1].pattern.count("{"))

    def find(self, method: str, path: str) -> tuple[Route, Mapping[str, str]]:
        """Return the route and the ids in the path; StripeFailure (404) if there is none."""
        parts = path.split("/")
        for words, route in self._routes.get((method, len(parts)), ()):
            ids = _match(words, parts)
            if ids is not None:
                return route, ids
        raise unrecognized_url(method, path)


def _match(words: list[str], parts: list[str]) -> Mapping[str, str] | None:
    ids = {}
    for word, part in zip(words, parts, strict=True):
        if word.startswith("{"):
            ids[word.strip("{}")] = part
        elif word != part:
            return None
    return ids
