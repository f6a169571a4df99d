"""A database with the roles of `deploy/postgres-roles.sql`, and a login in each."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import Engine, create_engine, make_url

from stripe_billing_router.client import BillingRouter
from stripe_billing_router.models import Budget, Policies, PolicyRule
from stripe_billing_router.sandbox import World
from stripe_billing_router.store.database import Database
from stripe_billing_router.store.migrate import upgrade
from stripe_billing_router.store.schema import metadata
from tests.integration.verbs.verbs_bench import ROUTING, Wire, new_router, new_world

SCRIPT = Path(__file__).parents[3] / "deploy" / "postgres-roles.sql"
GROUPS = ("stripe_bots", "stripe_operators")
WEBHOOKS = "stripe_webhooks"
SECRET = "whsec_roles00000000000000000"
RULES = Policies(
    (
        PolicyRule("large", approval_above={"usd": 4000}),
        PolicyRule(
            "spend", bot_name="bot", budgets=(Budget("day", 20000, "usd", refunds_restore=True),)
        ),
    ),
    freeze_on_discrepancy=True,
)
ROUTE = {"product_id": "prod_1", "price_id": "price_1", "customer_id": "cus_1"}


@dataclass
class Border:
    """One database with its roles: `owner`, and logins of a bot and of an operator."""

    folder: Path
    world: World
    owner_url: str
    urls: dict[str, str]
    owner: Engine

    def router(self, who: str = "stripe_bots", policies: Policies = RULES) -> BillingRouter:
        environ = {"STRIPE_WEBHOOK_SECRET": SECRET}
        return new_router(
            self.folder,
            self.urls[who],
            self.world,
            Wire(self.world),
            policies=policies,
            environ=environ,
        )

    def lists(self, who: str, *bots: str) -> None:
        """Say for which bots a login writes."""
        login = make_url(self.urls[who]).username
        values = ", ".join(f"('{login}', '{bot}')" for bot in bots)
        run(self.owner_url, f"INSERT INTO stripe_logins VALUES {values}")

    def content(self) -> dict[str, list[Any]]:
        """Every row of every table."""
        with self.owner.connect() as connection:
            return {
                table.name: sorted(map(repr, connection.execute(table.select())))
                for table in metadata.sorted_tables
            }


@pytest.fixture
def border(tmp_path: Path, postgres_url: str) -> Iterator[Border]:
    (tmp_path / "routing.yaml").write_text(ROUTING)
    world, url = new_world(), make_url(postgres_url)
    database = Database(postgres_url, world.clock)
    upgrade(database)
    database.close()
    with new_router(tmp_path, postgres_url, world, Wire(world)) as first:
        first.store.operation("none")
    apply(postgres_url)
    members = {**{group: group for group in GROUPS}, WEBHOOKS: f"stripe_bots, {WEBHOOKS}"}
    logins = {group: f"{group}_{uuid.uuid4().hex[:8]}" for group in members}
    run(
        postgres_url,
        *(f"CREATE ROLE {logins[g]} LOGIN IN ROLE {roles}" for g, roles in members.items()),
    )
    urls = {g: url.set(username=login).render_as_string(False) for g, login in logins.items()}
    owner = create_engine(postgres_url)
    yield Border(tmp_path, world, postgres_url, urls, owner)
    owner.dispose()
    # The groups stay: other tests of the same server may be using them.
    run(postgres_url, *(f"DROP ROLE {login}" for login in logins.values()))


def apply(url: str) -> None:
    run(url, SCRIPT.read_text())


def run(url: str, *statements: str) -> None:
    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain) as connection:
        for statement in statements:
            connection.execute(statement.encode())
