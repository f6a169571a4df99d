"""Whatever a file holds: a RoutingFile or one ConfigurationError, and never a key in sight."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from stripe_billing_router.bootstrap import routing_file
from stripe_billing_router.errors import ConfigurationError
from tests.unit.config.config_samples import PLANTED, everything_shown, refused, written

words = st.sampled_from(
    "stripe eu finance bot overrides plan region policies hooks recovery http_timeout "
    "allowed_secret_keys fingerprint account default_currency product_id price_id customer_id "
    "secret_key currency".split()
)
planted = st.sampled_from(
    [
        *(PLANTED, f"{PLANTED} ", f"prefix {PLANTED}", f"a:{PLANTED}", f"[{PLANTED}]"),
        *(f"{PLANTED}\n", f"\n{PLANTED}", f"x{PLANTED}", f"0{PLANTED}", f"price_{PLANTED}"),
    ]
)
leaves = st.one_of(
    planted, words, st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8)
)
names = st.one_of(words, words, planted, st.text(max_size=8))
data = st.recursive(
    leaves,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(names, inner, max_size=5)),
    max_leaves=40,
)
_PIECES = "{ } [ ] , : - ? # | > % ' \" << <<: &a *a !! !x --- ... stripe: eu \\x".split()
pieces = st.sampled_from(
    [
        *(piece.encode() for piece in _PIECES),
        *(b" ", b"\n", b"\n  ", b": ", b"- ", b"\t", b"\xff", b"\x00", b"\xef\xbb\xbf"),
        PLANTED.encode(),
    ]
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


def _loads_or_says_why(path: Path) -> None:
    shown = ""
    try:
        shown = repr(routing_file(path))
    except ConfigurationError as error:
        shown = everything_shown(error)
    assert PLANTED not in shown


@settings(max_examples=400, deadline=None)
@given(content=st.one_of(st.binary(max_size=200), st.lists(pieces, max_size=40).map(b"".join)))
@example(content=b"a: !<" + PLANTED.encode() + b"%ff> b")
@example(content=PLANTED.encode())
def test_any_bytes_at_all(folder: Path, content: bytes) -> None:
    for name in ("f.yaml", "f.json"):
        _loads_or_says_why(written(folder, content, name))


@settings(max_examples=400, deadline=None)
@given(content=st.one_of(data, st.dictionaries(names, data, max_size=6)))
def test_any_nested_data(folder: Path, content: Any) -> None:
    _loads_or_says_why(written(folder, json.dumps(content), "f.json"))
    _loads_or_says_why(written(folder, yaml.safe_dump(content, allow_unicode=True), "f.yaml"))


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _places(inner, (*path, key))


def _faultless() -> dict[str, Any]:
    route = {"product_id": "prod_1", "price_id": "price_1", "customer_id": "cus_1"}
    return {
        "default_currency": "usd",
        "allowed_secret_keys": [{"fingerprint": "sha256:" + "a" * 64, "account": "acct_1"}],
        "recovery": {"http_timeout": 30},
        "policies": {"freeze_on_discrepancy": True, "rules": {"r": _faultless_rule()}},
        "stripe": {"eu": {"f": {"b": {**route, "overrides": {"k": {"v": {"currency": "eur"}}}}}}},
    }


def _faultless_rule() -> dict[str, Any]:
    return {
        "match": {"bot_name": "b*"},
        "verbs": ["charge"],
        "currencies": ["usd"],
        "largest": {"usd": 5},
        "budgets": [{"per": "day", "amount": 5, "currency": "usd", "shared": True}],
        "calls": [{"per": "day", "limit": 5}],
        "refunds": "own_payments",
    }


_WHERE_KEYS_BELONG: list[tuple[tuple[Any, ...], Any]] = [
    (("allowed_secret_keys",), [PLANTED]),
    (("allowed_secret_keys", 0), PLANTED),
    (("allowed_secret_keys", 0), f"\n {PLANTED}"),
]


@pytest.mark.parametrize(
    "planting", [PLANTED, [PLANTED], {PLANTED: PLANTED}, f"\n {PLANTED}", f"x\n{PLANTED}"]
)
@pytest.mark.parametrize("place", list(_places(_faultless()))[1:], ids=str)
def test_a_key_planted_anywhere_is_refused_and_never_shown(
    tmp_path: Path, place: tuple[Any, ...], planting: Any
) -> None:
    """As a value, inside a list, as the name of a field: at every place of a faultless file."""
    content = _faultless()
    inner: Any = content
    for step in place[:-1]:
        inner = inner[step]
    inner[place[-1]] = planting
    for name, text in (("f.json", json.dumps(content)), ("f.yaml", yaml.safe_dump(content))):
        path = written(tmp_path, text, name)
        if (place, planting) in _WHERE_KEYS_BELONG:
            assert PLANTED not in repr(routing_file(path))
        else:
            refused(path)


def test_a_file_cut_off_anywhere_never_crashes_the_reader(tmp_path: Path) -> None:
    source = random.Random(5)
    for dump in (json.dumps(_faultless()), yaml.safe_dump(_faultless())):
        for _ in range(100):
            cut = dump[: source.randrange(len(dump))]
            _loads_or_says_why(written(tmp_path, cut, "f.yaml"))
            _loads_or_says_why(written(tmp_path, cut, "f.json"))
