"""Settings: where the files are, and where requests may go."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import stripe_billing_router
from stripe_billing_router.config import Settings, load_settings
from stripe_billing_router.config.settings import KNOWN_VARIABLES
from stripe_billing_router.errors import ConfigurationError

PASSWORD = "tr0ub4dor"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with a routing file in its usual place."""
    (tmp_path / "project" / "config").mkdir(parents=True)
    (tmp_path / "project" / "deep" / "er").mkdir(parents=True)
    (tmp_path / "project" / "config" / "stripe_billing_router.yaml").write_text("{}")
    return tmp_path / "project"


def test_everything_has_a_default(project: Path) -> None:
    assert load_settings({}, project) == Settings(
        routing_config=project / "config" / "stripe_billing_router.yaml",
        home=project,
        ledger_url=f"sqlite:///{project}/finance_logs/stripe_ledger.db",
        ledger_fallback=project / "finance_logs" / "stripe_ledger.jsonl",
        api_base="https://api.stripe.com",
        watchdog_config=project / "config" / "stripe_watchdog.yaml",
    )


def test_another_working_directory_never_makes_a_second_ledger(project: Path) -> None:
    """Keys and budgets would be forgotten."""
    assert load_settings({}, project / "deep" / "er") == load_settings({}, project)
    environ = {"STRIPE_LEDGER_URL": "sqlite:///data/../ledger.db"}
    urls = {load_settings(environ, folder).ledger_url for folder in (project, project / "deep")}
    assert urls == {f"sqlite:///{project}/ledger.db"}


def test_the_nearest_routing_file_is_taken(project: Path) -> None:
    inner = project / "deep" / "config"
    inner.mkdir()
    for suffix in ("yml", "json"):
        found = inner / f"stripe_billing_router.{suffix}"
        found.write_text("{}")
        settings = load_settings({}, project / "deep" / "er")
        assert (settings.routing_config, settings.home) == (found, project / "deep")
        found.unlink()


def test_two_routing_files_side_by_side_are_refused(project: Path) -> None:
    (project / "config" / "stripe_billing_router.json").write_text("{}")
    with pytest.raises(ConfigurationError, match="are both there; remove one"):
        load_settings({}, project)


def test_no_routing_file_names_the_command_that_writes_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="`stripe-billing-router init`"):
        load_settings({}, tmp_path)


def test_the_environment_decides_and_code_decides_over_it(project: Path, tmp_path: Path) -> None:
    environ = {
        "STRIPE_ROUTING_CONFIG": " other/routes.json\n",
        "STRIPE_ROUTER_HOME": str(tmp_path / "home"),
        "STRIPE_LEDGER_URL": "sqlite+pysqlite:///l.db?timeout=5",
        "STRIPE_LEDGER_FALLBACK": "~/fallback.jsonl",
        "STRIPE_API_BASE": "http://127.0.0.1:12111/",
        "STRIPE_WATCHDOG_CONFIG": "/etc/watchdog.yaml",
    }
    home = tmp_path / "home"
    settings = load_settings(environ, project)
    assert settings == Settings(
        routing_config=home / "other" / "routes.json",
        home=home,
        ledger_url=f"sqlite+pysqlite:///{home}/l.db?timeout=5",
        ledger_fallback=Path(os.environ["HOME"]) / "fallback.jsonl",
        api_base="http://127.0.0.1:12111",
        watchdog_config=Path("/etc/watchdog.yaml"),
    )
    given = load_settings(
        environ, project, home=project, ledger_url="sqlite:////l.db", routing_config=None
    )
    assert given.home == project
    assert given.ledger_url == "sqlite:////l.db"
    assert given.routing_config == project / "other" / "routes.json"


def test_blank_variables_count_as_unset(project: Path) -> None:
    assert load_settings(dict.fromkeys(KNOWN_VARIABLES, " "), project) == load_settings({}, project)


@pytest.mark.parametrize(
    ("path", "home"), [("a/config/x.yaml", "a"), ("a/x.yaml", "a"), ("config/x.yaml", ".")]
)
def test_home_is_the_folder_above_config_else_the_files_own(
    tmp_path: Path, path: str, home: str
) -> None:
    settings = load_settings({"STRIPE_ROUTING_CONFIG": path}, tmp_path)
    assert settings.home == tmp_path / home


def test_a_home_without_a_routing_config_is_where_the_search_begins(
    project: Path, tmp_path: Path
) -> None:
    settings = load_settings({"STRIPE_ROUTER_HOME": str(project)}, tmp_path)
    assert settings.routing_config == project / "config" / "stripe_billing_router.yaml"


def test_a_mounted_link_keeps_its_place(project: Path, tmp_path: Path) -> None:
    """A mounted file is often a link into a folder of another name."""
    link = tmp_path / "mount" / "config" / "stripe_billing_router.yaml"
    link.parent.mkdir(parents=True)
    link.symlink_to(project / "config" / "stripe_billing_router.yaml")
    assert load_settings({}, tmp_path / "mount").home == tmp_path / "mount"


@pytest.mark.parametrize(
    "base",
    [
        *("https://api.stripe.com", "https://api.stripe.com/", "http://localhost"),
        *("http://127.0.0.1:12111", "https://127.255.0.9", "http://[::1]:8080", "http://[::1]/"),
    ],
)
def test_stripe_and_loopback_addresses_are_taken(project: Path, base: str) -> None:
    settings = load_settings({"STRIPE_API_BASE": base}, project)
    assert settings.api_base == base.removesuffix("/")


