"""`check-usage`, as hooks and people run it."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest
import yaml

from stripe_billing_router import PUBLIC_MODULES
from stripe_billing_router.cli.app import app
from stripe_billing_router.master_account import STRIPE_MASTER_ACCOUNT_ID
from stripe_billing_router.usage_lint import RULES, lint
from stripe_billing_router.usage_lint.allowances import allowances
from tests.unit.cli.cli_helpers import refused, run
from tests.unit.usage_lint.corpus_reader import LOOK_ALIKES, TAIL
from tests.unit.usage_lint.lint_helpers import ROUTER, STRIPE, project

ROOT = Path(__file__).resolve().parents[3]
DOCUMENT = ROOT / "docs/usage-lint.md"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(project(tmp_path, {"b.py": f"x = 1\n{STRIPE}", "a/c.py": STRIPE}))
    return tmp_path


def test_findings_are_lines_on_stdout_sorted_by_place() -> None:
    ran = run("check-usage")
    assert ran.code == 1
    first, second = ran.out.splitlines()
    assert first.startswith("a/c.py:1:8 SBR001 stripe is imported outside the router; ")
    assert second.startswith("b.py:2:8 SBR001 ")
    assert ran.err == "2 files checked, 2 findings.\n"


def test_a_clean_scan_says_how_much_it_checked(here: Path) -> None:
    ran = run("check-usage", project(here / "clean", {"a.py": ROUTER}))
    assert ran == (0, "", "1 file checked, 0 findings.\n")


def test_json_has_every_field() -> None:
    ran = run("check-usage", "a", "--json")
    assert ran.code == 1
    (finding,) = json.loads(ran.out)
    assert finding.pop("message").startswith("stripe is imported")
    place = {"path": "a/c.py", "line": 1, "column": 8}
    assert finding == {**place, "rule": "SBR001", "name": "stripe-import"}


def test_json_of_a_clean_scan_is_an_empty_list(here: Path) -> None:
    ran = run("check-usage", "--json", project(here / "clean", {"a.py": ROUTER}))
    assert (ran.code, json.loads(ran.out)) == (0, [])


def test_several_paths_are_checked(here: Path) -> None:
    assert len(run("check-usage", "a", "b.py").out.splitlines()) == 2


def test_rules_are_allowed_by_option() -> None:
    assert run("check-usage", "--allow", "SBR001:a/**", "--allow", "SBR001:*.py").code == 0
    assert len(run("check-usage", "--allow", "SBR001:a/**").out.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "is neither a file nor a folder"),
        (["--allow", "SBR001"], "is not RULE:GLOB"),
        (["--allow", "SBR999:a"], "is not a rule"),
        (["--allow", "SBR001:/a"], "must be relative"),
    ],
)
def test_what_cannot_run_ends_with_2(arguments: list[str], message: str) -> None:
    assert message in refused("check-usage", *arguments)


def test_an_unused_exception_ends_with_2_beside_the_findings() -> None:
    ran = run("check-usage", "--allow", "SBR001:b.py", "--allow", "SBR001:gone/**")
    assert ran.code == 2
    assert ran.out.startswith("a/c.py:1:8 SBR001 ")
    assert "SBR001 is allowed for 'gone/**', which violates nothing" in ran.err


def test_an_empty_folder_ends_with_2(here: Path) -> None:
    (here / "empty").mkdir()
    assert "has no file to check" in refused("check-usage", "empty")


def test_ignored_files_are_checked_when_asked_for(here: Path) -> None:
    project(here, {"b.py": ROUTER, "a/c.py": ROUTER, "venv/x.py": ROUTER, "d.py": STRIPE})
    assert len(run("check-usage", "--with-ignored").out.splitlines()) == 1


def test_no_output_shows_a_key(here: Path) -> None:
    key = LOOK_ALIKES["sk_live"]
    project(here, {f"{key}.env": f"A={key}\nB={LOOK_ALIKES['whsec']}\n"})
    for ran in (run("check-usage"), run("check-usage", "--json")):
        assert ran.out.count("SBR004") == 2
        assert TAIL not in ran.out + ran.err
        assert "a live secret key" in ran.out
        assert "a webhook signing secret" in ran.out
    told = refused("check-usage", "--allow", f"{key}:a")
    assert TAIL not in told


def test_a_vendored_copy_is_the_library(here: Path) -> None:
    account = STRIPE_MASTER_ACCOUNT_ID.replace("sandbox", "vendored")
    assert run("vendor", "vendor", "--account", account).code == 0
    assert lint(["vendor"]) == []


def test_a_vendored_copy_that_was_changed_is_checked(here: Path) -> None:
    run("vendor", "vendor", "--account", "acct_vendored0000001")
    package = here / "vendor/stripe_billing_router"
    changed = package / "providers/stripe/gateway.py"
    changed.write_text(changed.read_text() + "# changed\n")
    (package / "engine/added.py").write_text(STRIPE)
    paths = {Path(finding.path).name for finding in lint(["vendor"])}
    assert paths == {"added.py", "gateway.py"}


def test_the_hook_runs_the_command() -> None:
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    assert hook["id"] == "stripe-billing-router-usage"
    assert hook["language"] == "python"
    name, command = hook["entry"].split()
    assert name == app.info.name
    assert run(command, "--help").code == 0


def test_the_documented_table_is_right() -> None:
    (block,) = re.findall(r"```toml\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    table = tomllib.loads(block)["tool"]["stripe_billing_router"]["usage"]
    assert allowances(table["allow"], str(ROOT), "docs")[1] == []


def test_the_documentation_names_every_rule() -> None:
    text = DOCUMENT.read_text()
    assert [rule for rule, name in RULES.items() if f"| {rule} | {name} |" not in text] == []


def test_the_documentation_names_every_public_module() -> None:
    (told,) = re.findall(r"The public modules are (.*?) \|", DOCUMENT.read_text())
    assert set(re.findall("`([a-z_]+)`", told)) == PUBLIC_MODULES
