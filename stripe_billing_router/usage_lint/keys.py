"""Raw keys: what is one, and what only looks like one.

Publishable keys (`pk_`) are meant to be seen and are none. Obvious fakes are none either: those
of the sandbox (`sk_live_sandbox…`), and tails that say that they stand for a key.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

_PATTERN: Final = re.compile(
    rb"([sr]k_(?:live|test|org)_)(?:(?:live|test)_)?([A-Za-z0-9]{8,})|(whsec_)([A-Za-z0-9+/]{8,})"
)
_KINDS: Final = {
    "sk_live_": "a live secret key",
    "rk_live_": "a live restricted key",
    "sk_test_": "a test-mode secret key",
    "rk_test_": "a test-mode restricted key",
    "sk_org_": "an organisation's key",
    "rk_org_": "an organisation's restricted key",
    "whsec_": "a webhook signing secret",
}
_STANDS_FOR_A_KEY: Final = re.compile(
    "(?:sandbox|your|example|placeholder|redacted|changeme|replace)|.*x{6}|x+$", re.IGNORECASE
)
# Shorter tails without a digit and in one case are words: sk_test_environment is a name.
_LONGEST_WORD: Final = 15
# A tail of this length is a key wherever it stands, even inside another word.
_UNMISTAKABLE: Final = 20


class Key(NamedTuple):
    """Where a key is, and of what kind it is. What it says is kept nowhere."""

    start: int
    end: int
    kind: str


def keys_in(text: str) -> Iterator[Key]:
    """Yield the keys of a text."""
    return keys_in_bytes(text.encode("latin-1", "replace"))


def keys_in_bytes(data: bytes) -> Iterator[Key]:
    """Yield the keys of a file's bytes (or of what is mapped and works as bytes do)."""
    for match in _PATTERN.finditer(data):
        start = match.start()
        before = data[max(0, start - 2) : start].decode("latin-1")
        prefix, tail = (match[1] or match[3]).decode(), (match[2] or match[4]).decode()
        if _is_key(tail, before):
            yield Key(start, match.end(), _KINDS[prefix])


def without_keys(text: str) -> str:
    """Return a text, such as a file's name, with its keys taken out."""
    for key in reversed(list(keys_in(text))):
        text = f"{text[: key.start]}[redacted]{text[key.end :]}"
    return text


def _is_key(tail: str, before: str) -> bool:
    one_case = tail.isalpha() and (tail.islower() or tail.isupper())
    if _STANDS_FOR_A_KEY.match(tail) or (one_case and len(tail) <= _LONGEST_WORD):
        return False
    alone = not before[-1:].isalnum() or before in ("\\n", "\\r", "\\t")
    return alone or len(tail) >= _UNMISTAKABLE
