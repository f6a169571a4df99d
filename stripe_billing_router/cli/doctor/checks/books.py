"""The ledger's database, its journal and its clock."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from ....domain import Domain
from ....master_account import STRIPE_MASTER_ACCOUNT_ID
from ....store import foreign, sqlite_path
from ..examination import Concern, Problem
from ..facts import Facts
from ..words import apart, counted

_UPGRADE: Final = "Run `stripe-billing-router ledger upgrade`."
_NO_LEDGER: Final = "there is no ledger yet"


def database(facts: Facts) -> str:
    """The ledger's database can be reached, and loses nothing that was committed."""
    path = facts.no_ledger_yet
    if path is not None:
        _refuse_unwritable(path.parent)
        return f"{_NO_LEDGER}; the first operation makes it at {path}"
    if facts.ledger.unsafe is not None:
        raise Problem(facts.ledger.unsafe)
    return "it answers"


def migrations(facts: Facts) -> str:
    """The database has this version's tables."""
    if facts.no_ledger_yet is not None:
        return _NO_LEDGER
    found = facts.ledger
    if found.version == found.newest:
        return f"the database is at {found.newest}"
    if found.version is not None and found.version > found.newest:
        raise Problem(
            f"The database is at {found.version}, and this library at {found.newest}. Upgrade the "
            "library."
        )
    at = "has no tables" if found.version is None else f"is at {found.version}"
    if found.upgrades_itself:
        return f"the database {at}; the next operation brings it to {found.newest}"
    raise Problem(f"The database {at}, and this library needs {found.newest}. {_UPGRADE}")


def tables_of(domain: Domain, facts: Facts) -> str:
    """The database has the tables that a domain needs."""
    if facts.no_ledger_yet is not None or domain.schema is None:
        return _NO_LEDGER
    found = facts.ledger.domains.get(domain.name)
    if found != domain.schema.version:
        raise Problem(
            f"The tables of {domain.name} are at {found}, not {domain.schema.version}. {_UPGRADE}"
        )
    return f"they are at {found}"


def asked_by(domain: str, ask: Callable[[Any, Any], str], facts: Facts) -> str:
    """What a domain asks of its own tables and settings."""
    if facts.no_ledger_yet is not None:
        return _NO_LEDGER
    return ask(facts.assembly.store, facts.file.domains[domain])


def triggers(facts: Facts) -> str:
    """The triggers that keep the ledger append-only are there, and do what they should."""
    if facts.no_ledger_yet is not None or facts.ledger.version != facts.ledger.newest:
        return "they are made with the tables"
    if facts.ledger.triggers is not None:
        raise Problem(facts.ledger.triggers)
    return "the ledger is append-only"


def ledger_account(facts: Facts) -> str:
    """The ledger was made for this account and this API base."""
    bound = None if facts.no_ledger_yet is not None else facts.ledger.belongs_to
    if bound is None:
        return "the first operation binds it"
    wrong = foreign(bound, (STRIPE_MASTER_ACCOUNT_ID, facts.settings.api_base))
    if wrong is not None:
        raise Problem(wrong)
    return f"it belongs to {bound[0]} at {bound[1]}"


def approvals(facts: Facts) -> str:
    """What people decide binds bots, which cannot decide themselves."""
    if sqlite_path(facts.settings.ledger_url) is None:
        return "docs/security.md says which roles the database needs for them"
    if any(rule.approval_above for rule in facts.file.policies.rules):
        raise Concern(
            "Rules ask for approvals, and the ledger is an SQLite file: approvals and freezes "
            "do not bind a bot that can write to the file. Use PostgreSQL with a role for bots "
            "(docs/security.md), or run the router as a user that bots are not."
        )
    return "no rule asks for them"


def journal(facts: Facts) -> str:
    """Nothing waits in the journal for the database."""
    waiting = facts.journaled
    if waiting:
        raise Problem(
            f"The journal {facts.settings.ledger_fallback} holds {counted(waiting, 'commit')} "
            "that may not be in the database. Run `stripe-billing-router ledger drain`."
        )
    return "nothing waits in it"


def database_clock(facts: Facts) -> str:
    """This host and the database agree on the time."""
    if facts.no_ledger_yet is not None:
        return _NO_LEDGER
    wrong = apart(facts.ledger.ahead_ms, "the database's")
    if wrong is not None:
        raise Problem(wrong)
    return "this host agrees with the database"


def _refuse_unwritable(folder: Path) -> None:
    path = next(p for p in (folder, *folder.parents) if p.exists())
    if not os.access(path, os.W_OK | os.X_OK):
        raise Problem(f"{path} cannot be written; make it writable, or set STRIPE_LEDGER_URL.")
