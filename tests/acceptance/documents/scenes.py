"""What has happened in a project before the commands of a page, or of one section, are run in it.

A scene is named by page and title; with the title "" it is the page's. A section that has a scene
begins in a project of its own.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager

import redis

from stripe_billing_router import ApprovalRequiredError, BillingRouter, webhooks
from tests.acceptance.documents.ground import (
    BOT,
    at_work,
    configure,
    connect,
    something_bypassed_the_door,
)
from tests.acceptance.documents.incidents import (
    a_changed_row,
    a_foreign_key,
    a_thief,
    an_outage,
    three_in_doubt,
)
from tests.acceptance.documents.production import before_going_live
from tests.acceptance.documents.shell import Shell

Scene = Callable[[Shell], AbstractContextManager[None]]
STREAM = "stripe:billing_events"


@contextlib.contextmanager
def an_empty_folder(shell: Shell) -> Iterator[None]:
    """Before `init`."""
    for path in shell.folder.iterdir():
        shutil.rmtree(path)
    yield


@contextlib.contextmanager
def redis_is_there(shell: Shell) -> Iterator[None]:
    url = shell.service("redis_url")
    shell.stands_for["rediss://…"] = url
    with at_work(shell):
        yield
    with redis.Redis.from_url(url) as client:
        client.delete(STREAM)


@contextlib.contextmanager
def a_question(shell: Shell) -> Iterator[None]:
    """A bot that asks people for a large charge."""
    configure(shell, "\npolicies: {rules: {large: {approval_above: {usd: 200}}}}\n")
    connect(shell)
    with shell.router() as router, contextlib.suppress(ApprovalRequiredError):
        router.charge(BOT, "250.00")
    yield


@contextlib.contextmanager
def events_came(shell: Shell) -> Iterator[None]:
    """An event that was given up, and handlers of the host's."""
    handlers = shell.folder / "myapp" / "webhook_handlers.py"
    handlers.parent.mkdir()
    handlers.write_text("")
    connect(shell)
    endpoint = shell.world.add_webhook_endpoint()
    shell.environment["STRIPE_WEBHOOK_SECRET"] = shell.world.webhook_secret(endpoint)
    with shell.router() as router:
        router.charge(BOT, "19.99")
        _give_up(router, shell, endpoint)
    yield


def _give_up(router: BillingRouter, shell: Shell, endpoint: str) -> None:
    """Receive everything; one handler never gets its event done."""
    doors = webhooks.Webhooks(router)

    @doors.on("payment_intent.succeeded")
    def broken(_event: webhooks.WebhookEvent) -> None:
        raise ValueError("a handler of the host's is broken")

    for payload, headers in shell.world.deliveries(endpoint):
        shell.ids["evt_"] = doors.receive(payload, headers["Stripe-Signature"]).event_id
    for _ in range(31):
        doors.process_pending()
        shell.world.advance(3600)


@contextlib.contextmanager
def stripe_is_imported(shell: Shell) -> Iterator[None]:
    """A bot that goes around the router."""
    bot = shell.folder / "bots" / "dunning.py"
    bot.parent.mkdir()
    bot.write_text('"""Reminds customers."""\n\nimport stripe\n')
    yield


@contextlib.contextmanager
def bots_in_order(shell: Shell) -> Iterator[None]:
    bot = shell.folder / "bots" / "dunning.py"
    bot.parent.mkdir()
    bot.write_text("from stripe_billing_router import charge\n")
    yield


@contextlib.contextmanager
def a_test_key(shell: Shell) -> Iterator[None]:
    """A project whose owner has set the wrong one of Stripe's keys."""
    connect(shell)
    shell.environment["STRIPE_SECRET_KEY"] = "sk_test_sandbox00000000000000"
    yield


SCENES: Mapping[tuple[str, str], Scene] = {
    ("docs/cli.md", "Checks"): a_test_key,
    ("docs/events.md", "Redis Streams"): redis_is_there,
    ("docs/operations/going-live.md", ""): before_going_live,
    ("docs/operations/incidents.md", ""): at_work,
    ("docs/operations/incidents.md", "A critical discrepancy"): a_foreign_key,
    ("docs/operations/incidents.md", "Unknown operations"): three_in_doubt,
    ("docs/operations/incidents.md", "A tampered ledger"): a_changed_row,
    ("docs/operations/incidents.md", "The database is away"): an_outage,
    ("docs/operations/incidents.md", "Somebody else has the key"): a_thief,
    ("docs/operations/incidents.md", "A bot runs wild"): at_work,
    ("docs/operators.md", ""): a_question,
    ("docs/quickstart.md", ""): an_empty_folder,
    ("docs/concepts/ledger.md", ""): at_work,
    ("docs/concepts/recovery.md", ""): at_work,
    ("docs/recipes/guarding.md", ""): at_work,
    ("docs/recipes/looking.md", ""): at_work,
    ("docs/usage-lint.md", ""): stripe_is_imported,
    ("docs/usage-lint.md", "In a test"): bots_in_order,
    ("docs/watchdog.md", ""): something_bypassed_the_door,
    ("docs/webhooks.md", "The worker"): events_came,
}
