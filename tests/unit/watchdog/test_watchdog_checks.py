"""Each check by itself, at its edges: what it means, and what it does not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from stripe_billing_router.config import InstructionsFile
from stripe_billing_router.master_account import STRIPE_MASTER_ACCOUNT_ID
from stripe_billing_router.models import BookedEntry, BookedOperation, Shown
from stripe_billing_router.stripe_watchdog.cases import (
    Case,
    Claim,
    Dispute,
    Endpoint,
    KeyAccount,
    RoutedObject,
    Takings,
    View,
)
from stripe_billing_router.stripe_watchdog.checks import CHECKS
from stripe_billing_router.stripe_watchdog.judging import Judge
from stripe_billing_router.stripe_watchdog.limits import DAY_MS, Limits
from stripe_billing_router.stripe_watchdog.movements import Movement

NOW_MS = 1_793_000_000_000
LIMITS = Limits(0, approved_workflows=frozenset({"finance:bot"}))

CHARGE = Shown(
    "charge",
    "ch_1",
    "pi_1",
    NOW_MS - 5 * DAY_MS,
    "succeeded",
    1999,
    "usd",
    ("ch_1", "pi_1"),
    "op_1",
    "finance:bot",
    balance_minor=1999,
    balance_currency="usd",
)
REFUND = replace(CHARGE, kind="refund", id="re_1", ids=("re_1",))
FAILURE = replace(CHARGE, kind="failure", id="evt_1", status="failed", collected_minor=0)
ENTRY = BookedEntry(
    7, "pi_1", "charge", 1999, "usd", NOW_MS, "finance:bot", None, "op_1", "succeeded"
)
OPERATION = BookedOperation("op_1", "finance:bot", "charge", "succeeded", STRIPE_MASTER_ACCOUNT_ID)


def found(case: Case, limits: Limits = LIMITS, routed: tuple[str, ...] = ()) -> list[str]:
    view = View(limits, NOW_MS, frozenset(routed))
    return [finding.check for finding in Judge(view, lambda fingerprint: True).findings(case)]


def test_every_check_has_an_id_of_its_own_and_a_severity() -> None:
    ids = [check.id for check in CHECKS]
    assert len(set(ids)) == len(ids) == 21
    assert all(1.0 <= check.severity <= 5.0 for check in CHECKS)


def test_every_check_has_an_instruction_for_people_without_a_file(tmp_path: Path) -> None:
    told = InstructionsFile(tmp_path / "none.yaml")().events
    assert [check.id for check in CHECKS if not told[check.id].instruction] == []
    assert [told[check.id].severity for check in CHECKS] == [None] * len(CHECKS)


def test_the_severities_that_people_know() -> None:
    known = {check.id: check.severity for check in CHECKS}
    assert known["missing_charge"] == 2.5
    assert known["account_mismatch"] == 5.0
    assert known["revenue_mismatch"] == 4.0
    assert {c.id: c.alert_name for c in CHECKS}["unknown_webhook"] == "stripe_unknown_endpoint"


@pytest.mark.parametrize(
    ("movement", "expected"),
    [
        (Movement(CHARGE, (ENTRY,)), []),
        (Movement(CHARGE, (), OPERATION), ["missing_charge"]),
        (Movement(CHARGE, (replace(ENTRY, status="failed"),), OPERATION), ["missing_charge"]),
        (Movement(CHARGE, (), replace(OPERATION, state="pending")), []),
        (Movement(CHARGE, (), replace(OPERATION, state="unknown")), []),
        (Movement(CHARGE, (), replace(OPERATION, state="processing")), []),
        (Movement(CHARGE, (), replace(OPERATION, state="abandoned")), ["missing_charge"]),
        (Movement(CHARGE), ["unauthorized_charge"]),
        (Movement(replace(CHARGE, status="pending")), ["unauthorized_charge"]),
        (Movement(replace(CHARGE, status="pending"), (), OPERATION), []),
        (Movement(replace(CHARGE, status="failed")), ["unauthorized_failure"]),
        (Movement(replace(CHARGE, status="failed"), (), OPERATION), ["missing_failure_log"]),
        (Movement(CHARGE, (), OPERATION, (replace(ENTRY, id="pi_0"),)), ["duplicate_charge"]),
        (
            Movement(CHARGE, (), OPERATION, (replace(ENTRY, id="pi_0", status="failed"),)),
            ["missing_charge"],
        ),
        (Movement(replace(CHARGE, renewal=True), (), OPERATION), []),
        (Movement(replace(CHARGE, renewal=True)), ["unauthorized_charge"]),
        (Movement(replace(CHARGE, renewal=True, status="failed"), (), OPERATION), []),
    ],
)
def test_charges(movement: Movement, expected: list[str]) -> None:
    assert found(movement) == expected


def test_a_first_attempt_that_failed_before_another_card_paid() -> None:
    assert found(Movement(replace(CHARGE, status="failed", collected_minor=0), (ENTRY,))) == []


@pytest.mark.parametrize(
    ("movement", "expected"),
    [
        (Movement(REFUND, (replace(ENTRY, id="re_1"),)), []),
        (Movement(REFUND), ["unauthorized_refund"]),
        (Movement(replace(REFUND, status="pending")), ["unauthorized_refund"]),
        (Movement(replace(REFUND, status="requires_action")), ["unauthorized_refund"]),
        (Movement(replace(REFUND, status="failed", collected_minor=0)), []),
        (Movement(REFUND, (), OPERATION), ["missing_refund"]),
        (Movement(REFUND, (), replace(OPERATION, state="processing")), []),
        (Movement(replace(REFUND, status="pending"), (), OPERATION), []),
        (
            Movement(replace(REFUND, status="failed", collected_minor=0), (ENTRY,)),
            ["amount_mismatch"],
        ),
    ],
)
def test_refunds(movement: Movement, expected: list[str]) -> None:
    assert found(movement) == expected


@pytest.mark.parametrize(
    ("movement", "expected"),
    [
        (Movement(FAILURE), ["unauthorized_failure"]),
        (Movement(FAILURE, (), OPERATION), ["missing_failure_log"]),
        (Movement(FAILURE, (replace(ENTRY, status="failed"),), OPERATION), []),
        (Movement(FAILURE, (), OPERATION, (replace(ENTRY, id="op_1", status="failed"),)), []),
        (Movement(FAILURE, (), replace(OPERATION, state="requires_action")), []),
        (Movement(replace(FAILURE, renewal=True), (), OPERATION), []),
    ],
)
def test_failures(movement: Movement, expected: list[str]) -> None:
    assert found(movement) == expected


def test_amounts_within_the_tolerance_are_in_order() -> None:
    movement = Movement(replace(CHARGE, balance_minor=1997), (replace(ENTRY, amount_minor=1998),))
    assert found(movement) == ["amount_mismatch", "balance_mismatch"]
    tolerant = replace(LIMITS, amount_tolerance_minor=1, balance_tolerance_minor=2)
    assert found(movement, tolerant) == []


def test_another_currency_is_no_other_amount() -> None:
    movement = Movement(CHARGE, (replace(ENTRY, currency="jpy", amount_minor=20),))
    assert found(movement) == ["currency_mismatch"]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"balance_minor": None, "balance_currency": None}, ["balance_mismatch"]),
        ({"balance_minor": 1998}, ["balance_mismatch"]),
        ({"balance_currency": "eur"}, ["balance_mismatch"]),
        ({"balance_minor": 1750, "balance_currency": "eur", "converted": True}, []),
        ({"balance_minor": None, "created_ms": NOW_MS - 2 * DAY_MS}, []),
        ({"balance_minor": None, "collected_minor": 0}, ["amount_mismatch"]),
    ],
)
def test_balances_after_the_settlement_lag(changes: dict[str, Any], expected: list[str]) -> None:
    assert found(Movement(replace(CHARGE, **changes), (ENTRY,))) == expected


@pytest.mark.parametrize(
    ("approved", "routed", "named", "expected"),
    [
        ({"finance:bot"}, (), "finance:bot", []),
        ({"finance:other"}, ("finance:bot",), None, ["unapproved_workflow"]),
        (set(), ("finance:bot",), None, []),
        (set(), ("finance:other",), None, ["unapproved_workflow"]),
        ({"finance:bot", "finance:x"}, (), "finance:x", ["unapproved_workflow"]),
    ],
)
def test_workflows(
    approved: set[str], routed: tuple[str, ...], named: str | None, expected: list[str]
) -> None:
    limits = replace(LIMITS, approved_workflows=frozenset(approved))
    assert found(Movement(replace(CHARGE, bot_id=named), (ENTRY,)), limits, routed) == expected


@pytest.mark.parametrize(
    ("shown", "what"),
    [
        (CHARGE, "collected"),
        (REFUND, "given back"),
        (replace(CHARGE, status="failed"), "attempted"),
        (FAILURE, "attempted"),
    ],
)
def test_a_bot_that_nobody_approved_is_found_whatever_it_did(shown: Shown, what: str) -> None:
    movement = Movement(shown, (ENTRY,))
    view = View(replace(LIMITS, approved_workflows=frozenset()), NOW_MS, frozenset())
    findings = list(Judge(view, lambda _: True).findings(movement))
    (message,) = [one.message for one in findings if one.check == "unapproved_workflow"]
    assert what in message
    assert "unapproved_workflow" not in found(movement)


def test_accounts_by_charge_and_by_entry_are_one_problem() -> None:
    shown, entry = (
        replace(CHARGE, destination="acct_x"),
        replace(ENTRY, destination_account="acct_x"),
    )
    seen: list[str] = []

    def is_new(fingerprint: str) -> bool:
        seen.append(fingerprint)
        return seen.count(fingerprint) == 1

    judge = Judge(View(LIMITS, NOW_MS, frozenset()), is_new)
    cases: list[Case] = [Movement(shown, (entry,)), Claim(entry, collected=True)]
    (finding,) = [finding for case in cases for finding in judge.findings(case)]
    assert (finding.check, finding.subject, finding.account_id) == (
        "account_mismatch",
        "op_1",
        "acct_x",
    )
    allowed = replace(LIMITS, allowed_accounts=frozenset({"acct_x"}))
    assert found(Claim(entry, collected=True), allowed) == []
    assert found(Claim(replace(entry, destination_account=STRIPE_MASTER_ACCOUNT_ID), True)) == []


def test_a_foreign_key() -> None:
    assert found(KeyAccount("key_account", "acct_x", "acct_y")) == ["account_mismatch"]
    assert found(KeyAccount("key", None, "acct_y")) == ["account_mismatch"]


def test_what_stripe_does_not_show() -> None:
    assert found(Claim(ENTRY, collected=True)) == []
    assert found(Claim(ENTRY, collected=False)) == ["orphan_ledger_entry"]


@pytest.mark.parametrize(
    ("listed", "status", "expected"),
    [
        ({"we_1"}, "enabled", []),
        ({"https://a.example/hook"}, "enabled", []),
        ({"https://a.example/hook/"}, "enabled", []),
        ({"https://a.example/other"}, "enabled", ["unknown_webhook"]),
        (set(), "enabled", ["unknown_webhook"]),
        (set(), "disabled", ["unknown_webhook"]),
        ({"we_1"}, "disabled", ["disabled_webhook"]),
        ({"https://a.example/hook"}, "disabled", ["disabled_webhook"]),
    ],
)
def test_endpoints_by_id_or_by_url(listed: set[str], status: str, expected: list[str]) -> None:
    limits = replace(LIMITS, authorized_webhooks=frozenset(listed))
    assert found(Endpoint("we_1", "https://a.example/hook", status), limits) == expected


def test_a_url_is_told_without_its_secrets() -> None:
    url = "https://user:pass@a.example:8443/hook?token=hidden"
    view = View(LIMITS, NOW_MS, frozenset())
    (finding,) = Judge(view, lambda _: True).findings(Endpoint("we_1", url, "enabled"))
    told = f"{finding.message} {finding.details}"
    assert "https://a.example:8443/hook" in told
    assert "hidden" not in told
    assert "pass" not in told


@pytest.mark.parametrize(
    ("difference", "explained", "expected"),
    [
        (0, 0, []),
        (500, 500, []),
        (500, 0, ["revenue_mismatch"]),
        (0, 10, []),
        (11, 0, ["revenue_mismatch"]),
    ],
)
def test_sums(difference: int, explained: int, expected: list[str]) -> None:
    limits = replace(LIMITS, revenue_tolerance_minor=10)
    takings = Takings("2026-11-20", "usd", 1000, 1000 + difference, explained)
    assert found(takings, limits) == expected


def test_disputes_and_routes() -> None:
    dispute = Dispute("dp_1", "needs_response", "pi_1", "fraudulent", None, 100, "usd", NOW_MS)
    assert found(dispute) == ["dispute_opened"]
    assert found(RoutedObject("price_1", "price", ("a.b",), {"active": True})) == []
    assert found(RoutedObject("cus_1", "customer", ("a.b",), {"id": "cus_1"})) == []
    assert found(RoutedObject("price_1", "price", ("a.b",), {"active": False})) == ["route_drift"]
    assert found(RoutedObject("cus_1", "customer", ("a.b",), None)) == ["route_drift"]
