"""Files that are no YAML, no JSON, no text or no files: one clear error, and soon."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from stripe_billing_router.bootstrap import routing_file
from stripe_billing_router.config.documents import read_document
from stripe_billing_router.config.faults import faulty
from stripe_billing_router.models import Fault
from tests.unit.config.config_samples import (
    PLANTED,
    ROUTE,
    everything_shown,
    messages,
    refused,
    written,
)


def _bomb(levels: int) -> str:
    first = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
    return first + "".join(
        f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, levels)
    )


UNREADABLE: dict[str, tuple[str | bytes, str]] = {
    "nothing": ("", "is empty"),
    "only a comment": ("# nothing", "is empty"),
    "a list": ("- a", "is no mapping but ['a']"),
    "a text": (PLANTED, "is no mapping"),
    "an unclosed quote": ("a: '", "is not YAML"),
    "two colons": ("a: b: c", "is not YAML: mapping values are not allowed"),
    "a tab": ("a:\n\tb: c", "is not YAML"),
    "a control character": (b"a: \x01", "characters that YAML does not allow"),
    "binary": (b"\x89PNG\r\n\x1a\n\x00\x00", "is not UTF-8 text (at byte 0)"),
    "latin 1": ("a: é".encode("latin-1"), "is not UTF-8 text (at byte 3); save it as UTF-8"),
    "utf-16": ("a: b".encode("utf-16"), "is not UTF-8 text"),
    "two documents": ("a: 1\n---\nb: 2", "a second document from line 2"),
    "an unknown alias": ("a: *b", "an alias in line 1 that names no anchor before it"),
    "a self-reference": ("a: &a [*a]", "names no anchor before it"),
    "an alias as a key": ("a: &a b\n*a : c", "an alias as a key in line 2"),
    "a list as a key": ("[a]: b", "a key that is not text in line 1"),
    "a mapping as a key": ("a:\n  {b: c}: d", "a: has a key that is not text in line 2"),
    "deep flow lists": ("[" * 100_000, "nested deeper than 32 levels in line 1"),
    "deep lists from the second line on": ("a: [[[\n" + "[" * 2_000, "than 32 levels in line 2"),
    "deep lists that are closed": ("a: " + "[" * 1_500 + "]" * 1_500, "deeper than 32 levels"),
    "deep flow mappings": ("{a: " * 100_000, "nested deeper than 32 levels"),
    "deep blocks": ("\n".join(" " * n + "a:" for n in range(100)), "deeper than 32 levels"),
    "an alias bomb": (_bomb(12), "aliases that stand for more than a million entries"),
    "a broken escape": (f'a: "{PLANTED}\\q"', "is not YAML: found unknown escape character"),
    "a broken tag": (f"a: !<{PLANTED}", "is not YAML"),
    "an unknown directive": (f"%YAML 3.{PLANTED}\n---\na: b", "is not YAML"),
}


@pytest.mark.parametrize("case", UNREADABLE)
def test_yaml_that_cannot_be_read_is_refused(tmp_path: Path, case: str) -> None:
    text, says = UNREADABLE[case]
    started = time.perf_counter()
    assert says in "\n".join(messages(refused(written(tmp_path, text))))
    assert time.perf_counter() - started < 5


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is not JSON: Expecting value in line 1, column 1"),
        ("null", "is empty"),
        ('{"a": ', "is not JSON"),
        ('{"a": NaN}', "NaN is no number"),
        ('{"a": -Infinity}', "-Infinity is no number"),
        ("[" * 100_000, "nested too deeply"),
        ('{"a":' * 100_000, "nested too deeply"),
        ("9" * 100_000, "is no mapping but '999"),
        ('"\\ud800"', "is no mapping but '\\ud800'"),
        (f'"{PLANTED}', "is not JSON: Unterminated string"),
        ('{"a\\u001b[31m": 1}', "'a\\x1b[31m': is not a mapping of regions but '1'"),
    ],
)
def test_json_that_cannot_be_read_is_refused(tmp_path: Path, text: str, says: str) -> None:
    assert says in "\n".join(messages(refused(written(tmp_path, text, "routes.json"))))


def test_a_byte_order_mark_does_no_harm(tmp_path: Path) -> None:
    for name in ("routes.yaml", "routes.json"):
        text = b'\xef\xbb\xbf{"default_currency": "chf"}'
        assert routing_file(written(tmp_path, text, name)).default_currency == "chf"


@pytest.mark.parametrize("suffix", ["yaml", "json"])
def test_what_is_no_file_is_refused_without_waiting(tmp_path: Path, suffix: str) -> None:
    pipe = tmp_path / f"pipe.{suffix}"
    os.mkfifo(pipe)
    for path in (tmp_path, pipe, Path("/dev/zero")):
        assert "is not a file" in str(refused(path))


def test_paths_that_cannot_be_are_refused(tmp_path: Path) -> None:
    loop = tmp_path / "loop.yaml"
    loop.symlink_to(loop)
    assert "does not exist" in str(refused(tmp_path / "absent.yaml"))
    assert "is not a possible path" in str(refused(tmp_path / "a\0b"))
    assert "cannot be read" in str(refused(tmp_path / ("x" * 300)))
    assert "cannot be read" in str(refused(loop))


def test_duplicates_in_yaml_are_told_with_path_and_line(tmp_path: Path) -> None:
    text = f"""
