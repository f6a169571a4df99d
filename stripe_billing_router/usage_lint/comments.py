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

    def covers(self, hit: Hit) -> bool:
        lines = hit.lines()
        return self.line in lines or (self.alone and self.line + 1 in lines)


def comments_of_text(data: bytes) -> list[Comment]:
    """Return the allowing comments of a text, by any of the usual signs of a comment."""
    if data.find(_MARK) < 0:
        return []
    places = Places(data)
    found = []
    for match in _IN_BYTES.finditer(data):
        line, column = places.place(match.start())
        beside = places.before(match.start()) + _behind(places.after(match.end()))
        alone = not beside.strip()
        found.append(Comment(line, column, _rules(decoded(match["rules"])), alone))
    return found


def _behind(rest: str) -> str:
    """What follows a comment on its line, if it is of a kind that ends."""
    closed = _END.search(rest)
    return rest[closed.end() :] if closed else ""


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
    left = [hit for hit in hits if not any(_allows(comment, hit) for comment in comments)]
    if strict:
        left += (fault for comment in comments for fault in _faults(comment, hits))
    return left


def _allows(comment: Comment, hit: Hit) -> bool:
    return hit.rule in comment.rules and comment.covers(hit)


def _faults(comment: Comment, hits: list[Hit]) -> Iterator[Hit]:
    if not comment.rules:
        yield _fault(comment, "no rule; write the ids of rules after `allow`")
    for rule in comment.rules:
        if rule not in RULES:
            yield _fault(
                comment, f"a rule that does not exist; the rules are SBR000 to {max(RULES)}"
            )
        elif not any(one.rule == rule and comment.covers(one) for one in hits):
            yield _fault(comment, f"{rule}, which nothing here violates; remove it")


def _fault(comment: Comment, what: str) -> Hit:
    return hit(BAD_ALLOW, comment.line, comment.column, what)
