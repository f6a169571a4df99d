"""Comments that allow a rule where they stand: `# stripe-billing-router: allow SBR001`."""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Iterator
from typing import Final, NamedTuple

from .findings import BAD_ALLOW, RULES, Hit, hit
from .places import Places, decoded

_MARK: Final = b"stripe-billing-router:"
_ALLOW: Final = (
    r"stripe-billing-router:[ \t]*allow\b[ \t:]*"
    r"(?P<rules>(?:[A-Za-z]+[0-9]+\b[ \t,]*)*)"
)
_COMMENT: Final = re.compile(rf"(?:#|//|;|--|/\*|<!--|\{{#|%|\brem\b)[ \t]*{_ALLOW}", re.IGNORECASE)
_IN_BYTES: Final = re.compile(_COMMENT.pattern.encode(), re.IGNORECASE)
_IN_COMMENT: Final = re.compile(rf"#+[ \t]*{_ALLOW}", re.IGNORECASE)
_END: Final = re.compile(r"\*/|-->|#\}")
_CANNOT: Final = (tokenize.TokenError, SyntaxError, ValueError, RecursionError)


class Comment(NamedTuple):
    """A comment that allows `rules` on its line, and on the next if it has its line to itself."""

    line: int
    column: int
    rules: tuple[str, ...]
    alone: bool

    def allows(self, one: Hit) -> bool:
        lines = one.lines()
        covers = self.line in lines or (self.alone and self.line + 1 in lines)
        return covers and one.rule in self.rules


def comments_of_text(data: bytes) -> list[Comment]:
    """Return the allowing comments of a text, by any of the usual signs of a comment."""
    if data.find(_MARK) < 0:
        return []
    places = Places(data)
    found = []
    for match in _IN_BYTES.finditer(data):
        before, after = places.before(match.start()), places.after(match.end())
        closed = _END.search(after)
        alone = not (before + (after[closed.end() :] if closed else "")).strip()
        rules = _rules(decoded(match["rules"]))
        found.append(Comment(*places.place(match.start()), rules, alone))
    return found


def comments_of_program(data: bytes) -> list[Comment]:
    """Return the allowing comments of a Python program; what a string says is no comment."""
    if data.find(_MARK) < 0:
        return []
    try:
        return list(_tokens(data))
    except _CANNOT:
        return comments_of_text(data)


def _tokens(data: bytes) -> Iterator[Comment]:
    for token in tokenize.tokenize(io.BytesIO(data[:]).readline):
        match = _IN_COMMENT.search(token.string) if token.type == tokenize.COMMENT else None
        if match:
            line, offset = token.start
            alone = not token.line[:offset].strip()
            yield Comment(line, offset + match.start() + 1, _rules(match["rules"]), alone)


def _rules(text: str) -> tuple[str, ...]:
    return tuple(text.replace(",", " ").upper().split())


def without_allowed(hits: list[Hit], comments: list[Comment], *, strict: bool) -> list[Hit]:
    """Return the hits that no comment allows, and, if `strict`, what is wrong with comments."""
    left = [one for one in hits if not any(comment.allows(one) for comment in comments)]
    if strict:
        for comment in comments:
            faults = _faults(comment, hits)
            left += (hit(BAD_ALLOW, comment.line, comment.column, fault) for fault in faults)
    return left


def _faults(comment: Comment, hits: list[Hit]) -> Iterator[str]:
    if not comment.rules:
        yield "no rule; write the ids of rules after `allow`"
    for rule in comment.rules:
        if rule not in RULES:
            yield f"a rule that does not exist; the rules are SBR000 to {max(RULES)}"
        elif not any(one.rule == rule and comment.allows(one) for one in hits):
            yield f"{rule}, which nothing here violates; remove it"
