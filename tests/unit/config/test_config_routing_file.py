"""The routing file: what it may hold, and that every fault of it is told at once."""

from __future__ import annotations

import hashlib
import json
import pickle
from pathlib import Path
from typing import Any

import pytest

from stripe_billing_router.bootstrap import routing_file
from stripe_billing_router.config import Hooks, Recovery
from stripe_billing_router.errors import ConfigurationError
from stripe_billing_router.models import BotId, Policies
from stripe_billing_router.routing import RoutingTable
from tests.unit.config.config_samples import PLANTED, ROUTE, messages, refused, written

KEY_A, KEY_B = "sha256:" + "a" * 64, "sha256:" + "b" * 64

WHOLE = {
    "default_currency": "EUR",
    "allowed_secret_keys": [PLANTED, KEY_A, {"fingerprint": KEY_B, "account": "acct_12345678"}],
    "recovery": {"http_timeout": 10, "complete_within": 60.5},
    "policies": {},
    "hooks": None,
    "stripe": {
        "default": {
            "finance": {
                "bot": {
                    "product_id": "prod_1",
                    "price_id": "price_1",
                    "customer_id": "cus_1",
                    "currency": "GBP",
                    "user_email": None,
                    "overrides": {"plan": {"pro": {"price_id": "price_pro"}}},
                }
            }
        }
    },
}


def test_a_whole_file_is_read(tmp_path: Path) -> None:
    """JSON is YAML, so one text serves both readers."""
    for name in ("routes.json", "routes.yaml", "routes.yml", "routes"):
        file = routing_file(written(tmp_path, json.dumps(WHOLE), name))
        route = file.routes["stripe", "default", "finance", "bot"]
        assert (route.price_id, route.currency, route.user_email) == ("price_1", "gbp", None)
        assert file.overrides == {
            ("stripe", "default", "finance", "bot", "plan", "pro"): {"price_id": "price_pro"}
        }
        assert file.default_currency == "eur"
        assert file.recovery == Recovery(http_timeout=10, complete_within=60.5)
        assert (file.policies, file.hooks) == (Policies(), Hooks())
        assert file.path == tmp_path / name


def test_keys_are_kept_as_fingerprints_only(tmp_path: Path) -> None:
    file = routing_file(written(tmp_path, json.dumps(WHOLE)))
    of_planted = "sha256:" + hashlib.sha256(PLANTED.encode()).hexdigest()
    assert file.allowed_secret_keys == (of_planted, KEY_A, KEY_B)
    assert file.key_accounts == {KEY_B: "acct_12345678"}
    assert PLANTED not in repr(file)


def test_what_is_absent_has_its_default(tmp_path: Path) -> None:
    file = routing_file(written(tmp_path, f"stripe: {{default: {{finance: {{bot: {ROUTE}}}}}}}"))
    assert file.recovery == Recovery(30, 30, 5, 900)
    assert (file.default_currency, file.allowed_secret_keys) == ("usd", ())


def test_a_file_may_leave_all_routes_to_code(tmp_path: Path) -> None:
    assert routing_file(written(tmp_path, "default_currency: chf")).routes == {}


def test_the_files_routes_and_rules_serve_a_table(tmp_path: Path) -> None:
    file = routing_file(written(tmp_path, json.dumps(WHOLE)))
    table = RoutingTable(file.routes, file.overrides, file.default_currency)
    found = table.resolve(BotId.parse("finance:bot"), {"plan": "pro"})
    assert found.route.price_id == "price_pro"


def test_region_no_and_bot_on_are_names_and_not_booleans(tmp_path: Path) -> None:
    """YAML 1.1 reads `no`, `on`, `off`, `yes`, `1e3` and `null` as anything but text."""
    text = f"stripe: {{no: {{off: {{on: {ROUTE}, yes: {ROUTE}, 1e3: {ROUTE}, null: {ROUTE}}}}}}}"
    routes = routing_file(written(tmp_path, text)).routes
    assert {key[1:] for key in routes} == {
        ("no", "off", bot) for bot in ("on", "yes", "1e3", "null")
    }


