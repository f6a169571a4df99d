"""The billing instructions: checked, read again when they change, never replaced by a fault."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from stripe_billing_router.config import InstructionsFile, instructions_file
from stripe_billing_router.config.instructions import load_instructions
from stripe_billing_router.config.template import INSTRUCTIONS_PATH, instructions_template
from stripe_billing_router.errors import ConfigurationError
from stripe_billing_router.models import BillingInstructions, EventInstruction

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "billing_instructions.yaml"


def test_the_repositorys_own_file_is_the_packages_template() -> None:
    assert (ROOT / INSTRUCTIONS_PATH).read_text(encoding="utf-8") == instructions_template()


def test_the_template_says_what_holds_without_it(path: Path) -> None:
    path.write_text(instructions_template())
    found = load_instructions(path)
    default = BillingInstructions()
    assert (found.send_from, found.repeat_window) == (default.send_from, default.repeat_window)
    assert (found.events["account_mismatch"].instruction or "").startswith("A key, a route")
    assert found.events["operation.escalated"] == EventInstruction(None, 4.5)


@pytest.mark.parametrize("text", ["", "thresholds:\nevents:\n", "events: {x: , y: {}}"])
def test_what_is_left_out_has_its_default(path: Path, text: str) -> None:
    path.write_text(text)
    found = load_instructions(path)
    assert (found.send_from, found.repeat_window) == (4.0, 3600.0)
    assert set(found.events.values()) <= {EventInstruction()}


FAULTY = """
thresholds: {send_from: 6, repeat_window: soon, repeat: 1}
event: {}
events:
  a: {severity: high, instruction: []}
  b: {severty: 1}
  c: text
  d: {severity: -1}
  d: {severity: 1}
"""


def test_every_fault_is_told_in_one_error(path: Path) -> None:
    path.write_text(FAULTY)
    with pytest.raises(ConfigurationError) as raised:
        load_instructions(path)
    assert sorted(f"{where}: {what}" for where, what in raised.value.faults) == [
        "event: is unknown; there are thresholds, events",
        "events.a.instruction: is [], not a text of 1 to 4000 characters",
        "events.a.severity: is 'high', not a number from 0 to 5",
        "events.b.severty: is unknown; there are instruction, severity",
        "events.c: is not a mapping of names to values",
        "events: 'd' is given again in line 9; keep one of them",
        "thresholds.repeat: is unknown; there are send_from, repeat_window",
        "thresholds.repeat_window: is 'soon', not a number of seconds such as 3600",
        "thresholds.send_from: is more than 5",
    ]


@pytest.mark.parametrize("text", ["[]", "text", "events: []", "thresholds: 5"])
def test_what_is_no_mapping_is_told(path: Path, text: str) -> None:
    path.write_text(text)
    with pytest.raises(ConfigurationError, match="is not a mapping"):
        load_instructions(path)


def test_a_change_applies_at_once_and_a_broken_one_never(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    instructions = InstructionsFile(path)
    assert instructions().send_from == BillingInstructions().send_from
    path.write_text("thresholds: {send_from: 1}")
    assert instructions().send_from == 1
    path.write_text("thresholds: {send_frm: 2}")
    for _ in range(3):
        assert instructions().send_from == 1
    assert caplog.text.count("the last good billing instructions stay in force") == 1
    assert "send_frm" in caplog.text
    path.write_text("thresholds: {send_from: 3}")
    assert instructions().send_from == 3
    path.unlink()
    assert instructions().send_from == BillingInstructions().send_from


def test_a_change_of_the_same_size_is_seen_by_its_time(path: Path) -> None:
    path.write_text("thresholds: {send_from: 1}")
    instructions = InstructionsFile(path)
    path.write_text("thresholds: {send_from: 2}")
    os.utime(path, ns=(1, 1))
    assert instructions().send_from == 2


def test_a_file_that_is_not_read_again_costs_no_reading(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path.write_text("thresholds: {send_from: 1}")
    instructions = InstructionsFile(path)
    monkeypatch.setattr(instructions_file, "load_instructions", None)
    assert instructions() is instructions()


def test_a_router_does_not_start_with_a_broken_file(path: Path) -> None:
    path.write_text("x: 1")
    with pytest.raises(ConfigurationError, match="billing_instructions"):
        InstructionsFile(path)
