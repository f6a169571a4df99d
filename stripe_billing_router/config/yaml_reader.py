"""YAML text to plain data: scalars stay text, so that `no` is a region and `on` a bot.

Read from libyaml's events, which is several times faster than building PyYAML's nodes, and needs
no recursion. Anchors, aliases and merge keys work; tags do not. What aliases expand to is counted,
so that a small file cannot stand for an endless one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import yaml

from ..models import Fault
from ..redaction import redact, shown
from ..routing import dotted
from .faults import Unreadable

_NULLS: Final = frozenset({"", "~", "null", "Null", "NULL"})
_DEEPEST: Final = 32
_TOO_DEEP: Final = f"is nested deeper than {_DEEPEST} levels"
_MOST_FROM_ALIASES: Final = 1_000_000
_MERGE: Final = object()


def parse_yaml(text: str) -> tuple[Any, list[Fault]]:
    """Return `(data, faults)`; plain null, `~` and nothing are None. Unreadable for other texts."""
    builder = _Builder()
    try:
        for event in yaml.parse(text, Loader=yaml.CBaseLoader):
            builder.take(event)
        return builder.root.items[0] if builder.root.items else None, builder.faults
    except yaml.MarkedYAMLError as error:
        why = _problem(error)
    except yaml.YAMLError:
        why = "is not YAML: it holds characters that YAML does not allow"
    raise Unreadable(why)


def _problem(error: yaml.MarkedYAMLError) -> str:
    line = f" in line {error.problem_mark.line + 1}" if error.problem_mark else ""
    # Newer releases of libyaml have a limit of their own, and meet it while they look ahead within
    # the line in which ours is passed.
    if "nesting" in str(error.problem):
        return f"{_TOO_DEEP}{line}"
    return f"is not YAML: {redact(str(error.problem))}{line}"


class _Frame:
    """A mapping or list under construction. `key` is the key that waits for its value."""

    __slots__ = ("anchor", "before", "items", "key")

    def __init__(self, items: Any, anchor: str | None, before: int) -> None:
        self.items = items
        self.key: Any = None
        self.anchor = anchor
        self.before = before


class _Builder:
    """Puts the data together, event by event."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []
        self.root = _Frame([], None, 0)
        self._frame = self.root
        self._stack: list[_Frame] = []
        self._anchored: dict[str, tuple[Any, int]] = {}
        self._size = 0
        self._from_aliases = 0
        self._actions: Mapping[type, Callable[[Any], None]] = {
            yaml.ScalarEvent: self._scalar,
            yaml.MappingStartEvent: self._open,
            yaml.SequenceStartEvent: self._open,
            yaml.MappingEndEvent: self._close,
            yaml.SequenceEndEvent: self._close,
            yaml.AliasEvent: self._alias,
            yaml.DocumentStartEvent: self._document,
        }

    def take(self, event: Any) -> None:
        action = self._actions.get(type(event))
        if action is not None:
            action(event)

    def _scalar(self, event: Any) -> None:
        if event.tag is not None:
            self._tagged(event)
        value = event.value
        frame = self._frame
        if frame.key is None and type(frame.items) is dict:
            frame.key = self._key(value, event)
            return
        if value in _NULLS and event.implicit[0]:
            value = None
        if event.anchor is not None:
            self._anchored[event.anchor] = (value, 1)
        self._add(value)

    def _key(self, value: str, event: Any) -> Any:
        key = _MERGE if value == "<<" and event.implicit[0] else value
        if key in self._frame.items:
            line = event.start_mark.line + 1
            self._fault(f"{shown(value)} is given again in line {line}; keep one of them")
        return key

    def _add(self, value: Any) -> None:
        self._size += 1
        frame = self._frame
        if type(frame.items) is dict:
            frame.items[frame.key] = value
            frame.key = None
        else:
            frame.items.append(value)

    def _open(self, event: Any) -> None:
        line = event.start_mark.line + 1
        if self._frame.key is None and type(self._frame.items) is dict:
            raise Unreadable(f"has a key that is not text in line {line}", self._path())
        if len(self._stack) == _DEEPEST:
            raise Unreadable(f"{_TOO_DEEP} in line {line}")
        if event.tag is not None:
            self._tagged(event)
        self._stack.append(self._frame)
        items: Any = {} if type(event) is yaml.MappingStartEvent else []
        self._frame = _Frame(items, event.anchor, self._size)

    def _close(self, event: Any) -> None:
        frame = self._frame
        items = frame.items
        if _MERGE in items:
            items = self._merged(items, event)
        self._frame = self._stack.pop()
        if frame.anchor is not None:
            self._anchored[frame.anchor] = (items, self._size - frame.before + 1)
        self._add(items)

    def _merged(self, items: dict[Any, Any], event: Any) -> dict[Any, Any]:
        """Return the mapping with what `<<` names below its own entries; the first named wins."""
        merge = items.pop(_MERGE)
        sources = merge if isinstance(merge, list) else [merge]
        if not all(isinstance(source, dict) for source in sources):
            line = event.start_mark.line + 1
            self._fault(f"'<<' merges what is not a mapping, before line {line}; name an anchor")
            return items
        merged: dict[Any, Any] = {}
        for source in reversed(sources):
            merged.update(source)
        return {**merged, **items}

    def _alias(self, event: Any) -> None:
        line = event.start_mark.line + 1
        if self._frame.key is None and type(self._frame.items) is dict:
            raise Unreadable(f"has an alias as a key in line {line}", self._path())
        if event.anchor not in self._anchored:
            raise Unreadable(
                f"has an alias in line {line} that names no anchor before it", self._path()
            )
        value, size = self._anchored[event.anchor]
        self._from_aliases += size
        if self._from_aliases > _MOST_FROM_ALIASES:
            raise Unreadable(f"has aliases that stand for more than a million entries, line {line}")
        self._size += size - 1
        self._add(value)

    def _document(self, event: Any) -> None:
        if self.root.items:
            line = event.start_mark.line + 1
            raise Unreadable(f"holds a second document from line {line}; keep one")

    def _tagged(self, event: Any) -> None:
        line = event.start_mark.line + 1
        self._fault(f"has the tag {shown(event.tag)} in line {line}; write plain YAML without tags")

    def _fault(self, message: str) -> None:
        self.faults.append(Fault(self._path(), message))

    def _path(self) -> str:
        frames = [*self._stack, self._frame][1:]
        return dotted(
            "<<" if frame.key is _MERGE else frame.key or str(len(frame.items))
            for frame in frames
            if frame.key is not None or type(frame.items) is list
        )
