"""A host puts its own code in the place of ours: by dotted path in the file, or in code."""

from __future__ import annotations

import json
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stripe_billing_router.alerts import Alert
from stripe_billing_router.errors import AccountMismatchError, ConfigurationError, FrozenError
from tests.integration.charge.charge_bench import BOT, ROUTING, Bench
from tests.integration.consequences.conftest import FOREIGN, Project
from tests.integration.webhooks.webhooks_bench import Ears
from tests.unit.alerts.alert_samples import receiving

HOST = '''
"""A host's own code."""
heard = []


def record_payment_anomaly(event_type, metadata, instruction=None, *, severity=1.0, **more):
    heard.append(("anomaly", event_type, severity))


def dispatch(alert):
    heard.append(("alert", alert.name, alert.account_id))


class Manager:
    def auto_rollback(self, bot_id, *, reason):
        heard.append(("rollback", bot_id))


def stop(bot_id, reason):
    heard.append(("hook", bot_id))
'''

HOOKS = """
hooks:
  menace_sanity_layer: host_billing.own
  alert_dispatcher: host_billing.own:dispatch
  rollback_manager: host_billing.own.Manager
"""


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[types.SimpleNamespace]:
    """The host's package, importable."""
    package = tmp_path / "code" / "host_billing"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "own.py").write_text(HOST)
    (package / "broken.py").write_text("raise KeyError('sk_live_planted0000000000')")
    monkeypatch.syspath_prepend(package.parent)
    yield types.SimpleNamespace(heard=lambda: sys.modules["host_billing.own"].heard)
    for name in [name for name in sys.modules if name.startswith("host_billing")]:
        del sys.modules[name]


def configured(bench: Bench, hooks: str) -> None:
    bench.config.write_text(ROUTING + hooks)


def mismatch(router: Any) -> None:
    with pytest.raises(AccountMismatchError):
        router.charge("finance:foreign", 5)


def test_the_host_s_code_takes_the_place_of_ours(
    bench: Bench, host: types.SimpleNamespace, project: Project
) -> None:
    configured(bench, HOOKS)
    router = bench.router()
    mismatch(router)
    assert host.heard() == [
        ("alert", "critical_discrepancy", FOREIGN),
        ("rollback", "finance:foreign"),
        ("anomaly", "account_mismatch", 5.0),
    ]
    assert router.sanity_layer.list_anomalies() == ()
    assert len(router.discrepancies.list()) == 1
    assert len(project.alerts()) == 1


def test_a_hook_of_the_host_s_runs_beside_our_rollback(
    bench: Bench, host: types.SimpleNamespace
) -> None:
    configured(bench, "hooks: {rollback: ['host_billing.own:stop', 'host_billing.own:stop']}")
    mismatch(bench.router())
    assert host.heard() == [("hook", "finance:foreign")] * 2


@pytest.mark.parametrize("fails", [False, True])
def test_our_rollback_and_the_freeze_follow_beside_a_host_s_manager(
    bench: Bench, project: Project, fails: bool
) -> None:
    """A manager of the host's takes nothing away from what stops a bot."""

    class Manager:
        def auto_rollback(self, bot_id: str, **more: Any) -> None:
            project.heard.append(("manager", bot_id))
            if fails:
                raise OSError("no such directory")

    configured(bench, "policies: {freeze_on_discrepancy: true}")
    router = bench.router(rollback_manager=Manager(), rollback_hooks=[project.hook])
    route = {"product_id": "prod_1", "price_id": "price_1", "customer_id": "cus_one"}
    router.register_route("finance", "new", {**route, "account_id": FOREIGN})
    with pytest.raises(AccountMismatchError):
        router.charge("finance:new", 5)
    assert ("stripe", "default", "finance", "new") not in router.routes
    with pytest.raises(FrozenError):
        router.charge("finance:new", 5)
    assert len(project.heard) == 2
    assert ("manager", "finance:new") in project.heard
    assert len(router.sanity_layer.list_anomalies()) == 1


class Interrupted(BaseException):
    """As Ctrl-C, or a timeout of a green thread."""


@pytest.mark.parametrize(
    "part", ["alert_dispatcher", "rollback_manager", "rollback_hooks", "menace_sanity_layer"]
)
def test_the_bot_is_stopped_though_a_host_s_code_is_interrupted(bench: Bench, part: str) -> None:
    """And all that follows a failed check follows before the interrupt goes on."""
    configured(bench, "policies: {freeze_on_discrepancy: true}")
    told: list[str] = []

    def interrupted(*args: Any, **kwargs: Any) -> None:
        told.append(part)
        raise Interrupted

    class Host:
        auto_rollback = record_payment_anomaly = staticmethod(interrupted)

    given: Any = {"alert_dispatcher": interrupted, "rollback_hooks": [interrupted, interrupted]}
    router = bench.router(**{part: given.get(part, Host())})
    with pytest.raises(Interrupted):
        router.charge("finance:foreign", 5)
    assert len(told) == (2 if part == "rollback_hooks" else 1)
    with pytest.raises(FrozenError):
        router.charge("finance:foreign", 5)
    assert len(router.sanity_layer.list_anomalies()) == (part != "menace_sanity_layer")


