"""String operations on texts in pieces (see folding), without widths and other surprises."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from ..hosts import UNKNOWN

Text = tuple[str, ...]

_PERCENT: Final = re.compile(r"%(%|s|[^%s])", re.DOTALL)
_BRACES: Final = re.compile(r"\{\{|\}\}|\{(\w*)\}|\{[^{}]*\}", re.ASCII)
_LONGEST: Final = 512
TRANSFORMS: Final = frozenset(
    """
    encode decode lower upper casefold swapcase strip lstrip rstrip removeprefix removesuffix
    replace
    """.split()
)


def shattered(text: str) -> Text:
    """Return a text of which no piece is a literal."""
    return tuple(text[:_LONGEST])


def percent(template: Text, values: Sequence[Text]) -> Text:
    """Return `template % values`, as far as it uses `%s`."""
    left = iter(values)

    def value(match: re.Match[str]) -> Text:
        if match[1] == "%":
            return ("%",)
        found = next(left, (UNKNOWN,))
        return found if match[1] == "s" else (UNKNOWN,)

    return tuple(_substituted(template, _PERCENT, value))


def braces(template: Text, values: Mapping[str, Text]) -> Text:
    """Return `template.format(...)`, as far as its fields are plain."""
    places = iter(range(len(values)))

    def value(match: re.Match[str]) -> Text:
        if match[0] in ("{{", "}}"):
            return (match[0][0],)
        name = str(next(places, "")) if match[1] == "" else match[1]
        return values.get(name or "", (UNKNOWN,))

    return tuple(_substituted(template, _BRACES, value))


def transformed(text: Text, method: str, arguments: Sequence[str]) -> Iterator[Text]:
    """Yield what a method of str makes of a text; nothing if it is not known."""
    whole = "".join(text)
    if method in ("encode", "decode"):
        yield text
    elif UNKNOWN not in "".join((whole, *arguments)):
        yield shattered(_applied(whole, method, arguments))


def _applied(text: str, method: str, arguments: Sequence[str]) -> str:
    if any(len(argument) > _LONGEST for argument in (text, *arguments)):
        return UNKNOWN
    try:
        return str(getattr(text, method)(*arguments))
    except (TypeError, ValueError):
        return UNKNOWN


def _substituted(
    template: Text, field: re.Pattern[str], value: Callable[[re.Match[str]], Text]
) -> Iterator[str]:
    """Yield the pieces of a template and, in place of its fields, those of their values."""
    for piece in template:
        start = 0
        for match in field.finditer(piece):
            yield piece[start : match.start()]
            yield from value(match)
            start = match.end()
        yield piece[start:]
