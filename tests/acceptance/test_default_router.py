"""The process's default router, and the table that looks into it."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

import stripe_billing_router
from stripe_billing_router import ROUTING_TABLE, api, charge, get_router, set_router, use_router
from stripe_billing_router.client import BillingRouter
from stripe_billing_router.door import Door
from stripe_billing_router.errors import BillingError, ConfigurationError
from stripe_billing_router.testing import sandbox
from tests.integration.charge.charge_bench import BOT, ROUTING

KEY = ("stripe", "default", "finance", "bot")


@pytest.fixture(autouse=True)
def no_default() -> Iterator[None]:
    """No test leaves a default router behind."""
    set_router(None)
    yield
    set_router(None)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "stripe_billing_router.yaml").write_text(ROUTING)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def two(project: Path) -> tuple[BillingRouter, BillingRouter]:
    return BillingRouter(), BillingRouter()


def test_the_default_router_is_made_once_at_first_use(project: Path) -> None:
    assert get_router() is get_router()
    assert not (project / "finance_logs").exists()


def test_threads_that_ask_first_get_one_router(project: Path) -> None:
    found: list[BillingRouter] = []
    start = threading.Barrier(8)

    def ask() -> None:
        start.wait(timeout=10)
        found.append(get_router())

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(router) for router in found}) == 1


def test_without_a_routing_file_the_first_use_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigurationError, match="init"):
        charge(BOT, 5)
    assert "ROUTING_TABLE" in repr(ROUTING_TABLE)
    with pytest.raises(ConfigurationError, match="init"):
        len(ROUTING_TABLE)


def test_set_router_replaces_the_default(two: tuple[BillingRouter, BillingRouter]) -> None:
    one, other = two
    set_router(one)
    assert get_router() is one
    set_router(other)
    assert get_router() is other


def test_use_router_restores_what_was_there(two: tuple[BillingRouter, BillingRouter]) -> None:
    one, other = two
    set_router(one)
    with use_router(other) as used:
        assert get_router() is other is used
        with use_router(one):
            assert get_router() is one
        assert get_router() is other
    assert get_router() is one


def test_use_router_restores_after_an_error(two: tuple[BillingRouter, BillingRouter]) -> None:
    one, other = two
    set_router(one)
    with pytest.raises(KeyError), use_router(other):
        raise KeyError
    assert get_router() is one


def entered(router: BillingRouter) -> AbstractContextManager[BillingRouter]:
    context = use_router(router)
    context.__enter__()
    return context


def test_leaving_out_of_order_raises(two: tuple[BillingRouter, BillingRouter]) -> None:
    one, other = two
    outer, inner = entered(one), entered(other)
    with pytest.raises(ConfigurationError):
        outer.__exit__(None, None, None)
    inner.__exit__(None, None, None)


def test_after_leaving_out_of_order_nothing_is_left_in_use(
    two: tuple[BillingRouter, BillingRouter], project: Path
) -> None:
    one, other = two
    third = BillingRouter()
    set_router(third)
    outer, inner = entered(one), entered(other)
    for context in (outer, inner):
        try:
            context.__exit__(None, None, None)
        except BillingError:
            continue
    assert get_router() is third


def test_the_table_shows_the_current_default_router(project: Path) -> None:
    table = stripe_billing_router.ROUTING_TABLE
    assert table[KEY]["customer_id"] == "cus_one"
    assert KEY in table
    assert len(table) == len(list(table)) == len(dict(table)) > 3
    other = BillingRouter()
    other.register_route(
        "finance", "new", {"product_id": "prod_1", "price_id": "price_1", "customer_id": "cus_1"}
    )
    with use_router(other):
        assert ("stripe", "default", "finance", "new") in table
    assert ("stripe", "default", "finance", "new") not in table
    assert stripe_billing_router.ROUTING_TABLE is table


@pytest.mark.parametrize("key", [("stripe", "default", "finance", "nobody"), (), "finance:bot", 5])
def test_an_absent_key_is_a_key_error(project: Path, key: Any) -> None:
    with pytest.raises(KeyError):
        ROUTING_TABLE[key]
    assert key not in ROUTING_TABLE
    assert ROUTING_TABLE.get(key) is None


def test_the_table_is_read_only(project: Path) -> None:
    assert isinstance(ROUTING_TABLE, Mapping)
    table: Any = stripe_billing_router.ROUTING_TABLE
    with pytest.raises(TypeError):
        table[KEY] = {}
    with pytest.raises(TypeError):
        del table[KEY]
    with pytest.raises((TypeError, AttributeError)):
        table[KEY]["customer_id"] = "cus_other"
    with pytest.raises(AttributeError):
        table[KEY].customer_id = "cus_other"


def test_a_sandbox_is_the_default_while_it_lasts_and_leaves_nothing(project: Path) -> None:
    with sandbox() as box:
        assert charge(BOT, "19.99").amount_minor == 1999
        assert [e.amount_minor for e in box.ledger.entries()] == [1999]
        assert [e["amount"] for e in box.world.effects()] == [1999]
    with pytest.raises(BillingError):
        charge(BOT, "19.99")
    assert sorted(path.name for path in project.iterdir()) == ["config"]


def test_a_sandbox_does_not_look_at_the_keys_of_the_environment(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("STRIPE_SECRET_KEY", "STRIPE_ALLOWED_SECRET_KEYS"):
        monkeypatch.setenv(name, "sk_live_theRealOneTheRealOne")
    monkeypatch.setenv("STRIPE_LEDGER_URL", f"sqlite:///{project}/real.db")
    monkeypatch.setenv("VAULT_ADDR", "http://127.0.0.1:1")
    with sandbox() as box:
        assert charge(BOT, 5).paid
        assert "theRealOne" not in repr([dict(r.headers) for r in box.world.requests])
    assert not (project / "real.db").exists()


VERBS = [name for name, _ in inspect.getmembers(Door, inspect.isfunction) if name[0] != "_"]


@pytest.mark.parametrize("name", VERBS)
def test_a_function_has_the_signature_and_the_words_of_the_router_s_method(name: str) -> None:
    ours, theirs = getattr(stripe_billing_router, name), getattr(BillingRouter, name)
    _, *arguments = inspect.signature(theirs).parameters.values()
    assert list(inspect.signature(ours).parameters.values()) == arguments
    assert (ours.__doc__, ours.__name__, ours.__module__) == (theirs.__doc__, name, api.__name__)