@pytest.mark.parametrize(
    "base",
    [
        *("http://api.stripe.com", "https://api.stripe.com.evil.com", "https://evil.com"),
        *("https://api.stripe.com@evil.com", "https://evil.com/api.stripe.com", "api.stripe.com"),
        *("https://api.stripe.com:444", "https://api.stripe.com/v1", "https://api.stripe.com//"),
        *("https://api.stripe.com?x", "https://api.stripe.com#x", "https://API.stripe.com.evil"),
        *("http://127.0.0.1@evil.com", "http://localhost.evil.com", "http://127.0.0.1.evil.com"),
        *("http://localhost:1@evil.com", "http://localhost\\@evil.com", "http://127.1"),
        *("http://127.0.0.256", "http://127.0.0.01", "http://0.0.0.0", "http://10.0.0.1"),
        *("http://128.0.0.1", "http://[::2]", "http://[::ffff:10.0.0.1]", "http://::1"),
        *("http://localhost:0", "http://localhost:65536", "http://localhost:", "ftp://localhost"),
        *(
            "http://127.0.0.1\nevil.com",
            "http://127.0.0.1\tx",
            "http://\u066127.0.0.1",
            "//localhost",
        ),
        *("http://localhost/..", "http://localhost%2eevil.com", "http://loc\u0430lhost", "http://"),
    ],
)
def test_requests_go_nowhere_else(project: Path, base: str) -> None:
    """Every request carries the secret key."""
    for environ, given in (({"STRIPE_API_BASE": base}, {}), ({}, {"api_base": base})):
        with pytest.raises(ConfigurationError, match="requests carry the key") as caught:
            load_settings(environ, project, **given)
        assert caught.value.faults[0][0] == "STRIPE_API_BASE"


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:tr0ub4dor@h/db",
        "postgresql+psycopg://u:tr0ub4dor@h/db?sslmode=require",
        "mysql+pymysql://u:tr0ub4dor@h:3306/db",
        "mariadb+pymysql://h/db",
    ],
)
def test_other_databases_urls_are_left_alone_and_never_shown(project: Path, url: str) -> None:
    settings = load_settings({"STRIPE_LEDGER_URL": url}, project)
    assert settings.ledger_url == url
    assert PASSWORD not in repr(settings)


@pytest.mark.parametrize(
    "url",
    [
        *("sqlite://", "sqlite:///", "sqlite:///:memory:", "sqlite:///?cache=shared"),
        *("sqlite:///file::memory:?uri=true", "sqlite:///file:x?mode=memory&uri=true"),
        *("sqlite://host/x.db", "sqlite:///folder/", "sqlite:///a\nb", "x.db", "/x.db"),
        *("postgres://u:tr0ub4dor@h/db", "SQLITE:///x.db", "oracle://u:tr0ub4dor@h/db", "://"),
    ],
)
def test_a_ledger_that_cannot_last_is_refused(project: Path, url: str) -> None:
    with pytest.raises(ConfigurationError, match="STRIPE_LEDGER_URL") as caught:
        load_settings({"STRIPE_LEDGER_URL": url}, project)
    assert PASSWORD not in str(caught.value)


def test_every_wrong_setting_is_told_at_once(project: Path) -> None:
    environ = {"STRIPE_LEDGER_URL": "sqlite://", "STRIPE_API_BASE": "http://evil.com"}
    with pytest.raises(ConfigurationError) as caught:
        load_settings(environ, project)
    assert [path for path, _ in caught.value.faults] == ["STRIPE_LEDGER_URL", "STRIPE_API_BASE"]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"ledger_ur": "x"}, "'ledger_ur' is not a setting; did you mean ledger_url?"),
        ({"zzz": "x"}, "there are routing_config, home"),
        ({"ledger_url": 5}, "ledger_url: is 5; give a text or a path"),
        ({"home": b"/x"}, "home: is b'/x'"),
        ({"home": ""}, "home: is ''"),
    ],
)
def test_a_wrong_setting_in_code_is_refused(
    project: Path, given: dict[str, Any], says: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_settings({}, project, **given)
    assert says in str(caught.value)


def test_importing_reads_no_variable_and_no_file(tmp_path: Path) -> None:
    """A process whose settings are all wrong can still import the package."""
    environ = {
        "PATH": os.environ["PATH"],
        "STRIPE_ROUTING_CONFIG": "/nowhere/x.yaml",
        "STRIPE_API_BASE": "http://evil.com",
        "STRIPE_LEDGER_URL": "sqlite://",
    }
    code = (
        "import sys, stripe_billing_router; "
        "heavy = {'typer', 'rich', 'yaml'} & set(sys.modules); "
        "assert not heavy, heavy; import stripe_billing_router.config"
    )
    command = [sys.executable, "-W", "error", "-c", code]
    subprocess.run(command, check=True, cwd=tmp_path, env=environ, timeout=60)


def test_every_variable_that_is_read_or_documented_is_known() -> None:
    """Else a variable of our own could be taken for a mistyped one."""
    package = Path(stripe_billing_router.__file__).parent
    settings = Path(__file__).parents[3] / "docs/operations/going-live.md"
    texts = [path.read_text() for path in package.rglob("*.py")]
    read = set(re.findall(r'"((?:STRIPE|VAULT)_[A-Z_]+)"', "".join(texts)))
    table = settings.read_text().split("## Settings")[1]
    documented = set(re.findall(r"`((?:STRIPE|VAULT)_[A-Z_]+)`", table))
    no_settings = {"STRIPE_MASTER_ACCOUNT_ID", "STRIPE_REGISTERED_ACCOUNT_ID", "STRIPE_LOG"}
    assert read | documented <= KNOWN_VARIABLES | no_settings
