"""Whatever a test asks the sandbox for, the answer is one that the SDK's own types describe."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from stripe_billing_router.sandbox import HttpRequest, HttpResponse, World
from tests.unit.sandbox.sdk_types import PINNED, faults


@pytest.fixture(autouse=True)
def answers_are_stripe_s(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Compare every answer of the test with the SDK's types."""
    handle, wrong = World.handle, set[str]()

    def compared(self: World, request: HttpRequest) -> HttpResponse:
        response = handle(self, request)
        if PINNED and _is_whole(response):
            wrong.update(faults(json.loads(response.body)))
        return response

    monkeypatch.setattr(World, "handle", compared)
    yield
    assert wrong == set()


def _is_whole(response: HttpResponse) -> bool:
    """Half an answer, and the page of a proxy, are none of Stripe's."""
    try:
        return isinstance(json.loads(response.body), dict)
    except ValueError:
        return False
