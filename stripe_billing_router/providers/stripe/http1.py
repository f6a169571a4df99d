"""HTTP/1.1 as Stripe is spoken to in it: a request as bytes, and its answer, read whole.

h11 writes and reads it, strictly: the standard library takes a head for an e-mail's, which costs
more than the rest of an answer together, and passes over lines that it cannot read.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Mapping
from http.client import HTTPException
from typing import Any, Final

import h11

LARGEST: Final = 32 * 1024 * 1024
"""Bytes of a body, as it comes and decoded. A hundred of Stripe's largest objects stay below."""

_AT_ONCE = 65536
_LONGEST_LINE = 65536
_MOST_FIELDS = 100
_WITHOUT_BODY = (204, 304)


def exchange() -> h11.Connection:
    """Return what knows the state of one request and its answer."""
    return h11.Connection(h11.CLIENT, max_incomplete_event_size=_LONGEST_LINE)


def message(
    method: str,
    target: str,
    headers: Mapping[str, str],
    body: str | bytes | None,
    sending: h11.Connection,
) -> bytes:
    """Return a request, or raise ValueError for what could be read as another one."""
    content = body.encode() if isinstance(body, str) else body or b""
    fields = [*headers.items()]
    if content or method == "POST":
        fields.append(("Content-Length", str(len(content))))
    try:
        head = sending.send(h11.Request(method=method, target=target, headers=fields))
        data = sending.send(h11.Data(data=content))
        sending.send(h11.EndOfMessage())
    except (h11.LocalProtocolError, UnicodeError):
        raise ValueError("no request can be written like this") from None
    return (head or b"") + (data or b"")


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

    def __init__(self, file: io.BufferedReader[Any], reading: h11.Connection) -> None:
        try:
            body = self._read(reading, file)
        except h11.RemoteProtocolError as error:
            raise HTTPException(str(error)) from None
        goes_on = reading.their_state is h11.DONE and reading.trailing_data == (b"", False)
        self.closes = not goes_on or self._is_unclear()
        self.data = body if self.status in _WITHOUT_BODY else self._decoded(body)

    def _read(self, reading: h11.Connection, file: io.BufferedReader[Any]) -> bytes:
        parts: list[bytes] = []
        left = LARGEST
        while True:
            match reading.next_event():
                case h11.NEED_DATA if reading.their_state is h11.SEND_RESPONSE:
                    reading.receive_data(_head(file))
                case h11.NEED_DATA:
                    reading.receive_data(file.read1(_AT_ONCE))
                case h11.Response() as found:
                    self._begin(found)
                case h11.Data(data=data):
                    left -= len(data)
                    if left < 0:
                        raise HTTPException("a body that is too large")
                    parts.append(bytes(data))
                case h11.EndOfMessage():
                    return b"".join(parts)
                case h11.InformationalResponse():
                    pass  # somebody on the way asks for patience: the answer is still to come
                case _:
                    raise HTTPException("no answer")

    def _begin(self, found: h11.Response) -> None:
        self.status, fields = found.status_code, dict[str, str]()
        for known, value in ((n.decode("ascii"), v.decode("iso-8859-1")) for n, v in found.headers):
            fields[known] = f"{fields[known]}, {value}" if known in fields else value
        self.headers = Headers(fields)
        if int(fields.get("content-length", "0")) > LARGEST:
            raise HTTPException("a body that is too large")

    def _is_unclear(self) -> bool:
        """Whether somebody on the way may see the next answer begin elsewhere."""
        announced = [name in self.headers for name in ("transfer-encoding", "content-length")]
        return any(announced) if self.status in _WITHOUT_BODY else all(announced)

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


def _head(file: io.BufferedReader[Any]) -> bytes:
    """Return a head; h11 would take a line for more of the field above it, if it begins so."""
    lines = [file.readline(_LONGEST_LINE)]
    while lines[-1] not in (b"\r\n", b"\n", b""):
        if len(lines) > _MOST_FIELDS + 1 or not lines[-1].endswith(b"\n"):
            raise HTTPException("a head that does not end")
        if lines[-1][:1] in (b" ", b"\t"):
            raise HTTPException("a field over two lines")
        lines.append(file.readline(_LONGEST_LINE))
    return b"".join(lines)


def _inflated(body: bytes, window: int) -> bytes:
    inflater = zlib.decompressobj(window)
    try:
        data = _small(inflater.decompress(body, LARGEST + 1))
    except zlib.error:
        raise HTTPException("a body that is not encoded as it says") from None
    if not inflater.eof or inflater.unused_data:
        raise HTTPException("a compressed body that is cut short, or goes on")
    return data


def _small(data: bytes) -> bytes:
    if len(data) > LARGEST:
        raise HTTPException("a body that is too large")
    return data