stripe:
  eu:
    finance:
      bot: {ROUTE}
      other: {ROUTE}
      bot: {ROUTE}
  eu:
    more:
      bot:
        product_id: prod_1
        price_id: price_1
        customer_id: cus_1
        price_id: price_2
default_currency: usd
default_currency: eur
"""
    assert messages(refused(written(tmp_path, text))) == [
        "stripe.eu.finance: 'bot' is given again in line 7; keep one of them",
        "stripe: 'eu' is given again in line 8; keep one of them",
        "stripe.eu.more.bot: 'price_id' is given again in line 14; keep one of them",
        "'default_currency' is given again in line 16; keep one of them",
    ]


def test_duplicates_in_json_are_told_with_their_path(tmp_path: Path) -> None:
    text = '{"stripe": {"eu": {"f": {"b": {"x": 1, "x": 2}, "b": {"y": 1, "y": 2, "y": 3}}}}}'
    found = messages(refused(written(tmp_path, text, "routes.json")))
    assert found[:3] == [
        "stripe.eu.f: 'b' is given twice",
        "stripe.eu.f.b: 'y' is given twice",
        "'x' is given twice, inside a value that is itself given twice",
    ]


def test_a_duplicate_key_is_not_shown_if_it_is_a_secret(tmp_path: Path) -> None:
    twice = f'{{"{PLANTED}": 1, "{PLANTED}": 2}}'
    for name in ("routes.yaml", "routes.json"):
        assert "[redacted]" in str(refused(written(tmp_path, twice, name)))


def test_anchors_and_merge_keys_share_what_routes_have_in_common(tmp_path: Path) -> None:
    text = """
stripe:
  eu: &eu
    finance:
      one: &one {product_id: prod_1, price_id: price_1, customer_id: &c cus_1, currency: eur}
      two:
        price_id: price_2
        <<: *one
      three:
        <<: [{price_id: price_3}, *one]
        customer_id: *c
  us: *eu
"""
    routes = routing_file(written(tmp_path, text)).routes
    assert {key[3]: route.price_id for key, route in routes.items() if key[1] == "us"} == {
        "one": "price_1",
        "two": "price_2",
        "three": "price_3",
    }
    assert {route.currency for route in routes.values()} == {"eur"}


@pytest.mark.parametrize("merge", ["5", "[5]", "null", "[]"])
def test_a_merge_of_what_is_no_mapping_is_refused_or_empty(tmp_path: Path, merge: str) -> None:
    path = written(tmp_path, f"stripe: {{eu: {{f: {{b: {{<<: {merge}}}}}}}}}")
    found = messages(refused(path))
    assert ("'<<' merges what is not a mapping" in found[0]) == (merge != "[]")


def test_scalars_stay_text_and_only_plain_nulls_are_none(tmp_path: Path) -> None:
    texts = "yes 010 1_0 1e3 2001-01-01 .inf 0x1F 1:30 NO =".split()
    items = [*texts, "'null'", '"~"', "''", "null", "Null", "NULL", "~"]
    found = read_document(written(tmp_path, f"[{', '.join(items)}]\n")).data
    assert found == [*texts, "null", "~", "", None, None, None, None]
    assert read_document(written(tmp_path, "a:\nb: ''")).data == {"a": None, "b": ""}


def test_numbers_of_json_stay_text(tmp_path: Path) -> None:
    document = read_document(written(tmp_path, "[1, 1.50, 1e3, true, null]", "x.json"))
    assert document.data == ["1", "1.50", "1e3", True, None]


def test_no_fault_carries_a_key_whoever_wrote_its_text() -> None:
    error = faulty("the file", [Fault(f"a.{PLANTED}", f"is {PLANTED}")], "Correct it.")
    assert error.faults == (("a.[redacted]", "is [redacted]"),)
    assert PLANTED not in everything_shown(error)
