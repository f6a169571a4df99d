"""The watchdog's file: strict, with every fault in one error."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest
import yaml

from stripe_billing_router.config import WatchdogConfig, load_watchdog_config
from stripe_billing_router.config.template import WATCHDOG_PATH, watchdog_template
from stripe_billing_router.errors import ConfigurationError
from stripe_billing_router.stripe_watchdog.checks import CHECKS

ROOT = Path(__file__).resolve().parents[3]
IDS = frozenset(check.id for check in CHECKS)


def loaded(folder: Path, text: str, allowed: str = "") -> WatchdogConfig:
    path = folder / "watchdog.yaml"
    path.write_text(text, encoding="utf-8")
    return load_watchdog_config(path, {"STRIPE_ALLOWED_WEBHOOKS": allowed}, IDS)


def faults(folder: Path, text: str) -> dict[str, str]:
    with pytest.raises(ConfigurationError) as caught:
        loaded(folder, text)
    return dict(caught.value.faults)


def test_the_repositorys_own_file_is_the_packages_example() -> None:
    assert (ROOT / WATCHDOG_PATH).read_text(encoding="utf-8") == watchdog_template()


def test_the_example_is_the_defaults(tmp_path: Path) -> None:
    assert loaded(tmp_path, watchdog_template()) == WatchdogConfig()
    known = {field.name for field in fields(WatchdogConfig)}
    assert set(yaml.safe_load(watchdog_template())) == known


def test_what_the_example_shows_as_comments_is_valid_too(tmp_path: Path) -> None:
    text = watchdog_template()
    for name in ("authorized_webhooks", "approved_workflows", "allowed_accounts"):
        text = text.replace(f"{name}: []\n# -", f"{name}:\n- ").replace("\n# - we_", "\n-  we_")
    text = text.replace("severities: {}\n#  ", "severities:\n  ")
    found = loaded(tmp_path, text)
    assert found.authorized_webhooks == {
        "https://example.com/stripe/webhooks",
        "we_1234567890abcdef",
    }
    assert found.approved_workflows == {"finance:finance_router_bot"}
    assert found.allowed_accounts == {"acct_1234567890abcdef"}
    assert found.severities == {"dispute_opened": 3.0}


def test_bots_are_one_bot_however_they_are_spelled(tmp_path: Path) -> None:
    found = loaded(tmp_path, "approved_workflows: ['stripe:finance:x', 'finance:x']")
    assert found.approved_workflows == {"finance:x"}


def test_the_variable_adds_to_the_file(tmp_path: Path) -> None:
    found = loaded(tmp_path, "authorized_webhooks: [we_1]", " https://a.example/x ,we_2,, ")
    assert found.authorized_webhooks == {"we_1", "we_2", "https://a.example/x"}
    with pytest.raises(ConfigurationError, match="STRIPE_ALLOWED_WEBHOOKS"):
        loaded(tmp_path, "", "a.example/x")


@pytest.mark.parametrize("text", ["", "# nothing\n", "severities:\ntolerances:\n", "{}"])
def test_what_is_left_out_has_its_default(tmp_path: Path, text: str) -> None:
    assert loaded(tmp_path, text) == WatchdogConfig()
    assert load_watchdog_config(None, {}, IDS) == WatchdogConfig()


def test_every_fault_is_told_with_its_path_and_a_suggestion(tmp_path: Path) -> None:
    found = faults(
        tmp_path,
        """
authorised_webhooks: []
authorized_webhooks: [example.com, we_1]
approved_workflows: [finance]
allowed_accounts: acct_1
tolerances: {revenue: -1, settle_lag: 1, stale_after: 1h}
severities: {missing_charge: 6, missing_refund: high}
suppression_window: 99999999999
log_rotation: {max_bytes: 10}
""",
    )
    assert set(found) == {
        "",
        "authorized_webhooks.0",
        "approved_workflows.0",
        "allowed_accounts",
        "tolerances.revenue",
        "tolerances",
        "tolerances.stale_after",
        "severities.missing_charge",
        "severities.missing_refund",
        "suppression_window",
        "log_rotation.max_bytes",
    }
    assert "did you mean authorized_webhooks?" in found[""]
    assert "did you mean settlement_lag?" in found["tolerances"]
    assert found["severities.missing_charge"] == "is more than 5"


def test_a_check_that_does_not_exist_has_no_severity(tmp_path: Path) -> None:
    found = faults(tmp_path, "severities: {mising_charge: 3}")
    assert "did you mean missing_charge?" in found["severities"]


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("[1]", ""),
        ("tolerances: [1]", "tolerances"),
        ("severities: x", "severities"),
        ("log_rotation: 5", "log_rotation"),
        ("a: 1\na: 2", ""),
        ("{", ""),
    ],
)
def test_what_is_not_a_mapping_is_a_fault(tmp_path: Path, text: str, where: str) -> None:
    assert where in faults(tmp_path, text)


def test_a_file_that_is_not_there_names_the_variable(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="STRIPE_WATCHDOG_CONFIG"):
        load_watchdog_config(tmp_path / "absent.yaml", {}, IDS)


def test_approved_bots_come_from_a_variable_as_well(tmp_path: Path) -> None:
    path = tmp_path / "watchdog.yaml"
    path.write_text("approved_workflows: [c:d]")
    environ = {"STRIPE_APPROVED_WORKFLOWS": "finance:a, stripe:finance:b,"}
    config = load_watchdog_config(path, environ, IDS)
    assert config.approved_workflows == {"finance:a", "finance:b", "c:d"}
    with pytest.raises(ConfigurationError) as told:
        load_watchdog_config(None, {"STRIPE_APPROVED_WORKFLOWS": "finance"}, IDS)
    assert [where for where, _ in told.value.faults] == ["STRIPE_APPROVED_WORKFLOWS"]


@pytest.mark.parametrize(
    ("old", "new"),
    [("allowed_webhooks", "authorized_webhooks"), ("allowed_workflows", "approved_workflows")],
)
def test_an_old_name_is_refused_with_the_new_one(tmp_path: Path, old: str, new: str) -> None:
    assert faults(tmp_path, f"{old}: []") == {"": f"'{old}' is called {new} now"}
