"""`check`: each thing that can be wrong is told, in order, with what to do; and no key is shown."""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import responses
from sqlalchemy import create_engine, text

import stripe_billing_router
from stripe_billing_router.bootstrap import routing_file
from stripe_billing_router.cli.doctor import CHECKS
from stripe_billing_router.client import BillingRouter
from stripe_billing_router.sandbox import SANDBOX_SECRET_KEY, World
from stripe_billing_router.sandbox.server import SandboxServer, real_time_world, serving
from stripe_billing_router.store.journal import JournalFile
from stripe_billing_router.testing import furnish_routes
from tests.unit.cli.cli_helpers import run
from tests.unit.keys.vault_double import ADDR, TOKEN, Vault

FILE = """
stripe:
  default:
    finance:
      bot: {product_id: prod_1, price_id: price_1, customer_id: cus_1, currency: usd}
"""
FOREIGN_KEY = "sk_live_sandboxOfSomebodyElse00"
NAMES = [check.name for check in CHECKS]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[SandboxServer]:
    with serving(real_time_world()) as running:
        monkeypatch.setenv("STRIPE_API_BASE", running.api_base)
        yield running


@pytest.fixture
def folder(tmp_path: Path, server: SandboxServer, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project in which nothing is wrong, and one charge was made."""
    path = tmp_path / "config/stripe_billing_router.yaml"
    path.parent.mkdir()
    path.write_text(FILE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STRIPE_SECRET_KEY", SANDBOX_SECRET_KEY)
    file = routing_file(path)
    furnish_routes(server.world, file.routes, file.overrides)
    with BillingRouter(recover_at_start=False) as router:
        router.charge("finance:bot", "5.00")
    return tmp_path


@pytest.fixture
def world(server: SandboxServer) -> World:
    return server.world


def _ledger(folder: Path) -> Path:
    return folder / "finance_logs/stripe_ledger.db"


def _empty(folder: Path) -> None:
    """Take away what was written: ledger, journal, and what is under way."""
    shutil.rmtree(_ledger(folder).parent)
    _ledger(folder).parent.mkdir()


def _sql(folder: Path, *statements: str) -> None:
    with closing(sqlite3.connect(_ledger(folder))) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


def _told(*options: str) -> dict[str, tuple[str, str]]:
    """What each check came to, and what it said; the exit code fits, and no key is shown."""
    ran = run("check", "--json", *options)
    found = json.loads(ran.out)
    problems = [one for one in found["checks"] if one["result"] == "problem"]
    assert (found["ok"], ran.code) == (not problems, 1 if problems else 0)
    assert "_live_" not in ran.out.replace("sk_live_ or rk_live_", "")
    assert [one["check"] for one in found["checks"]] == NAMES
    return {one["check"]: (one["result"], one["message"]) for one in found["checks"]}


def _of(told: dict[str, tuple[str, str]], wanted: str) -> dict[str, str]:
    return {name: said for name, (result, said) in told.items() if result == wanted}


def _problems(*options: str) -> dict[str, str]:
    return _of(_told(*options), "problem")


def _only_problem(*options: str) -> tuple[str, str]:
    (found,) = _problems(*options).items()
    return found


def test_where_nothing_is_wrong_everything_is_ok(folder: Path) -> None:
    assert {result for result, _ in _told("finance:bot").values()} == {"ok"}
    ran = run("check")
    assert (ran.code, ran.err) == (0, "Everything that a bot needs is there.\n")
    assert [line.split()[:2] for line in ran.out.splitlines()] == [["ok", name] for name in NAMES]


def test_without_a_file_the_rest_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    told = _told()
    assert told["settings"][0] == "problem"
    assert "stripe-billing-router init" in told["settings"][1]
    assert {result for result, _ in list(told.values())[2:]} == {"skipped"}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\x00\xff\xfe garbage", "stripe_billing_router.yaml"),
        (b"stripe: {default: {finance: {bot: {product_id: prod_1}}}}", "price_id is missing"),
        (b"", "stripe_billing_router.yaml"),
    ],
    ids=["no text", "a route that lacks a price", "nothing"],
)
def test_a_file_that_is_wrong_is_told_with_its_faults(
    folder: Path, content: bytes, said: str
) -> None:
    (folder / "config/stripe_billing_router.yaml").write_bytes(content)
    told = _told()
    assert told["routing_file"][0] == "problem"
    assert said in told["routing_file"][1]
    assert told["keys"] == ("skipped", "needs vault")
    assert told["database"][0] == "ok"


def test_a_hook_that_cannot_be_imported(folder: Path) -> None:
    path = folder / "config/stripe_billing_router.yaml"
    path.write_text(FILE + "hooks: {alert_dispatcher: no_such_module.send}\n")
    assert _only_problem()[0] == "hooks"


def test_a_hook_whose_signature_does_not_fit(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "host_of_this_test.py").write_text("def page(): ...\n")
    monkeypatch.syspath_prepend(folder)
    path = folder / "config/stripe_billing_router.yaml"
    path.write_text(FILE + "hooks: {alert_dispatcher: host_of_this_test:page}\n")
    name, said = _only_problem()
    assert (name, "is called with (alert)" in said) == ("hooks", True)


def test_a_bot_without_a_route_and_a_route_of_another_account(folder: Path) -> None:
    path = folder / "config/stripe_billing_router.yaml"
    path.write_text(FILE.replace("currency: usd", "account_id: acct_somebody0else"))
    problems = _problems("finance:nobody", "finance:bot")
    assert set(problems) == {"bots", "route_accounts"}
    assert "finance:nobody" in problems["bots"]
    assert "acct_somebody0else" in problems["route_accounts"]


@pytest.mark.parametrize(
    ("key", "check", "said"),
    [
        ("", "keys", "set STRIPE_SECRET_KEY"),
        ("sk_test_sandbox0000000000", "keys", "test-mode key"),
        ("garbage\n", "keys", "STRIPE_SECRET_KEY"),
        ("sk_live_sandboxUnknown000000", "account", "Replace it with a live key"),
        (FOREIGN_KEY, "account", "acct_sandboxelse00001"),
    ],
)
def test_a_key_that_is_wrong(
    folder: Path,
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    key: str,
    check: str,
    said: str,
) -> None:
    world.add_key(FOREIGN_KEY, account="acct_sandboxelse00001")
    monkeypatch.setenv("STRIPE_SECRET_KEY", key)
    name, message = _only_problem()
    assert name == check
    assert said in message
    assert _told()["prices"] == ("skipped", "needs account")


def test_a_key_that_is_not_allowed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRIPE_ALLOWED_SECRET_KEYS", "sha256:" + "0" * 64)
    name, message = _only_problem()
    assert name == "allowed_keys"
    assert "sha256:" in message


def test_the_sandboxs_account_with_stripe_itself(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("STRIPE_API_BASE")
    problems = _problems()
    assert "stripe-billing-router vendor" in problems.pop("master_account")
    assert list(problems) == ["ledger_account"]  # it was made at the sandbox's address


def test_stripe_out_of_reach(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRIPE_API_BASE", "http://127.0.0.1:9")
    problems = _problems()
    assert "Check the network" in problems["account"]
    assert "to http://127.0.0.1:9, " in problems["account"]
    assert "stripe-billing-router sandbox" in problems["account"]
    assert set(_problems("--offline")) == {"ledger_account"}


def test_offline_nobody_is_asked(folder: Path, world: World) -> None:
    world.requests.clear()
    told = _told("--offline")
    assert not world.requests
    skipped = ["account", "stripe_clock", "prices", "customers", "bank_debits"]
    assert list(_of(told, "skipped")) == skipped


def test_what_was_skipped_is_not_said_to_be_there(folder: Path) -> None:
    ran = run("check", "--offline")
    assert (ran.code, ran.err) == (0, f"No problem found, but 5 checks of {len(NAMES)} skipped.\n")
    assert not json.loads(run("check", "--offline", "--json").out)["complete"]
    assert json.loads(run("check", "--json").out)["complete"]


def test_a_variable_with_a_slip_in_its_name(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("STRIPE_LEDGERURL", "sqlite:///elsewhere.db")
    monkeypatch.setenv("STRIPE_SECRET_KEY_OLD", "somebody else's business")
    monkeypatch.setenv("STRIPE_PRICE_ID", "price_1")
    said = "STRIPE_LEDGERURL is not a setting; did you mean STRIPE_LEDGER_URL?"
    assert _only_problem() == ("variables", said)
    caplog.clear()
    with BillingRouter(environ={**os.environ, "STRIPE_LEGER_URL": "sqlite:///x.db"}):
        pass
    assert "STRIPE_LEGER_URL is not a setting; did you mean STRIPE_LEDGER_URL?" in caplog.text


def test_a_package_with_another_pin_is_named_and_no_new_ledger_is_advised(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _sql(folder, "UPDATE stripe_binding SET account_id = 'acct_1234567890abcdef'")
    message = _problems()["ledger_account"]
    package = Path(stripe_billing_router.__file__).parent
    assert f"imported from {package} is pinned to acct_sandbox00000001" in message
    assert "pinned to acct_1234567890abcdef before it on sys.path" in message
    assert message in run("status").err.replace("\n", " ")
    assert "of its own" not in message
    monkeypatch.delenv("STRIPE_API_BASE")
    assert f"imported from {package}" in _problems()["master_account"]


def test_a_vault_that_does_not_answer(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VAULT_ADDR", "http://127.0.0.1:9")
    assert "VAULT_TOKEN" in _problems()["vault"]
    monkeypatch.setenv("VAULT_TOKEN", "hvs.a-token")
    told = _told()
    assert told["vault"][0] == "problem"
    assert "check Vault" in told["vault"][1]
    assert "a-token" not in told["vault"][1]
    assert told["keys"][0] == "skipped"


@pytest.mark.parametrize(
    ("fields", "tokens", "wrong", "said"),
    [
        ({"stripe_secret_key": SANDBOX_SECRET_KEY}, {TOKEN}, None, "a live key from vault"),
        ({"stripe_secret_key": SANDBOX_SECRET_KEY}, set(), "vault", "its token and its policy"),
        ({"stripe_secret_key": "sk_test_sandbox00000000"}, {TOKEN}, "keys", "test-mode key"),
    ],
    ids=["all is well", "a token that is no good", "a wrong key in it"],
)
def test_a_vault_that_answers(
    folder: Path,
    server: SandboxServer,
    monkeypatch: pytest.MonkeyPatch,
    fields: dict[str, str],
    tokens: set[str],
    wrong: str | None,
    said: str,
) -> None:
    monkeypatch.delenv("STRIPE_SECRET_KEY")
    monkeypatch.setenv("VAULT_ADDR", ADDR)
    monkeypatch.setenv("VAULT_TOKEN", TOKEN)
    with responses.RequestsMock() as mock:
        mock.add_passthru(server.api_base)
        url = re.compile(re.escape(ADDR) + "/.*")
        mock.add_callback("GET", url, Vault(fields=dict(fields), tokens=tokens), content_type=None)
        told = _told()
    assert list(_of(told, "problem")) == ([] if wrong is None else [wrong])
    assert said in told[wrong or "keys"][1]
    assert TOKEN not in str(told)


def test_only_its_owner_looks_into_the_folder_of_the_ledger(folder: Path) -> None:
    assert _ledger(folder).parent.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    ("url", "driver", "extra"),
    [
        ("postgresql://bot@127.0.0.1:9/x", "psycopg", "postgres"),
        ("mysql://bot@127.0.0.1:9/x", "pymysql", "mysql"),
    ],
)
def test_a_driver_that_is_not_installed(
    folder: Path, url: str, driver: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STRIPE_LEDGER_URL", url)
    monkeypatch.setitem(sys.modules, driver, None)
    message = _problems()["database"]
    assert f"pip install 'stripe-billing-router[{extra}]'" in message


def test_a_ledger_of_somebody_elses(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    database = f"file:{_ledger(folder)}?mode=ro"
    connect: Any = sqlite3.connect

    def read_only(*_: Any, **options: Any) -> Any:
        return connect(database, uri=True, **options)

    monkeypatch.setattr(sqlite3.dbapi2, "connect", read_only)
    assert "run as the user who owns them" in run("freeze", "*", "--reason", "x", "--by", "ann").err


def test_no_ledger_yet_and_none_is_made(folder: Path) -> None:
    _empty(folder)
    assert {result for result, _ in _told().values()} == {"ok"}
    assert list(_ledger(folder).parent.iterdir()) == []


def test_a_database_that_cannot_be_reached(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRIPE_LEDGER_URL", "postgresql+psycopg://nobody:hunter2@127.0.0.1:9/none")
    name, message = _only_problem()
    assert (name, "hunter2" in message) == ("database", False)
    assert "Check that it runs" in message
    monkeypatch.setenv("STRIPE_LEDGER_URL", "nonsense")
    assert "STRIPE_LEDGER_URL" in " ".join(_problems().values())


def test_a_file_that_is_no_database(folder: Path) -> None:
    _empty(folder)
    _ledger(folder).write_bytes(b"this is no database at all, but long enough" * 100)
    assert _only_problem()[0] == "database"


@pytest.mark.parametrize("server_url", ["postgres_url", "mysql_url"])
def test_a_database_without_this_versions_tables(
    folder: Path, server_url: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STRIPE_LEDGER_URL", request.getfixturevalue(server_url))
    name, message = _only_problem()
    assert name == "migrations"
    assert message.endswith("Run `stripe-billing-router ledger upgrade`.")
    assert run("ledger", "upgrade").code == 0
    assert _problems() == {}


def test_an_older_sqlite_ledger_upgrades_itself(folder: Path) -> None:
    _sql(folder, "UPDATE stripe_alembic_version SET version_num = '0003'")
    result, message = _told()["migrations"]
    assert (result, "0003" in message) == ("ok", True)
    _sql(folder, "UPDATE stripe_alembic_version SET version_num = '9999'")
    assert _only_problem() == ("migrations", _problems()["migrations"])
    assert "Upgrade the library" in _problems()["migrations"]


def test_a_trigger_that_was_dropped(folder: Path) -> None:
    _sql(folder, "DROP TRIGGER stripe_ledger_no_update")
    name, message = _only_problem()
    assert name == "triggers"
    assert "stripe_ledger_no_update" in message
    assert "ledger upgrade" in message


def test_a_trigger_that_was_dropped_on_a_server(
    folder: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STRIPE_LEDGER_URL", postgres_url)
    assert run("ledger", "upgrade").code == 0
    engine = create_engine(postgres_url)
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE stripe_ledger DISABLE TRIGGER USER"))
    engine.dispose()
    assert _only_problem()[0] == "triggers"


def test_a_journal_that_was_not_drained(folder: Path) -> None:
    path = folder / "finance_logs/stripe_ledger.jsonl"
    journal = JournalFile(path, lambda event: None)
    with journal.locked():
        journal.begin("a ledger", 1)
        journal.append("writes", 1, {"operation_id": "op_1", "writes": []})
    before = path.read_bytes()
    name, message = _only_problem()
    assert (name, path.read_bytes()) == ("journal", before)
    assert "holds 1 commit" in message
    assert message.endswith("Run `stripe-billing-router ledger drain`.")
    path.write_text("garbage\n")
    assert "damaged" in _problems()["journal"]


def test_a_clock_that_is_off(folder: Path, world: World) -> None:
    world.clock.advance(600)
    name, message = _only_problem()
    assert name == "stripe_clock"
    assert "behind Stripe's. Have NTP" in message


def test_webhook_secrets_are_not_needed_but_have_to_be_some(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "STRIPE_WEBHOOK_SECRET" in _told()["webhook_secrets"][1]
    monkeypatch.setenv("STRIPE_WEBHOOK_SECRET", "pk_something")
    assert _only_problem()[0] == "webhook_secrets"


def test_approvals_in_a_file_that_bots_can_write_are_warned_of(folder: Path) -> None:
    assert _told()["approvals"] == ("ok", "no rule asks for them")
    path = folder / "config/stripe_billing_router.yaml"
    path.write_text(f"{FILE}policies: {{rules: {{large: {{approval_above: {{usd: 50}}}}}}}}\n")
    result, message = _told("--offline")["approvals"]
    assert result == "warning"
    assert "do not bind a bot that can write to the file" in message
    assert run("check").code == 0


def test_bank_debits_without_webhooks_are_warned_of(
    folder: Path, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a bank says days later is found by recovery alone; that works, so nothing is wrong."""
    assert _told()["bank_debits"] == ("ok", "no route is paid by bank debit")
    world.add_payment_method(customer="cus_1", outcome="processing", default=True)
    result, message = _told()["bank_debits"]
    assert result == "warning"
    assert "stripe.default.finance.bot: cus_1 pays by us_bank_account" in message
    assert message.endswith("set STRIPE_WEBHOOK_SECRET to receive them.")
    ran = run("check")
    assert (ran.code, ran.err) == (0, "Everything that a bot needs is there. 1 warning.\n")
    monkeypatch.setenv("STRIPE_WEBHOOK_SECRET", "whsec_bench000000000000000000")
    assert _told()["bank_debits"][0] == "ok"


def test_a_route_s_own_payment_method_may_be_a_bank_debit(folder: Path, world: World) -> None:
    debit = world.add_payment_method(customer="cus_1", outcome="processing")
    path = folder / "config/stripe_billing_router.yaml"
    path.write_text(FILE.replace("currency: usd", f"payment_method_id: {debit}"))
    assert f"{debit} is us_bank_account" in _told()["bank_debits"][1]


def test_operations_that_a_bank_is_at_show_that_bank_debits_are_used(
    folder: Path, world: World
) -> None:
    world.set_outcome(
        world.get("cus_1")["invoice_settings"]["default_payment_method"], "processing"
    )
    with BillingRouter(recover_at_start=False) as router:
        assert router.charge("finance:bot", "6.00").state == "processing"
    assert "the ledger has operations that a bank is at" in _told()["bank_debits"][1]


def _another_price(world: World) -> None:
    world.add_price("price_1x", product="prod_1", currency="eur")


@pytest.mark.parametrize(
    ("change", "check", "said"),
    [
        (("price_1,", "price_gone,"), "prices", "price_gone does not exist in Stripe"),
        (("price_1,", "price_1x,"), "prices", "is in eur and the route in usd"),
        (("cus_1,", "cus_gone,"), "customers", "cus_gone does not exist in Stripe"),
    ],
)
def test_what_a_route_names_and_stripe_does_not_have(
    folder: Path, world: World, change: tuple[str, str], check: str, said: str
) -> None:
    _another_price(world)
    path = folder / "config/stripe_billing_router.yaml"
    path.write_text(FILE.replace(*change))
    name, message = _only_problem()
    assert name == check
    assert said in message


def test_problems_are_told_in_lines_that_belong_together(folder: Path) -> None:
    path = folder / "config/stripe_billing_router.yaml"
    path.write_text(FILE + "nonsense: {}\nrecovery: {retry_for: never}\n")
    ran = run("check")
    assert ran.code == 1
    heads = [line for line in ran.out.splitlines() if not line.startswith(" ")]
    assert len(heads) == len(NAMES)
    assert len(ran.out.splitlines()) > len(NAMES)
    assert ran.err == "1 problem. Fix the first one first.\n"


def test_every_check_says_what_it_asks_and_builds_on_earlier_ones() -> None:
    seen: set[str] = set()
    for check in CHECKS:
        doc: Any = check.examine.__doc__
        assert doc.endswith(".")
        assert set(check.needs) <= seen
        seen.add(check.name)
