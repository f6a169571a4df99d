"""A request as bytes, and what counts as an answer."""

from __future__ import annotations

import gzip
import io
import time
import tracemalloc
import zlib
from contextlib import suppress
from http.client import HTTPException
from typing import Any

import pytest

from stripe_billing_router.providers.stripe import http1
from stripe_billing_router.providers.stripe.http1 import Answer, Headers, exchange, message

BODY = b'{"object": "customer", "id": "cus_1"}'
LENGTH = b"HTTP/1.1 200 OK\r\nRequest-Id: req_1\r\nContent-Length: %d\r\n\r\n%b" % (len(BODY), BODY)
CHUNKED = (
    b"HTTP/1.1 200 OK\r\nRequest-Id: req_1\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"0A\r\n%b\r\n01b;of=no;interest\r\n%b\r\n0\r\nDigest: none\r\n\r\n" % (BODY[:10], BODY[10:])
)


def read(data: bytes) -> Answer:
    return answer_in(io.BufferedReader(io.BytesIO(data)))


def answer_in(file: io.BufferedReader) -> Answer:
    asked = exchange()
    message("GET", "/", {"Host": "h"}, None, asked)
    return Answer(file, asked)


def written(method: str, target: str, headers: Any, body: Any) -> bytes:
    return message(method, target, headers, body, exchange())


def encoded(how: str, body: bytes) -> bytes:
    head = f"HTTP/1.1 200 OK\r\nRequest-Id: req_1\r\nContent-Encoding: {how}\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


WHOLE = {
    "a length": LENGTH,
    "chunks": CHUNKED,
    "chunks, and a length that does not count": CHUNKED.replace(
        b"\r\n", b"\r\nContent-Length: 3\r\n", 1
    ),
    "until the end": LENGTH.replace(b"Content-Length", b"X-Length"),
    "lines that end in a line feed": LENGTH.replace(b"\r\n", b"\n"),
    "HTTP/1.0": LENGTH.replace(b"HTTP/1.1", b"HTTP/1.0"),
    "no reason": LENGTH.replace(b" OK", b""),
    "space around values": LENGTH.replace(b"req_1", b" \treq_1 \t").replace(b"h: ", b"h:"),
    "100 first": b"HTTP/1.1 100 Continue\r\n\r\n" + LENGTH,
    "102 and 103 first": (
        b"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + CHUNKED
    ),
    "gzip": encoded("gzip", gzip.compress(BODY)),
    "deflate": encoded("deflate", zlib.compress(BODY)),
    "deflate without its head": encoded("deflate", zlib.compress(BODY, wbits=-15)),
}


@pytest.mark.parametrize("answer", WHOLE.values(), ids=WHOLE)
def test_a_whole_answer_is_read(answer: bytes) -> None:
    read_ = read(answer)
    assert (read_.status, read_.data, read_.headers["Request-Id"]) == (200, BODY, "req_1")


@pytest.mark.parametrize("name", [name for name in WHOLE if name != "until the end"])
def test_an_answer_that_is_cut_short_anywhere_is_none(name: str) -> None:
    answer = WHOLE[name]
    for length in range(len(answer)):
        with pytest.raises(HTTPException):
            read(answer[:length])


def test_a_connection_on_which_more_came_than_an_answer_does_not_serve_again() -> None:
    for answer in (LENGTH, CHUNKED):
        assert not read(answer).closes
        assert read(answer + b"HTTP/1.1 500").closes


@pytest.mark.parametrize("status", [b"204 No Content", b"304 Not Modified"])
def test_an_answer_without_a_body_ends_with_its_head(status: bytes) -> None:
    answer = read(b"HTTP/1.1 %b\r\nContent-Encoding: gzip\r\n\r\nmore" % status)
    assert (answer.data, answer.closes) == (b"", False)


@pytest.mark.parametrize("field", [b"Content-Length: 4", b"Transfer-Encoding: chunked"])
def test_a_body_where_none_belongs_could_come_as_the_next_answer(field: bytes) -> None:
    answer = read(b"HTTP/1.1 204 No Content\r\n%b\r\n\r\n" % field)
    assert (answer.data, answer.closes) == (b"", True)


