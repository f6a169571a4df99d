"""What every test stands on: no home of one's own, and real databases where a test asks for one."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from filelock import FileLock
from sqlalchemy import create_engine, make_url, text
from sqlalchemy.exc import SQLAlchemyError

POSTGRES = os.environ.get("TEST_POSTGRES_URL", "postgresql+psycopg://postgres@127.0.0.1:5432/test")
MYSQL = os.environ.get("TEST_MYSQL_URL", "mysql+pymysql://root@127.0.0.1:3306/test")
REDIS = os.environ.get("TEST_REDIS_URL", "redis://127.0.0.1:6379/0")
SERVICES_REQUIRED = os.environ.get("REQUIRE_SERVICES") == "1"


@pytest.fixture(autouse=True)
def clean_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK writes into the home folder, and a developer's settings must not leak in."""
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home))
    for name in list(os.environ):
        if name.startswith(("STRIPE_", "VAULT_")):
            monkeypatch.delenv(name)


def _unavailable(service: str, error: Exception) -> None:
    why = f"{service} does not answer: {type(error).__name__}"
    if SERVICES_REQUIRED:
        pytest.fail(why)
    pytest.skip(why)


@pytest.fixture
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """For a test that takes most of the hundred connections that a server gives: one at a time."""
    shared = tmp_path_factory.getbasetemp().parent
    with FileLock(shared / "stripe-billing-router-crowd.lock", timeout=600):
        yield


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/ledger.db"


@pytest.fixture
def postgres_url() -> Iterator[str]:
    """A schema of its own in the PostgreSQL server under test."""
    schema = f"t{uuid.uuid4().hex[:16]}"
    admin = create_engine(POSTGRES, isolation_level="AUTOCOMMIT")
    try:
        with admin.connect() as connection:
            connection.execute(text(f"CREATE SCHEMA {schema}"))
    except SQLAlchemyError as error:
        _unavailable("PostgreSQL", error)
    url = make_url(POSTGRES).update_query_dict({"options": f"-csearch_path={schema}"})
    yield url.render_as_string(hide_password=False)
    with admin.connect() as connection:
        connection.execute(text(f"DROP SCHEMA {schema} CASCADE"))
    admin.dispose()


@pytest.fixture
def mysql_url() -> Iterator[str]:
    """A database of its own in the MariaDB or MySQL server under test."""
    name = f"t{uuid.uuid4().hex[:16]}"
    admin = create_engine(MYSQL, isolation_level="AUTOCOMMIT")
    try:
        with admin.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name}"))
    except SQLAlchemyError as error:
        _unavailable("MariaDB", error)
    yield make_url(MYSQL).set(database=name).render_as_string(hide_password=False)
    with admin.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name}"))
    admin.dispose()


@pytest.fixture
def redis_url() -> str:
    """The Redis server under test; what a test makes there has a name of its own."""
    try:
        with redis.Redis.from_url(REDIS) as client:
            client.ping()
    except redis.RedisError as error:
        _unavailable("Redis", error)
    return REDIS


@pytest.fixture(params=["sqlite", "postgres", "mysql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """Each supported database in turn."""
    return str(request.getfixturevalue(f"{request.param}_url"))
