"""HTTP/1.1 as Stripe is spoken to in it: a request as bytes, and its answer, read whole.

The standard library takes a head for an e-mail's, which costs more than the rest of an answer
together, and passes over lines that it cannot read. What tells about money is read strictly.
"""

from __future__ import annotations

import io
import re
import zlib
from collections.abc import Mapping
from http.client import HTTPException
from typing import Any, Final

LARGEST: Final = 32 * 1024 * 1024
"""Bytes of a body, as it comes and decoded. A hundred of Stripe's largest objects stay below."""

_LONGEST_LINE = 65536
_MOST_FIELDS = 100
_WITHOUT_BODY = (204, 304)

_REQUEST_LINE = re.compile(r"[A-Z]+ [!-~]+ HTTP/1\.1").fullmatch
_STATUS_LINE = re.compile(rb"HTTP/1\.(\d) ([1-9]\d\d)(?: [^\r\n\0]*)?\r?\n").fullmatch
# Nothing that goes on over a second line: its name would begin with a space.
_NAME_AND_VALUE = r"([!#$%&'*+.^_`|~\w-]+):([^\r\n\0]*)"
_FIELD = re.compile(_NAME_AND_VALUE, re.ASCII).fullmatch
_FIELDS = re.compile(rf"^{_NAME_AND_VALUE}\r?$", re.ASCII | re.MULTILINE).findall
_LENGTH = re.compile(r"\d{1,15}", re.ASCII).fullmatch
_CHUNK_LINE = re.compile(rb"([0-9A-Fa-f]{1,12})[ \t]*(?:;[^\r\n]*)?\r\n").fullmatch


def message(
    method: str, target: str, headers: Mapping[str, str], body: str | bytes | None
) -> bytes:
    """Return a request, or raise ValueError for what could be read as another one."""
    content = body.encode() if isinstance(body, str) else body or b""
    lines = [f"{name}: {value}" for name, value in headers.items()]
    if content or method == "POST":
        lines.append(f"Content-Length: {len(content)}")
    request_line = f"{method} {target} HTTP/1.1"
    if not _REQUEST_LINE(request_line) or not all(map(_FIELD, lines)):
        raise ValueError("no request can be written like this")
    return "\r\n".join([request_line, *lines, "", ""]).encode("iso-8859-1") + content


class Headers(dict[str, str]):
    """Header fields: names are kept in lower case, and found in any."""

    def __getitem__(self, name: str) -> str:
        return super().__getitem__(name.lower())

    def __contains__(self, name: object) -> bool:
        return super().__contains__(str(name).lower())

    def get(self, name: str, default: Any = None) -> Any:
        return super().get(name.lower(), default)


class Answer:
    """A whole answer, read from a file; HTTPException if it is not all there, too large, or not
    clear.

    `data` is the body, decoded. `closes`: nothing more comes from this file.
    """

    # What urllib3 writes into its log, besides.
    version_string = "HTTP/1"
    length_remaining = 0

    def __init__(self, file: io.BufferedIOBase) -> None:
        minor, self.status = _status_line(file)
        while self.status < 200:
            # Somebody on the way asks for patience: the answer is still to come.
            _fields(file)
            minor, self.status = _status_line(file)
        self.headers = _fields(file)
        self.closes = minor == b"0" or "close" in self.headers.get("connection", "").lower()
        body = self._body(file)
        self.data = body if self.status in _WITHOUT_BODY else self._decoded(body)

    def _body(self, file: io.BufferedIOBase) -> bytes:
        coding = self.headers.get("transfer-encoding")
        length = self.headers.get("content-length")
        if self.status in _WITHOUT_BODY:
            # One that announces a body all the same may send it: as the next answer.
            self.closes |= coding is not None or length is not None
            return b""
        if coding is not None:
            # With a length as well, somebody on the way may see the next answer begin elsewhere.
            self.closes |= length is not None
            return _chunks(file, coding)
        if length is None:
            self.closes = True
            return _small(file.read(LARGEST + 1))
        if not _LENGTH(length):
            raise HTTPException("a length that is no number")
        return _exactly(file, int(length), LARGEST)

    def _decoded(self, body: bytes) -> bytes:
        encoding = self.headers.get("content-encoding", "identity").lower()
        if encoding == "identity":
            return body
        if encoding not in ("gzip", "deflate"):
            raise HTTPException("a content coding that nobody asked for")
        try:
            return _inflated(body, zlib.MAX_WBITS | 32)
        except HTTPException:
            if encoding == "gzip":
                raise
        return _inflated(body, -zlib.MAX_WBITS)  # some servers leave out the head of deflate


def _status_line(file: io.BufferedIOBase) -> tuple[bytes, int]:
    found = _STATUS_LINE(file.readline(_LONGEST_LINE))
    if found is None:
        raise HTTPException("no status line")
    return found[1], int(found[2])


def _fields(file: io.BufferedIOBase) -> Headers:
    lines: list[bytes] = []
    while (line := file.readline(_LONGEST_LINE)) not in (b"\r\n", b"\n"):
        lines.append(line)
        if not line.endswith(b"\n") or len(lines) > _MOST_FIELDS:
            raise HTTPException("a head that does not end")
    found = _FIELDS(b"".join(lines).decode("iso-8859-1"))
    if len(found) != len(lines):
        raise HTTPException("a line that is no header field")
    fields: dict[str, str] = {}
    for name, spaced in found:
        known, value = name.lower(), spaced.strip(" \t")
        fields[known] = f"{fields[known]}, {value}" if known in fields else value
    return Headers(fields)


def _inflated(body: bytes, window: int) -> bytes:
    inflater = zlib.decompressobj(window)
    try:
        data = _small(inflater.decompress(body, LARGEST + 1))
    except zlib.error:
        raise HTTPException("a body that is not encoded as it says") from None
    if not inflater.eof or inflater.unused_data:
        raise HTTPException("a compressed body that is cut short, or goes on")
    return data


def _chunks(file: io.BufferedIOBase, coding: str) -> bytes:
    if coding.lower() != "chunked":
        raise HTTPException("a transfer coding that nobody asked for")
    chunks: list[bytes] = []
    left = LARGEST
    while size := _chunk_size(file):
        chunks.append(_exactly(file, size, left))
        left -= size
        if _exactly(file, 2, 2) != b"\r\n":
            raise HTTPException("a chunk that goes on")
    _fields(file)
    return b"".join(chunks)


def _chunk_size(file: io.BufferedIOBase) -> int:
    found = _CHUNK_LINE(file.readline(_LONGEST_LINE))
    if found is None:
        raise HTTPException("a chunk without a size")
    return int(found[1], 16)


def _small(data: bytes) -> bytes:
    if len(data) > LARGEST:
        raise HTTPException("a body that is too large")
    return data


def _exactly(file: io.BufferedIOBase, length: int, most: int) -> bytes:
    if length > most:
        raise HTTPException("a body that is too large")
    data = file.read(length)
    if len(data) < length:
        raise HTTPException("a body that is cut short")
    return data
