"""Lines and columns of what stands at an offset of a file's bytes."""

from __future__ import annotations

from typing import Final, NamedTuple

_BLOCK: Final = 1 << 20
# A line may be as long as its file. What decides about a place stands near to it.
_NEAR: Final = 4096


class Place(NamedTuple):
    """Both count from 1, columns in characters."""

    line: int
    column: int


class Places:
    """Turns offsets, asked for in rising order, into places, reading each byte once."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._offset = 0
        self._place = Place(1, 1)

    def place(self, offset: int) -> Place:
        """Return the place of an offset."""
        while self._offset < offset:
            block = self._data[self._offset : min(offset, self._offset + _BLOCK)]
            self._offset += len(block)
            start = block.rfind(b"\n") + 1
            line, column = self._place
            column = (1 if start else column) + len(decoded(block[start:]))
            self._place = Place(line + block.count(b"\n"), column)
        return self._place

    def before(self, offset: int) -> str:
        """Return what precedes an offset on its line."""
        return self.preceding(offset).rpartition("\n")[2]

    def preceding(self, offset: int) -> str:
        """Return what precedes an offset, on its line and on those before."""
        return decoded(self._data[max(0, offset - _NEAR) : offset])

    def after(self, offset: int) -> str:
        """Return what follows an offset on its line."""
        return decoded(self._data[offset : offset + _NEAR]).partition("\n")[0]


def decoded(data: bytes) -> str:
    """Return bytes as text: UTF-8, or Latin-1, which fits anything."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")
