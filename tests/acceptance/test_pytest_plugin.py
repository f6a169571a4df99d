"""The pytest plugin in a project of a user's, in a process of its own."""

from __future__ import annotations

import json
from importlib.metadata import entry_points

import pytest

from stripe_billing_router.config.template import template

pytest_plugins = ["pytester"]

BOT_TEST = """
from stripe_billing_router import charge, get_router

BOT = "finance:finance_router_bot"


def test_a_bot(stripe_sandbox):
    assert charge(BOT, "19.99").paid
    assert [effect["amount"] for effect in stripe_sandbox.world.effects()] == [1999]
    assert [entry.amount_minor for entry in stripe_sandbox.ledger.entries()] == [1999]


def test_another_bot_starts_from_nothing(stripe_sandbox):
    assert stripe_sandbox.world.effects() == list(stripe_sandbox.ledger.entries()) == []


def test_a_router(billing_router, stripe_sandbox):
    assert billing_router is stripe_sandbox.router is get_router()
    assert billing_router.charge(BOT, 5).paid
"""

NO_NETWORK = """
import socket
import sys


def refuse(event, arguments):
    # A name that only this host's processes see, by which a call shows that it runs, is no network.
    if event == "socket.bind" and arguments[0].family == socket.AF_UNIX:
        return
    if event in ("socket.connect", "socket.bind", "socket.getaddrinfo"):
        raise AssertionError(f"{event} {arguments}")


sys.addaudithook(refuse)
"""


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A user's project whose warnings are errors, in an environment with nothing in it."""
    for name in ("PYTEST_ADDOPTS", "PYTHONPATH", "PYTEST_XDIST_WORKER"):
        monkeypatch.delenv(name, raising=False)
    pytester.makeini(
        "[pytest]\nfilterwarnings = error\n"
        "addopts = --strict-config -p no:cacheprovider -p no:hypothesispytest\n"
    )
    config = pytester.mkdir("config")
    (config / "stripe_billing_router.yaml").write_text(template())
    return pytester


def test_it_comes_with_the_package() -> None:
    (found,) = entry_points(group="pytest11", name="stripe_billing_router")
    assert found.value == "_stripe_billing_router_pytest"


def test_a_bot_s_test_needs_a_fixture_and_nothing_else(project: pytest.Pytester) -> None:
    project.makeconftest(NO_NETWORK)
    project.makepyfile(BOT_TEST)
    project.runpytest_subprocess().assert_outcomes(passed=3)
    assert {"finance_logs", "training_data"}.isdisjoint(p.name for p in project.path.iterdir())


def test_it_works_in_several_processes(project: pytest.Pytester) -> None:
    project.makepyfile(BOT_TEST)
    project.runpytest_subprocess("-n2").assert_outcomes(passed=3)


def test_the_keys_and_the_ledger_of_the_environment_are_not_touched(
    project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STRIPE_SECRET_KEY", "sk_live_sandboxButNotOurs000")
    monkeypatch.setenv("STRIPE_LEDGER_URL", f"sqlite:///{project.path}/real.db")
    monkeypatch.setenv("VAULT_ADDR", "http://127.0.0.1:1")
    project.makeconftest(NO_NETWORK)
    project.makepyfile(BOT_TEST)
    project.runpytest_subprocess().assert_outcomes(passed=3)
    assert not (project.path / "real.db").exists()


def test_tests_that_move_find_the_routing_file(project: pytest.Pytester) -> None:
    project.makeconftest(
        """
        import pytest

        @pytest.fixture(autouse=True)
        def moved(monkeypatch, tmp_path):
            monkeypatch.chdir(tmp_path)
        """
    )
    project.makepyfile(BOT_TEST)
    project.runpytest_subprocess().assert_outcomes(passed=3)


def test_the_routing_file_of_rootdir_is_found_from_elsewhere(
    project: pytest.Pytester, tmp_path_factory: pytest.TempPathFactory
) -> None:
    tests = project.makepyfile(BOT_TEST)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("elsewhere"))
        result = project.runpytest_subprocess(tests, "--rootdir", project.path)
    result.assert_outcomes(passed=3)


def test_without_a_routing_file_an_error_says_how_to_give_one(project: pytest.Pytester) -> None:
    (project.path / "config/stripe_billing_router.yaml").unlink()
    project.makepyfile(BOT_TEST)
    result = project.runpytest_subprocess()
    result.assert_outcomes(errors=3)
    result.stdout.fnmatch_lines(["*ConfigurationError: There is no config/stripe_billing_router*"])
    result.stdout.fnmatch_lines(["*In tests, the fixture `stripe_sandbox_config` gives*"])


def test_a_fixture_of_the_project_s_gives_another_file(project: pytest.Pytester) -> None:
    (project.path / "config").rename(project.path / "routes")
    project.makeconftest(
        """
        import pathlib
        import pytest

        @pytest.fixture
        def stripe_sandbox_config():
            return pathlib.Path(__file__).parent / "routes/stripe_billing_router.yaml"
        """
    )
    project.makepyfile(BOT_TEST)
    project.runpytest_subprocess().assert_outcomes(passed=3)


def test_a_variable_gives_another_file(
    project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project.path / "config").rename(project.path / "routes")
    given = project.path / "routes/stripe_billing_router.yaml"
    monkeypatch.setenv("STRIPE_ROUTING_CONFIG", str(given))
    project.makepyfile(BOT_TEST)
    project.runpytest_subprocess().assert_outcomes(passed=3)


def test_a_project_that_does_not_use_it_does_not_notice(project: pytest.Pytester) -> None:
    project.makeconftest(
        """
        import json, pathlib, sys

        OURS = ("stripe_billing_router", "stripe", "sqlalchemy", "requests")

        def pytest_unconfigure(config):
            loaded = [name for name in OURS if name in sys.modules]
            pathlib.Path("loaded.json").write_text(json.dumps(loaded))
        """
    )
    project.makepyfile("def test_nothing(request): assert request.fixturenames == ['request']")
    project.runpytest_subprocess("-p", "no:xdist").assert_outcomes(passed=1)
    assert json.loads((project.path / "loaded.json").read_text()) == []


def test_it_can_be_turned_off(project: pytest.Pytester) -> None:
    project.makepyfile(BOT_TEST)
    result = project.runpytest_subprocess("-p", "no:stripe_billing_router")
    result.assert_outcomes(errors=3)
    result.stdout.fnmatch_lines(["*fixture 'stripe_sandbox' not found*"])


def test_its_fixtures_explain_themselves(project: pytest.Pytester) -> None:
    result = project.runpytest_subprocess("--fixtures")
    result.stdout.fnmatch_lines(
        [
            "stripe_sandbox_config*",
            "*The routing file of `stripe_sandbox`*",
            "stripe_sandbox *",
            "*A Stripe in memory, with no network and no account*",
            "billing_router *",
            "*The BillingRouter whose Stripe is `stripe_sandbox`.",
        ]
    )