UNCLEAR = {
    "nothing": b"",
    "no HTTP": b"SSH-2.0-OpenSSH_9.6\r\n",
    "another HTTP": LENGTH.replace(b"HTTP/1.1", b"HTTP/2"),
    "a status that is no number": LENGTH.replace(b"200", b"two"),
    "a status of four digits": LENGTH.replace(b"200", b"2000"),
    "a status below all": LENGTH.replace(b"200", b"099"),
    "a status line with a return in it": LENGTH.replace(b"OK", b"O\rK"),
    "a status line without end": b"HTTP/1.1 200 " + b"O" * 70_000,
    "a line without a colon": LENGTH.replace(b"Request-Id: ", b"Request-Id "),
    "a line without a name": LENGTH.replace(b"Request-Id", b""),
    "a space before the colon": LENGTH.replace(b"Content-Length:", b"Content-Length :"),
    "a name that is none": LENGTH.replace(b"Request-Id", b"Request Id"),
    "a name beyond ASCII": LENGTH.replace(b"Request-Id", b"R\xe9quest-Id"),
    "a field over two lines": LENGTH.replace(b"req_1", b"req_1\r\n 2"),
    "a return in a value": LENGTH.replace(b"req_1", b"req\r_1"),
    "a zero in a value": LENGTH.replace(b"req_1", b"req\0_1"),
    "a line without end": LENGTH.replace(b"req_1", b"r" * 70_000),
    "too many fields": LENGTH.replace(b"Request-Id: req_1\r\n", b"A: b\r\n" * 100),
    "two lengths": LENGTH.replace(b"Request-Id: req_1", b"Content-Length: 3"),
    "a negative length": LENGTH.replace(b"Length: ", b"Length: -"),
    "a signed length": LENGTH.replace(b"Length: ", b"Length: +"),
    "a length that is no number": LENGTH.replace(b"Length: ", b"Length: 0x"),
    "an empty length": LENGTH.replace(b"Length: %d" % len(BODY), b"Length:"),
    "a coding nobody asked for": CHUNKED.replace(b": chunked", b": gzip, chunked"),
    "a chunk without a size": CHUNKED.replace(b"0A\r\n", b"\r\n", 1),
    "a chunk of a negative size": CHUNKED.replace(b"0A\r\n", b"-A\r\n", 1),
    "a chunk that goes on": CHUNKED.replace(b"0A\r\n", b"09\r\n", 1),
    "a chunk that ends otherwise": CHUNKED.replace(b"\r\n01b", b"xx01b"),
    "garbage after the chunks": CHUNKED.replace(b"Digest: none", b"none"),
}


@pytest.mark.parametrize("answer", UNCLEAR.values(), ids=UNCLEAR)
def test_an_answer_that_is_not_clear_is_none(answer: bytes) -> None:
    with pytest.raises(HTTPException):
        read(answer)


def test_a_body_that_is_not_encoded_as_it_says_is_none() -> None:
    for how in ("gzip", "deflate", "br", "gzip, gzip"):
        with pytest.raises(HTTPException):
            read(encoded(how, BODY))


@pytest.mark.parametrize("how", ["gzip", "deflate", "deflate without its head"])
def test_a_compressed_body_that_is_cut_short_or_goes_on_is_none(how: str) -> None:
    """Also where its length is right, and all the JSON came out of it."""
    body = WHOLE[how].partition(b"\r\n\r\n")[2]
    coding = how.partition(" ")[0]
    assert read(encoded(coding, body)).data == BODY
    for wrong in (*(body[:length] for length in range(len(body))), body + b"x", body * 2):
        with pytest.raises(HTTPException):
            read(encoded(coding, wrong))


def test_an_answer_that_is_too_large_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http1, "LARGEST", 100)
    for answer in WHOLE.values():
        assert read(answer).data == BODY
    larger = b" " * 101
    for head, sent in {
        b"X: y": larger,
        b"Content-Length: %d" % len(larger): larger,
        b"Transfer-Encoding: chunked": b"32\r\n%b\r\n33\r\n%b\r\n0\r\n\r\n"
        % (larger[:50], larger[50:]),
    }.items():
        with pytest.raises(HTTPException, match="too large"):
            read(b"HTTP/1.1 200 OK\r\n%b\r\n\r\n%b" % (head, sent))


