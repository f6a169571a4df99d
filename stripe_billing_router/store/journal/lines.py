"""One line of the journal, bound to the line before it by its hash.

`header` names journal and ledger, `writes` is one commit. `draining` says that from here on the
lines before may be in the database, `drained` that they are.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal, get_args

from ...frozen import frozen
from ...hashing import GENESIS, canonical_json, digest

Kind = Literal["header", "writes", "draining", "drained"]


class DamagedLine(Exception):
    """A line that is not what was written; `args[0]` says what is wrong with it."""


@frozen
class Line:
    """`at_ms` is when it was written, by the database's clock as far as this host knew it.

    `seal` is of the hash: what somebody without a key has written bears none that holds, and is not
    `believed`.
    """

    sequence: int
    kind: Kind
    at_ms: int
    body: Mapping[str, Any]
    previous: str
    hash: str
    seal: str | None = None
    believed: bool = True

    def encoded(self) -> bytes:
        names = ("sequence", "kind", "at_ms", "body", "previous", "hash", "seal")
        return canonical_json({name: getattr(self, name) for name in names}).encode() + b"\n"


def following(before: Line | None, kind: Kind, at_ms: int, body: Mapping[str, Any]) -> Line:
    """Return the line that comes after `before`, or the first one."""
    sequence = 1 if before is None else before.sequence + 1
    previous = GENESIS if before is None else before.hash
    return Line(sequence, kind, at_ms, body, previous, _hash(sequence, kind, at_ms, body, previous))


def line_of(text: bytes, before: Line | None) -> Line:
    """Return the line that `text` holds; DamagedLine unless it is whole and follows `before`."""
    try:
        line = Line(**json.loads(text))
        found = _hash(line.sequence, line.kind, line.at_ms, line.body, line.previous)
    except (TypeError, ValueError, RecursionError):
        raise DamagedLine("it cannot be read") from None
    if found != line.hash or line.kind not in get_args(Kind):
        raise DamagedLine("its content is not what was written")
    expected = following(before, line.kind, line.at_ms, line.body)
    if replace(line, seal=None) != expected or (before is None) != (line.kind == "header"):
        raise DamagedLine("it does not follow the line before it")
    return line


def _hash(sequence: int, kind: str, at_ms: int, body: Mapping[str, Any], previous: str) -> str:
    return digest([sequence, kind, at_ms, body, previous])