def test_an_override_value_may_look_like_a_number(tmp_path: Path) -> None:
    bot = ROUTE[:-1] + ", overrides: {tier: {1: {price_id: price_2}, 010: {price_id: price_3}}}}"
    file = routing_file(written(tmp_path, f"stripe: {{eu: {{finance: {{bot: {bot}}}}}}}"))
    assert {key[-1] for key in file.overrides} == {"1", "010"}


FAULTY = f"""
default_currency: euro
default_curency: eur
allowed_secret_keys: [sk_test_abc, 5, "sha256:xx", {{fingerprint: {KEY_A}}}, [x]]
recovery: {{http_timeout: yes, retry_fr: 10, complete_within: -1, in_progress_wait: 1000}}
policies: {{limit: 5}}
hooks: {{alert_dispacher: x, rollback: [a b, 5], rollback_manager: []}}
empty:
{PLANTED}: {{eu: {{}}}}
stripe:
  eu:
    finance:
      bot: {{product_id: prod_1, price_id: , customer_id: cus_1, secret_key: {PLANTED}}}
      bot2: {{product_id: prod_1, price_id: price_1}}
      bot2: {{product_id: prod_1, price_id: x, customer_id: prod_4, currency: {PLANTED}}}
      "a b": text
      tagged: {ROUTE.replace("prod_1", "!!python/name:os.system prod_1")}
      rules:
        product_id: prod_1
        price_id: price_1
        customer_id: cus_1
        overrides:
          region: {{x: {{price_id: price_1}}}}
          api_key: {{x: {{price_id: price_1}}}}
          plan: []
          tier: {{1: 5, "": {{price_id: price_1}}, 2: {{product_id: price_2}}, 3: {{}}}}
"""

ALL_FAULTS = """
stripe.eu.finance: 'bot2' is given again in line 15; keep one of them
stripe.eu.finance.tagged.product_id: has the tag 'tag:yaml.org,2002:python/name:os.system'
allowed_secret_keys.0: is neither a live secret key
allowed_secret_keys.1: is neither a live secret key
allowed_secret_keys.2: is neither a live secret key
allowed_secret_keys.3: needs fingerprint and account, and nothing else
allowed_secret_keys.4: is neither a live secret key
default_currency: is wrong: 'euro' is not a currency that Stripe supports; did you mean 'eur'?
policies: 'limit' is unknown; it has freeze_on_discrepancy, new_bots, rules
hooks.rollback_manager: is [], not a path such as package.module:attribute
hooks.rollback: is 'a b', not a path such as package.module:attribute
hooks: 'alert_dispacher' is unknown; did you mean alert_dispatcher?
recovery.http_timeout: is 'yes', not a number of seconds such as 30
recovery.in_progress_wait: is more than 120 seconds
recovery.complete_within: is '-1', not a number of seconds such as 30
recovery: 'retry_fr' is unknown; did you mean retry_for?
default_curency: is not a mapping of regions but 'eur'; did you mean the section default_currency?
empty: is empty; add its regions, or remove it
the domain holds a key; keys come from Vault or the environment only
'[redacted]'.eu: is empty; add its business categories, or remove it
stripe.eu.finance.bot: secret_key does not belong here; keys come from Vault or the environment only
stripe.eu.finance.bot: price_id is empty
stripe.eu.finance.bot2: customer_id is 'prod_4', which looks like a product_id
stripe.eu.finance.bot2: currency holds a key; keys come from Vault or the environment only
stripe.eu.finance: the bot is 'a b'; use letters
stripe.eu.finance.'a b': is not a mapping of route fields but 'text'
stripe.eu.finance.rules.overrides: the key 'region' is reserved: it chooses the region of a call
stripe.eu.finance.rules.overrides: the key api_key does not belong here
stripe.eu.finance.rules.overrides.plan: is not a mapping of values but []
stripe.eu.finance.rules.overrides.tier.1: is not a mapping of route fields but '5'
stripe.eu.finance.rules.overrides.tier: the value is ''; use 1 to 255 printable characters
stripe.eu.finance.rules.overrides.tier.2: product_id is 'price_2', which looks like a price_id
stripe.eu.finance.rules.overrides.tier.3: sets nothing; name at least one field, such as price_id
""".strip().splitlines()


def test_every_fault_is_told_in_one_error(tmp_path: Path) -> None:
    error = refused(written(tmp_path, FAULTY))
    assert len(error.faults) == len(ALL_FAULTS)
    for found, start in zip(messages(error), ALL_FAULTS, strict=True):
        assert found.startswith(start)