def test_the_bot_is_stopped_before_any_code_of_the_host_s_runs(bench: Bench) -> None:
    """Code that hangs keeps nothing from it."""
    configured(bench, "policies: {freeze_on_discrepancy: true}")
    other, seen = bench.router(), []

    def look(*args: Any, **kwargs: Any) -> None:
        with pytest.raises(FrozenError):
            other.charge("finance:foreign", 5)
        seen.append(("stripe", "default", "finance", "foreign") in router.routes)

    class Host:
        auto_rollback = record_payment_anomaly = staticmethod(look)

    host = Host()
    router = bench.router(
        alert_dispatcher=look,
        rollback_manager=host,
        rollback_hooks=[look],
        menace_sanity_layer=host,
    )
    mismatch(router)
    assert len(seen) == 4


def test_what_is_given_in_code_goes_before_the_file(
    bench: Bench, host: types.SimpleNamespace, project: Project
) -> None:
    configured(bench, HOOKS + "  rollback: host_billing.own:stop")
    alerts: list[Alert] = []
    router = bench.router(
        alert_dispatcher=alerts.append,
        rollback_manager=bench.router().rollback_manager,
        rollback_hooks=[project.hook],
    )
    mismatch(router)
    assert [alert.account_id for alert in alerts] == [FOREIGN]
    assert host.heard()[-1:] == [("anomaly", "account_mismatch", 5.0)]


def test_the_file_is_read_without_importing_and_a_router_names_every_fault(
    bench: Bench, host: types.SimpleNamespace
) -> None:
    configured(
        bench,
        """
hooks:
  menace_sanity_layer: host_billing.missing
  alert_dispatcher: host_billing.own:heard
  rollback_manager: host_billing.own
  rollback: [host_billing.broken:stop, host_billing.own:nothing, nowhere]
""",
    )
    with pytest.raises(ConfigurationError) as raised:
        bench.router()
    told = dict(raised.value.faults)
    assert set(told) == {
        "hooks.menace_sanity_layer",
        "hooks.alert_dispatcher",
        "hooks.rollback_manager",
        "hooks.rollback.0",
        "hooks.rollback.1",
        "hooks.rollback.2",
    }
    assert "has no auto_rollback()" in told["hooks.rollback_manager"]
    assert "not something to call" in told["hooks.alert_dispatcher"]
    assert "planted" not in str(raised.value)


def test_code_that_does_not_fit_is_refused_at_once(bench: Bench) -> None:
    wrong: Any = object()
    with pytest.raises(ConfigurationError, match="has no record_payment_anomaly"):
        bench.router(menace_sanity_layer=wrong)
    with pytest.raises(ConfigurationError, match=r"rollback_hooks\.0"):
        bench.router(rollback_hooks=[wrong])


class _NoReason:
    def auto_rollback(self, bot_id: str) -> None: ...


class _NoSeverity:
    def record_payment_anomaly(self, event_type: str, metadata: Any) -> None: ...


async def _later(alert: Alert) -> None: ...


class _Later:
    async def __call__(self, bot_id: str, reason: str) -> None: ...


def _in_parts(bot_id: str, reason: str) -> Iterator[str]:
    yield reason


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ({"rollback_manager": _NoReason()}, "hooks.rollback_manager"),
        ({"rollback_manager": _NoReason}, "hooks.rollback_manager"),
        ({"menace_sanity_layer": _NoSeverity()}, "hooks.menace_sanity_layer"),
        ({"alert_dispatcher": lambda: None}, "hooks.alert_dispatcher"),
        ({"alert_dispatcher": _later}, "hooks.alert_dispatcher"),
        ({"rollback_hooks": [_Later()]}, "rollback_hooks.0"),
        ({"rollback_hooks": [_in_parts]}, "rollback_hooks.0"),
        ({"rollback_hooks": [lambda bot_id: None]}, "rollback_hooks.0"),
        ({"rollback_hooks": [lambda bot_id, reason, *, when: None]}, "rollback_hooks.0"),
    ],
    ids=[
        "no reason",
        "class",
        "no severity",
        "no alert",
        "async",
        "async object",
        "generator",
        "one argument",
        "one too many",
    ],
)
def test_a_hook_that_could_not_be_called_is_refused_at_once(
    bench: Bench, given: dict[str, Any], fault: str
) -> None:
    """Rather than on the day it is needed."""
    with pytest.raises(ConfigurationError, match="call") as raised:
        bench.router(**given)
    assert [path for path, _ in raised.value.faults] == [fault]


class _Watches:
    async def notify(self, event: Any) -> None: ...


