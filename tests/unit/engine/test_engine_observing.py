"""What is told of a call cannot break it."""

from __future__ import annotations

import pytest

from stripe_billing_router.engine.observing import Following
from stripe_billing_router.ports import Event


class Told:
    def __init__(self) -> None:
        self.names: list[str] = []

    def notify(self, event: Event) -> None:
        self.names.append(event.name)


def test_an_event_that_cannot_be_described_breaks_nothing_and_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    told = Told()
    following = Following([(told, frozenset({"request.ended"}))])

    def undescribed() -> Event:
        raise ValueError("a fact is missing")

    following.tell("request.ended", undescribed)
    assert told.names == []
    assert "request.ended could not be described" in caplog.text
    following.tell("request.ended", lambda: Event("request.ended", "info", "sent"))
    assert told.names == ["request.ended"]
