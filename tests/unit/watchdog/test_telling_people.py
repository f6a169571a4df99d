"""The summary on a terminal, the text that cron mails, and JSON."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from typing import Any

from rich.console import Console

from stripe_billing_router.stripe_watchdog import plain, terminal
from stripe_billing_router.stripe_watchdog.findings import Finding
from stripe_billing_router.stripe_watchdog.inspection import Progress
from stripe_billing_router.stripe_watchdog.sanity import RecordedBySanityLayer
from stripe_billing_router.stripe_watchdog.tally import Shown
from tests.unit.watchdog.results import result

MARKUP = "[red]x[/red] [link=https://evil.example]y[/link] \x1b[31m"
FINDINGS = [
    Finding("ledger_tampered", 5.0, "finance:bot", "entry 3 was changed. Stop the bots."),
    Finding(
        "unauthorized_charge", 3.5, "ch_1", MARKUP, amount_minor=199_900, currency="usd", at_ms=1
    ),
]


def on_terminal(*findings: Finding) -> str:
    console = Console(file=io.StringIO(), force_terminal=True, width=100, color_system=None)
    terminal.show(result(findings), console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_terminal_shows_severity_in_words_and_amounts_in_major_units() -> None:
    text = on_terminal(*FINDINGS)
    for told in ("2 findings, 2 of them new", "5.0 critical", "3.5 warning", "1,999.00 usd"):
        assert told in text


def test_markup_and_control_characters_of_others_are_no_instructions() -> None:
    text = on_terminal(*FINDINGS)
    assert "[red]x[/red]" in text
    assert "\x1b[31m" not in text


def test_a_terminal_is_not_flooded() -> None:
    many = [Finding("missing_charge", 2.5, f"ch_{n}", "It is missing.") for n in range(80)]
    text = on_terminal(*many)
    assert text.count("It is missing.") == 50
    assert "30 more: see --json or --report." in text


def test_text_has_a_line_for_each_finding() -> None:
    told = result(FINDINGS, findings=[Shown(FINDINGS[0], is_new=False)], open_before=1)
    lines = plain.as_text(told).splitlines()
    assert lines[1] == (
        "5.0 ledger_tampered finance:bot: entry 3 was changed. Stop the bots. (told before)"
    )
    assert lines[2] == "1 less severe finding: see the audit log."
    assert lines[3].startswith("1 finding of earlier runs")


def test_json_is_whole_and_has_times_in_one_shape() -> None:
    found = json.loads(plain.as_json(result(FINDINGS, marker_ms=1_795_000_000_000)))
    assert found["counts"] == {"ledger_tampered": 1, "unauthorized_charge": 1}
    assert found["findings"][1]["at"] == "1970-01-01T00:00:00.001Z"
    assert found["marker"] == "2026-11-18T11:06:40.000Z"


def test_progress_is_only_shown_on_a_terminal() -> None:
    with terminal.progress() as progress:
        progress(Progress("charges", 5))


class Layer:
    """Remembers what it was given."""

    def __init__(self) -> None:
        self.given: list[Recorded] = []

    def record_payment_anomaly(
        self, event_type: str, metadata: Mapping[str, Any], *, severity: float
    ) -> None:
        self.given.append(Recorded(event_type, metadata, severity))

    def list_anomalies(self, *, event_type: str, limit: int) -> list[Recorded]:
        return [one for one in self.given if one.event_type == event_type][:limit]


class Recorded:
    def __init__(self, event_type: str, metadata: Mapping[str, Any], severity: float) -> None:
        self.event_type = event_type
        self.metadata = metadata
        self.severity = severity
        self.last_ms = 1000


def test_the_sanity_layer_gets_a_finding_with_its_severity_and_knows_it_again() -> None:
    layer = Layer()
    RecordedBySanityLayer(layer).record(FINDINGS[0])
    (given,) = layer.given
    assert (given.event_type, given.severity) == ("ledger_tampered", 5.0)
    assert RecordedBySanityLayer(layer).holds(FINDINGS[0], 1000)
    assert not RecordedBySanityLayer(layer).holds(FINDINGS[0], 1001)
    assert not RecordedBySanityLayer(layer).holds(FINDINGS[1], 0)
