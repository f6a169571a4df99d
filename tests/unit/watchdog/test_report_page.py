"""The report as HTML: whole, escaped, and in need of nothing."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from stripe_billing_router.models import RecoveryReport
from stripe_billing_router.stripe_watchdog.findings import Finding
from stripe_billing_router.stripe_watchdog.inspection import DaySum
from stripe_billing_router.stripe_watchdog.register import Told
from stripe_billing_router.stripe_watchdog.report import page
from stripe_billing_router.stripe_watchdog.report.chart import series
from tests.unit.watchdog.results import result

HOSTILE = "</td><script>alert('x')</script><img src=https://evil.example/x onerror=alert(1)>&amp;"
VOID = {"meta", "br"}


class Reader(HTMLParser):
    """Checks that every element is closed in order, and keeps texts and attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


FINDINGS = [
    Finding("ledger_tampered", 5.0, "finance:bot", "entry 3 was changed. Stop the bots."),
    Finding(
        HOSTILE,
        3.5,
        HOSTILE,
        HOSTILE,
        bot_id=HOSTILE,
        amount_minor=1999,
        currency=HOSTILE,
        at_ms=1,
    ),
]
DAYS = [
    DaySum("2026-11-18", "usd", 1000, 1000),
    DaySum("2026-11-20", "usd", -500, 700),
    DaySum("2026-11-20", "jpy", 0, 0),
]


def test_every_element_is_closed_and_whatever_stripe_holds_is_only_text() -> None:
    told = [Told(HOSTILE, HOSTILE, None, 1, 1)]
    read = Reader(page(result(FINDINGS, days=DAYS, resolved=told, only=[HOSTILE])))
    assert read.open == []
    assert read.tags.isdisjoint({"script", "img", "link", "iframe", "object", "base", "form"})
    assert read.text.count(HOSTILE) >= 6


def test_the_page_asks_the_network_for_nothing() -> None:
    html = page(result(FINDINGS, days=DAYS))
    read = Reader(html)
    assert not {"src", "href", "action", "srcset"} & {name for name, _ in read.attributes}
    assert not any(name.startswith("on") for name, _ in read.attributes)
    assert "@import" not in html
    assert re.findall(r"url\((?!#)", html) == []


def test_severity_is_said_in_words() -> None:
    text = Reader(page(result(FINDINGS))).text
    assert "5.0 critical" in text
    assert "3.5 warning" in text


def test_days_without_money_are_there_and_differing_days_are_marked() -> None:
    usd = series(DAYS)[1]
    assert [pair.label for pair in usd.pairs] == ["2026-11-18", "2026-11-19", "2026-11-20"]
    assert (usd.ledger, usd.stripe, usd.differing) == (500, 1700, 1)
    html = page(result([], days=DAYS))
    assert html.count('class="differs" x=') == 1
    assert "2026-11-20: ledger -5.00 usd, Stripe 7.00 usd" in html


def test_a_long_window_is_shown_by_month() -> None:
    days = [DaySum(f"2026-{month:02}-15", "usd", 100, 100) for month in range(1, 12)]
    (found,) = series(days)
    assert (found.period, len(found.pairs), found.ledger) == ("month", 11, 1100)
    assert "Money by month" in page(result([], days=days))


@pytest.mark.parametrize("amount", [0, 1, 7, 99, 12_345, 10**15, -1, -(10**12)])
def test_a_chart_stays_inside_its_frame(amount: int) -> None:
    html = page(result([], days=[DaySum("2026-11-20", "usd", amount, amount // 2)]))
    svg = html[html.index('<svg class="chart"') :]
    found = re.findall(r'<rect class="\w+" x="(\S+)" y="(\S+)" width="(\S+)" height="(\S+)"', svg)
    assert len(found) == 2
    for x, y, width, height in (map(float, one) for one in found):
        assert 0 <= x <= x + width <= 920
        assert 0 <= y <= y + height <= 260


def test_a_quiet_window_says_so() -> None:
    text = Reader(page(result([]))).text
    assert "Nothing to report" in text
    assert "No money moved in this window." in text


def test_recovery_and_what_stands_outside_the_window_is_said() -> None:
    recovered = RecoveryReport(completed=("op_1", "op_2"))
    text = Reader(page(result([], recovered=recovered, open_before=3))).text
    assert "Recovered first: 2 completed." in text
    assert "3 findings of earlier runs cannot be seen in this window" in text