def test_what_is_small_until_it_is_decoded_takes_no_memory() -> None:
    bomb = gzip.compress(b"[" + b" " * (4 * http1.LARGEST) + b"]")
    assert len(bomb) < http1.LARGEST / 100
    tracemalloc.start()
    try:
        with pytest.raises(HTTPException, match="too large"):
            read(encoded("gzip", bomb))
        assert tracemalloc.get_traced_memory()[1] < 3 * http1.LARGEST
    finally:
        tracemalloc.stop()


def test_a_length_that_nobody_will_send_is_not_waited_for() -> None:
    class Endless(io.BytesIO):
        def read1(self, size: int | None = -1, /) -> bytes:
            raise AssertionError(f"{size} bytes were asked for")

    with pytest.raises(HTTPException, match="too large"):
        answer_in(Endless(b"HTTP/1.1 200 OK\r\nContent-Length: 999999999999\r\n\r\n"))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("answer", "closes"),
    [
        (LENGTH, False),
        (CHUNKED, False),
        (LENGTH.replace(b"Request-Id: req_1", b"Connection: Close"), True),
        (LENGTH.replace(b"Request-Id: req_1", b"Connection: x\r\nConnection: close"), True),
        (WHOLE["HTTP/1.0"], True),
        (WHOLE["chunks, and a length that does not count"], True),
        (WHOLE["until the end"], True),
    ],
)
def test_an_answer_tells_if_it_was_the_connection_s_last(answer: bytes, closes: bool) -> None:
    assert read(answer).closes is closes


def test_a_header_is_found_in_any_case_and_a_repeated_one_is_joined() -> None:
    headers = read(LENGTH.replace(b"\r\n", b"\r\nVARY: a\r\nvary: b\r\n", 1)).headers
    assert headers["Request-Id"] == headers["request-id"] == headers.get("REQUEST-ID") == "req_1"
    assert ("Request-ID" in headers, "x" in headers, headers.get("x", "no")) == (True, False, "no")
    assert headers["Vary"] == "a, b"
    assert dict(headers.items())["vary"] == "a, b"
    with pytest.raises(KeyError):
        headers["x"]


@pytest.mark.parametrize("end", [b"x", b"\0"])
def test_a_long_line_is_read_at_once(end: bytes) -> None:
    """One that a pattern would go over again for each of its spaces holds up every thread."""
    began = time.process_time()
    with suppress(HTTPException):
        read(LENGTH.replace(b"req_1", b"r" + b" " * 65_000 + end))
    assert time.process_time() - began < 2


def test_headers_of_none_are_empty() -> None:
    assert Headers().get("retry-after") is None


def test_a_request_is_written() -> None:
    assert written("POST", "/v1/x?a=b", {"Host": "h:1", "A": ""}, "n=\u00e9") == (
        b"POST /v1/x?a=b HTTP/1.1\r\nHost: h:1\r\nA: \r\nContent-Length: 4\r\n\r\nn=\xc3\xa9"
    )


def test_only_a_request_without_a_body_has_no_length() -> None:
    assert written("GET", "/", {"Host": "h"}, None) == b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"
    assert b"\r\nContent-Length: 0\r\n" in written("POST", "/", {"Host": "h"}, None)
    assert written("POST", "/", {"Host": "h"}, b"\0\1").endswith(b": 2\r\n\r\n\0\1")


@pytest.mark.parametrize(
    ("method", "target", "headers"),
    [
        ("POST", "/ HTTP/1.1\r\nEvil: x", {}),
        ("POST", "/a b", {}),
        ("POST", "", {}),
        ("POST", "/\u00e9", {}),
        ("POST /evil", "/", {}),
        ("", "/", {}),
        ("POST", "/", {"A": "b\nEvil: x"}),
        ("POST", "/", {"A": "b\r\nEvil: x"}),
        ("POST", "/", {"A": "b\r"}),
        ("POST", "/", {"A": "b\0"}),
        ("POST", "/", {"A\r\nEvil": "x"}),
        ("POST", "/", {"A ": "x"}),
        ("POST", "/", {"": "x"}),
        ("POST", "/", {"A": "\u20ac"}),
    ],
)
def test_nothing_in_a_request_can_pass_for_another_part_of_it(
    method: str, target: str, headers: dict[str, str]
) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - whatever it says, nothing is written
        written(method, target, headers, None)