class _ReactsToNothing:
    def react(self) -> None: ...


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ({"guards": [object()]}, ("guards.0", "has no check_bot()")),
        ({"observers": [print]}, ("observers.0", "has no notify()")),
        ({"observers": [Ears]}, ("observers.0", "has no notify()")),
        ({"observers": Ears()}, ("observers", "is not a list or tuple")),
        ({"observers": [Ears(), _Watches()]}, ("observers.1", "notify() is a coroutine")),
        ({"reactions": [Ears(), _ReactsToNothing()]}, ("reactions.1", "react() is called with")),
        ({"reactions": None}, ("reactions", "is not a list or tuple")),
    ],
    ids=["guard", "function", "class", "no list", "async", "no argument", "none"],
)
def test_what_could_not_be_told_is_refused_at_once(
    bench: Bench, given: dict[str, Any], fault: tuple[str, str]
) -> None:
    with pytest.raises(ConfigurationError) as raised:
        bench.router(**given)
    path, why = raised.value.faults[0]
    assert (path, why[: len(fault[1])]) == fault


def test_hooks_may_take_more_than_they_are_given(bench: Bench) -> None:
    def stop(bot_id: str, reason: str = "", *more: Any, by: str = "us", **rest: Any) -> None: ...

    assert bench.router(rollback_hooks=[stop, print]).routes


def test_our_functions_stay_ours_so_that_a_host_may_call_them(
    bench: Bench, host: types.SimpleNamespace
) -> None:
    """A layer that adds to ours does not go round in circles."""
    from stripe_billing_router import menace_sanity_layer, use_router

    class Extended:
        def record_payment_anomaly(self, event_type: str, metadata: Any, **more: Any) -> None:
            facts = {**metadata, "team": "billing"}
            menace_sanity_layer.record_payment_anomaly(event_type, facts, **more)

    router = bench.router(menace_sanity_layer=Extended())
    with use_router(router):
        mismatch(router)
    (anomaly,) = router.sanity_layer.list_anomalies()
    assert anomaly.metadata["team"] == "billing"


def test_only_what_is_severe_enough_leaves_the_house(bench: Bench, project: Project) -> None:
    """And a failed check of the account always does, whatever the file says of it."""
    sent: list[Alert] = []
    instructions = bench.folder / "config" / "billing_instructions.yaml"
    instructions.parent.mkdir()
    event = {"object": "event", "account": FOREIGN, "data": {"object": {}}}
    router = bench.router(alert_dispatcher=sent.append)
    router.validate_webhook_account(event)
    assert [alert.name for alert in sent] == ["webhook.account_mismatch"]
    instructions.write_text(
        "thresholds: {send_from: 4.5}\nevents: {critical_discrepancy: {severity: 0}}"
    )
    router.validate_webhook_account(event)
    assert len(sent) == 1
    mismatch(router)
    assert [(alert.name, alert.severity) for alert in sent[1:]] == [("critical_discrepancy", 5.0)]
    instructions.write_text("events: {webhook.account_mismatch: {severity: 4.75}}")
    router.validate_webhook_account(event)
    assert sent[-1].severity == 4.75
    assert len(project.alerts()) == 4


def test_a_failed_check_reaches_the_addresses_of_the_environment(bench: Bench) -> None:
    with receiving() as receiver:
        router = bench.router(environ={"STRIPE_ALERT_URLS": receiver.url})
        mismatch(router)
        router.close()
        (body,) = receiver.bodies
    assert body["title"] == "critical_discrepancy (severity 5)"
    assert FOREIGN in body["message"]


def test_an_event_of_another_account_is_alerted_and_nothing_else(
    bench: Bench, project: Project
) -> None:
    """It may be forged."""
    router = bench.router(rollback_hooks=[project.hook])
    event = {"object": "event", "account": FOREIGN, "data": {"object": {"bot_id": BOT}}}
    assert router.validate_webhook_account(event) is False
    (alert,) = project.alerts()
    assert (alert["name"], FOREIGN in alert["message"]) == ("webhook.account_mismatch", True)
    assert router.discrepancies.list() == ()
    assert router.sanity_layer.list_anomalies() == ()
    assert project.heard == []


def test_record_alert_and_ledger_entry_say_what_the_call_was_about(
    bench: Bench, project: Project
) -> None:
    """Whoever looks into it sees what was to be collected."""
    router = bench.router()
    with pytest.raises(AccountMismatchError):
        router.charge("finance:foreign", "19.990")
    asked = {"verb": "charge", "amount": "19.99", "currency": "usd"}
    (record,) = router.discrepancies.list()
    assert asked.items() <= dict(record.details).items()
    (alert,) = project.alerts()
    assert asked.items() <= alert.items()
    assert "(charge 19.99 usd)" in str(alert["message"])
    (entry,) = router.ledger.entries()
    assert asked.items() <= json.loads(entry.raw_event_json or "")["metadata"].items()