def test_the_message_lists_twenty_faults_and_counts_the_rest(tmp_path: Path) -> None:
    lines = str(refused(written(tmp_path, FAULTY))).splitlines()
    assert lines[0] == f"{len(ALL_FAULTS)} faults in {tmp_path}/routes.yaml:"
    assert lines[20].startswith("  '[redacted]'.eu: is empty")
    assert lines[21:] == ["  and 13 more", "Correct the file and start again."]


def test_a_refused_file_survives_pickling(tmp_path: Path) -> None:
    error = refused(written(tmp_path, FAULTY))
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301
    assert (str(copy), copy.faults) == (str(error), error.faults)


@pytest.mark.parametrize("field", ["secret_key", "public_key", "api_key"])
@pytest.mark.parametrize("place", ["{bot}", "{bot[overrides][plan][pro]}"])
def test_a_key_in_a_route_or_an_override_is_refused(tmp_path: Path, place: str, field: str) -> None:
    data: Any = json.loads(json.dumps(WHOLE))
    bot = data["stripe"]["default"]["finance"]["bot"]
    (bot if place == "{bot}" else bot["overrides"]["plan"]["pro"])[field] = PLANTED
    error = refused(written(tmp_path, json.dumps(data)))
    assert f"{field} does not belong here" in str(error)


@pytest.mark.parametrize(
    "value",
    [
        *([], "x", {"a": 1}, 5, [None], ["pk_live_abc"], ["sk_live_"], ["sk_org_live_a"]),
        *([PLANTED, "rk_test_1"], [KEY_A.upper()], [KEY_A[:-1]], [f"{KEY_A} {KEY_B}"]),
        [{"fingerprint": KEY_A, "account": "x"}],
        [{"fingerprint": PLANTED, "account": "acct_1"}],
        [{"fingerprint": KEY_A, "account": "acct_1", "secret_key": PLANTED}],
    ],
)
def test_a_wrong_list_of_allowed_keys_is_refused(tmp_path: Path, value: Any) -> None:
    text = json.dumps({"allowed_secret_keys": value})
    assert refused(written(tmp_path, text)).faults[0][0].startswith("allowed_secret_keys")


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("http_timeout", "0", "less than 0.1 seconds"),
        ("http_timeout", "121", "more than 120 seconds"),
        ("retry_for", "1e1", "not a number of seconds"),
        ("retry_for", "nan", "not a number of seconds"),
        ("retry_for", "inf", "not a number of seconds"),
        ("retry_for", "9" * 5000, "not a number of seconds"),
        ("complete_within", "82801", "more than 82800 seconds"),
        ("in_progress_wait", "null", "not a number of seconds"),
        ("in_progress_wait", "{}", "not a number of seconds"),
        ("http_timout", "5", "did you mean http_timeout?"),
        ("whatever", "5", "it has http_timeout, retry_for, in_progress_wait, complete_within"),
    ],
)
def test_a_wrong_time_is_refused(tmp_path: Path, name: str, value: str, says: str) -> None:
    assert says in str(refused(written(tmp_path, f"recovery: {{{name}: {value}}}")))


@pytest.mark.parametrize("value", [True, [1], "", "٣", "-0", "1,5", " 1"])
def test_a_time_that_is_no_number_is_refused_in_json_too(tmp_path: Path, value: Any) -> None:
    text = json.dumps({"recovery": {"retry_for": value}})
    assert "not a number" in str(refused(written(tmp_path, text, "routes.json")))


def test_a_relative_path_is_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(tmp_path, "{}")
    monkeypatch.chdir(tmp_path)
    assert routing_file("routes.yaml").path == tmp_path / "routes.yaml"


def test_what_was_loaded_cannot_be_changed(tmp_path: Path) -> None:
    file = routing_file(written(tmp_path, json.dumps(WHOLE)))
    with pytest.raises(TypeError):
        file.routes["stripe", "default", "finance", "x"] = None  # type: ignore[index]
    with pytest.raises(AttributeError):
        file.default_currency = "usd"  # type: ignore[misc]


def test_a_missing_file_names_the_command_that_writes_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="stripe-billing-router init"):
        routing_file(tmp_path / "absent.yaml")
