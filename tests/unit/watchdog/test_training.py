"""Training examples: once each, without personal data, and read back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from stripe_billing_router.errors import ConfigurationError
from stripe_billing_router.training import TrainingExample, TrainingFile, impersonal, load

ANOMALY = {"fingerprint": "f1", "type": "missing_charge", "severity": 2.5}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "training_data" / "stripe_anomalies.jsonl"


def test_a_line_has_source_content_and_timestamp_and_nothing_else(path: Path) -> None:
    assert TrainingFile(path).append("stripe_watchdog", ANOMALY, 1_795_000_000)
    (line,) = [json.loads(text) for text in path.read_text().splitlines()]
    assert line.keys() == {"source", "content", "timestamp"}
    assert (line["source"], line["timestamp"]) == ("stripe_watchdog", 1_795_000_000)
    assert json.loads(line["content"]) == ANOMALY


def test_what_was_written_is_loaded(path: Path) -> None:
    TrainingFile(path).append("stripe_watchdog", ANOMALY, 1)
    assert list(load(path)) == [TrainingExample("stripe_watchdog", ANOMALY, 1)]
    assert list(load(path.with_name("absent"))) == []


def test_an_anomaly_is_there_once_also_over_runs_and_when_its_words_have_changed(
    path: Path,
) -> None:
    file = TrainingFile(path)
    assert [file.append("stripe_watchdog", ANOMALY, 1) for _ in range(2)] == [True, False]
    later = {**ANOMALY, "message": "since 75 minutes"}
    assert not TrainingFile(path).append("stripe_watchdog", later, 2)
    assert TrainingFile(path).append("another_source", ANOMALY, 2)
    unnamed = {"type": "x"}
    assert [TrainingFile(path).append("s", unnamed, 1) for _ in range(2)] == [True, False]


PERSONAL = {
    "type": "x",
    "receipt_email": "Jane.Doe+x@Example.co.uk",
    "message": "sent to jane.doe+x@example.co.uk, or <müller@example.de>.",
    "billing_details": {"name": "Jane Doe", "address": {"line1": "Road 1"}},
    "nested": [{"phone": "+44 1", "customer": "cus_1", "someone@example.org": 1}],
    "secret": "sk_live_abcdefghijklmnop",
}


def test_no_personal_data_and_no_key_is_written(path: Path) -> None:
    TrainingFile(path).append("stripe_watchdog", PERSONAL, 1)
    text = path.read_text().lower()
    for personal in ("jane", "example", "ller", "road", "+44", "abcdefghijkl"):
        assert personal not in text
    assert "cus_1" in text


def test_the_same_address_has_the_same_hash() -> None:
    one, two = impersonal(["a@Example.org", "Write to A@example.org."])
    assert one.startswith("sha256:")
    assert two == f"Write to {one}."


def test_a_torn_last_line_is_mended_before_anything_is_added(path: Path) -> None:
    TrainingFile(path).append("stripe_watchdog", ANOMALY, 1)
    path.write_bytes(path.read_bytes() + b'{"source": "stri')
    TrainingFile(path).append("stripe_watchdog", {"type": "other"}, 2)
    assert [example.timestamp for example in load(path)] == [1, 2]


@pytest.mark.parametrize(
    "line",
    [
        "no json",
        '{"source": "s", "content": "{}"}',
        '{"source": "s", "content": "no json", "timestamp": 1}',
        '{"source": "s", "content": {"a": 1}, "timestamp": 1}',
        '{"source": 1, "content": "{}", "timestamp": 1}',
        '{"source": "s", "content": "{\\"check\\": \\"x\\"}", "timestamp": 1}',
    ],
)
def test_a_line_that_is_no_example_is_named(path: Path, line: str) -> None:
    TrainingFile(path).append("stripe_watchdog", ANOMALY, 1)
    path.write_text(path.read_text() + line + "\n")
    with pytest.raises(ConfigurationError, match="Line 2"):
        list(load(path))


def test_several_writers_of_one_source_write_each_anomaly_once(path: Path) -> None:
    """Each looks first at what the others have written."""
    files = [TrainingFile(path) for _ in range(3)]
    wrote = [file.append("s", {"type": "x", "n": n}, n) for n in range(5) for file in files]
    assert wrote.count(True) == len(list(load(path))) == 5


def test_a_file_that_was_put_away_is_begun_anew(path: Path) -> None:
    file = TrainingFile(path)
    assert file.append("s", ANOMALY, 1)
    path.rename(path.with_name("old.jsonl"))
    assert file.append("s", ANOMALY, 2)
    assert not file.append("s", ANOMALY, 3)


def test_making_a_writer_makes_no_folder(path: Path) -> None:
    TrainingFile(path)
    assert not path.parent.exists()
