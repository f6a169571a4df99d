"""What a host has before docs/operations/going-live.md: a Vault, a PostgreSQL, an empty ledger."""

from __future__ import annotations

import contextlib
import re
import shutil
import subprocess
import uuid
from collections.abc import Iterator

import psycopg
import pytest
import responses
from sqlalchemy import make_url

from tests.acceptance.documents.pages import ROOT
from tests.acceptance.documents.shell import Shell
from tests.conftest import POSTGRES
from tests.unit.keys.vault_double import ADDR, ROLE, SECRET_ID, Vault

RESTRICTED_KEY = "rk_live_sandboxRestricted0000"
NEW_KEY = "rk_live_sandboxRotated0000000"


@contextlib.contextmanager
def before_going_live(shell: Shell) -> Iterator[None]:
    """A Vault with nothing in it, an empty PostgreSQL database, and programs of the host's."""
    shell.environment["STRIPE_API_BASE"] = shell.api_base
    (shell.folder / "deploy").symlink_to(ROOT / "deploy")
    bot = shell.folder / "bots" / "collector.py"
    bot.parent.mkdir()
    bot.write_text("from stripe_billing_router import charge\n")
    for name, key in {"rk_live_…": RESTRICTED_KEY, "rk_live_new…": NEW_KEY}.items():
        shell.world.add_key(key)
        shell.stands_for[name] = key
    shell.stands_for["whsec_…"] = "whsec_documents000000000000"
    with _vault(shell), _database(shell):
        yield


@contextlib.contextmanager
def _vault(shell: Shell) -> Iterator[None]:
    vault = Vault(fields={})
    shell.stands_for["VAULT_ROLE_ID=…"] = f"VAULT_ROLE_ID={ROLE}"
    shell.stands_for["VAULT_SECRET_ID=…"] = f"VAULT_SECRET_ID={SECRET_ID}"
    shell.stands_for["https://vault.internal:8200"] = ADDR

    def keep(words: list[str]) -> None:
        assert words[1:4] in (["kv", "put", "secret/stripe"], ["kv", "patch", "secret/stripe"])
        vault.fields = (vault.fields or {}) | dict(word.split("=", 1) for word in words[4:])

    shell.programs["vault"] = keep
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        mock.add_passthru("http://127.0.0.1")
        for method in ("GET", "POST", "PUT"):
            url = re.compile(re.escape(ADDR) + "/.*")
            mock.add_callback(method, url, callback=vault, content_type=None)
        yield


def _tools_know(server_version: int) -> None:
    """PostgreSQL's own tools refuse servers that are newer than they are."""
    if shutil.which("pg_dump") is None:
        pytest.skip("not on this machine: pg_dump")
    told = subprocess.run(["pg_dump", "--version"], capture_output=True, text=True, check=True)
    (major,) = re.findall(r" (\d+)[.\d]*", told.stdout)[:1]
    if int(major) < server_version // 10_000:
        pytest.skip(f"pg_dump {major} is older than the server")


@contextlib.contextmanager
def _database(shell: Shell) -> Iterator[None]:
    """A database of its own; logins and a second database, made by the page, go with it."""
    shell.service("postgres_url")
    server, own = make_url(POSTGRES).set(drivername="postgresql"), f"d{uuid.uuid4().hex[:12]}"
    place = f"{server.host}:{server.port or 5432}/{own}"
    for login in ("collector", "webhooks", "ann"):
        shell.stands_for[f"//{login}@db.internal/billing"] = f"//{own}_{login}@{place}"
        shell.stands_for[f"CREATE ROLE {login} "] = f"CREATE ROLE {own}_{login} "
    shell.stands_for["//owner@db.internal/billing"] = f"//{server.username}@{place}"
    shell.stands_for[" billing_restored"] = f" {own}_restored"
    shell.environment |= {"PGHOST": str(server.host), "PGUSER": str(server.username)}
    shell.environment |= {"PGPORT": str(server.port or 5432), "PGPASSWORD": server.password or ""}
    admin = server.render_as_string(hide_password=False)
    with psycopg.connect(admin, autocommit=True) as connection:
        _tools_know(connection.info.server_version)
        connection.execute(f"CREATE DATABASE {own}".encode())
        try:
            yield
        finally:
            for database in (f"{own}_restored", own):
                connection.execute(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)".encode())
            for login in ("collector", "webhooks", "ann"):
                connection.execute(f"DROP ROLE IF EXISTS {own}_{login}".encode())
