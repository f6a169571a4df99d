"""Every check, in one tuple: first what the others stand on."""

from __future__ import annotations

from functools import partial
from typing import Final

from ....bootstrap import installed
from ..examination import Check
from . import access, books, configuration, drift

CHECKS: Final = (
    Check("variables", configuration.variables),
    Check("settings", configuration.settings),
    Check("routing_file", configuration.routing_file, ("settings",)),
    Check("hooks", configuration.hooks, ("routing_file",)),
    Check("bots", configuration.bots, ("routing_file",)),
    Check("route_accounts", configuration.route_accounts, ("routing_file",)),
    Check("master_account", access.master_account, ("settings", "hooks")),
    Check("vault", access.vault, ("settings", "hooks")),
    Check("keys", access.keys, ("vault",)),
    Check("allowed_keys", access.allowed_keys, ("keys",)),
    Check("account", access.account, ("allowed_keys", "master_account")),
    Check("stripe_clock", access.stripe_clock, ("account",)),
    Check("database", books.database, ("settings",)),
    Check("migrations", books.migrations, ("database",)),
    Check("triggers", books.triggers, ("migrations",)),
    Check("ledger_account", books.ledger_account, ("migrations",)),
    Check("approvals", books.approvals, ("routing_file",)),
    Check("journal", books.journal, ("settings",)),
    Check("database_clock", books.database_clock, ("database",)),
    Check("webhook_secrets", access.webhook_secrets, ("vault",)),
    Check("prices", drift.prices, ("account",)),
    Check("customers", drift.customers, ("account",)),
    Check("bank_debits", drift.bank_debits, ("account", "migrations", "webhook_secrets")),
)


def of_domains() -> list[Check]:
    """Return what installed domains ask, and whether their tables are there."""
    return [
        check
        for domain in installed()
        for check in (
            *(
                [Check(f"{domain.name}.tables", partial(books.tables_of, domain), ("migrations",))]
                if domain.schema
                else []
            ),
            *(
                Check(
                    f"{domain.name}.{name}",
                    partial(books.asked_by, domain.name, ask),
                    ("migrations", "routing_file"),
                )
                for name, ask in domain.checks.items()
            ),
        )
    ]
