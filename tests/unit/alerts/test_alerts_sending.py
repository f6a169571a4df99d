"""Sending alerts through apprise: in the background, bounded, and without showing a token."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from stripe_billing_router.alerts import Alert, AlertSender, alert_urls
from tests.unit.alerts.alert_samples import ALERT, FOREIGN, TOKEN, receiving

ROOT = Path(__file__).parents[3]


def test_an_alert_arrives_and_no_log_holds_the_token(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG), receiving() as receiver:
        sender = AlertSender([receiver.url])
        sender(ALERT)
        receiver.wait_for(1)
        sender.close()
    (body,) = receiver.bodies
    assert body["title"] == "critical_discrepancy (severity 5)"
    assert FOREIGN in body["message"]
    assert TOKEN not in caplog.text


@pytest.mark.parametrize(
    ("url", "told"),
    [
        (f"nonsense://{TOKEN}", "address 1 of STRIPE_ALERT_URLS (nonsense)"),
        (f"slack://{TOKEN}", "address 1 of STRIPE_ALERT_URLS (slack)"),
        (TOKEN, "an address without a scheme"),
        (f"json://127.0.0.1:1/{TOKEN}", "could not be sent with NotifyJSON"),
    ],
)
def test_an_address_that_does_not_work_is_told_without_its_token(
    url: str, told: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        sender = AlertSender([url])
        sender(ALERT)
        sender.close()
    assert told in caplog.text
    assert TOKEN not in caplog.text


def test_one_address_that_refuses_does_not_keep_the_next_from_hearing() -> None:
    with receiving(status=500) as deaf, receiving() as receiver:
        sender = AlertSender([f"nonsense://{TOKEN}", deaf.url, receiver.url])
        sender(ALERT)
        sender(ALERT)
        sender.close()
        assert (len(deaf.bodies), len(receiver.bodies)) == (2, 2)


def test_sending_holds_nobody_up_and_what_does_not_fit_is_counted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with receiving() as receiver:
        receiver.may_answer.clear()
        sender = AlertSender([receiver.url], longest_queue=2)
        sender(ALERT)
        receiver.wait_for(1)
        begun = time.monotonic()
        for _ in range(50):
            sender(ALERT)
        assert time.monotonic() - begun < 1
        assert "faster than they can be sent" in caplog.text
        receiver.may_answer.set()
        receiver.wait_for(2)
        sender(ALERT)
        sender.close()
    assert "48 alerts were not sent" in caplog.text
    assert len(receiver.bodies) == 4


def test_closing_waits_a_little_and_no_longer(caplog: pytest.LogCaptureFixture) -> None:
    with receiving() as receiver:
        receiver.may_answer.clear()
        sender = AlertSender([receiver.url])
        sender(ALERT)
        sender(ALERT)
        receiver.wait_for(1)
        sender.close(seconds=0.05)
        receiver.may_answer.set()
    assert "2 alerts were not sent in time" in caplog.text


def test_a_closed_sender_that_is_used_again_sends_again() -> None:
    with receiving() as receiver:
        sender = AlertSender([receiver.url])
        for _ in range(2):
            sender(ALERT)
            sender.close()
        assert len(receiver.bodies) == 2
    assert not [t for t in threading.enumerate() if t.name == "stripe-alerts" and t.is_alive()]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_sends_its_own_and_not_its_parents() -> None:
    script = """
import os, sys
from stripe_billing_router.alerts import Alert, AlertSender
sender = AlertSender([sys.argv[1]])
sender(Alert("of.parent", 5.0, "x", 1))
child = os.fork()
if not child:
    sender(Alert("of.child", 5.0, "x", 1))
    sender.close()
    os._exit(0)
os.waitpid(child, 0)
sender.close()
"""
    with receiving() as receiver:
        ran(script, receiver.url)
        titles = sorted(body["title"] for body in receiver.bodies)
    assert titles == ["of.child (severity 5)", "of.parent (severity 5)"]


def test_what_is_queued_at_the_end_of_the_program_is_sent() -> None:
    script = """
import sys
from stripe_billing_router.alerts import Alert, AlertSender
sender = AlertSender([sys.argv[1]])
for number in range(5):
    sender(Alert(f"number.{number}", 5.0, "x", 1))
"""
    with receiving() as receiver:
        ran(script, receiver.url)
        assert len(receiver.bodies) == 5


def ran(script: str, url: str) -> None:
    done = subprocess.run(
        # Newer Pythons warn of every fork beside threads; this is about what becomes of it.
        [sys.executable, "-W", "ignore:This process:DeprecationWarning", "-c", script, url],
        cwd=ROOT,
        timeout=60,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_without_apprise_it_is_told_once_and_nothing_breaks(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    sender = AlertSender([f"json://127.0.0.1/{TOKEN}"])
    for _ in range(3):
        sender(ALERT)
    sender.close()
    (record,) = caplog.records
    assert "stripe-billing-router[alerts]" in record.getMessage()
    assert TOKEN not in caplog.text
    assert not [t for t in threading.enumerate() if t.name == "stripe-alerts"]


def test_without_an_address_there_is_no_thread() -> None:
    sender = AlertSender(alert_urls({}))
    sender(ALERT)
    sender.close()
    assert not [t for t in threading.enumerate() if t.name == "stripe-alerts"]


@pytest.mark.parametrize(
    ("text", "urls"),
    [
        ("", ()),
        (" , ", ()),
        ("json://a/b", ("json://a/b",)),
        (
            "json://a, slack://x/y,mailto://u:p@h?to=a@b.c,d@e.f",
            (
                "json://a",
                "slack://x/y",
                "mailto://u:p@h?to=a@b.c,d@e.f",
            ),
        ),
        ("json://a\njson://b", ("json://a", "json://b")),
    ],
)
def test_addresses_are_separated_by_commas_but_may_hold_some(
    text: str, urls: tuple[str, ...]
) -> None:
    assert alert_urls({"STRIPE_ALERT_URLS": text}) == urls


def test_an_alert_says_what_it_knows_and_nothing_else() -> None:
    assert Alert("x", 4.0, "m", 7).to_dict() == {
        "name": "x",
        "severity": 4.0,
        "message": "m",
        "time_ms": 7,
    }
