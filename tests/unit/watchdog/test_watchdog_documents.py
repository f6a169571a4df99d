"""docs/watchdog.md and docs/codex_training_data.md say what the programs do."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from pathlib import Path

import pytest

from stripe_billing_router.config import WatchdogConfig
from stripe_billing_router.models import Anomaly
from stripe_billing_router.stripe_watchdog.describing import described
from stripe_billing_router.stripe_watchdog.findings import Finding
from stripe_billing_router.stripe_watchdog.options import parse
from stripe_billing_router.training import TrainingFile

DOCS = Path(__file__).parents[3] / "docs"
WATCHDOG = (DOCS / "watchdog.md").read_text()
TRAINING = (DOCS / "codex_training_data.md").read_text()


def rows(text: str, heading: str) -> set[str]:
    """The first names of the rows in the table below a heading."""
    table = text.partition(heading)[2].partition("\n\n")[2].partition("|---|")[2]
    return set(re.findall(r"^\| `([^` ]+)", table.partition("\n\n")[0], re.MULTILINE))


def test_every_option_is_explained_and_exists(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(["--help"])
    offered = set(re.findall(r"^  (--[a-z-]+)", capsys.readouterr().out, re.MULTILINE))
    assert rows(WATCHDOG, "## Options") == offered


def test_every_key_of_the_file_is_explained_and_exists() -> None:
    text = WATCHDOG.partition("## Configuration")[2].partition("## ")[0]
    assert set(re.findall(r"^\| `([a-z_]+)`", text, re.MULTILINE)) == {
        field.name for field in fields(WatchdogConfig)
    }
    for tolerance in (field.name for field in fields(WatchdogConfig().tolerances)):
        assert f"`{tolerance}`" in text


def test_every_name_of_an_example_is_explained() -> None:
    finding = described(Finding("missing_charge", 2.5, "ch_1", "It is missing."))
    finding["type"] = finding.pop("check")
    assert {name for name in finding if f"`{name}`" not in TRAINING} == set()


def test_the_example_that_reads_the_file_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    anomaly = Anomaly("a", "f", "x", None, None, {}, None, 1.0, False, False, 1, 6000, 6000)
    file = TrainingFile(Path("training_data/stripe_anomalies.jsonl"))
    file.append("stripe_watchdog", {"type": "missing_charge"}, 5)
    file.export(anomaly)
    (code,) = re.findall(r"```python\n(.*?)```", TRAINING, re.DOTALL)
    exec(compile(code, "docs", "exec"), {})  # noqa: S102 - our own document
    assert capsys.readouterr().out == "stripe_watchdog 5 missing_charge\nstripe_anomalies 6.0 x\n"


def test_the_line_that_is_shown_is_one() -> None:
    (line,) = re.findall(r"```json\n(.*?)\n```", TRAINING, re.DOTALL)
    assert json.loads(line).keys() == {"source", "content", "timestamp"}
