"""Exceptions are written down where a review sees them, and go when nothing needs them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from stripe_billing_router.errors import ConfigurationError
from stripe_billing_router.usage_lint import RULES, allowances, examine, lint
from tests.unit.usage_lint.corpus_reader import LOOK_ALIKES
from tests.unit.usage_lint.lint_helpers import ROUTER, STRIPE, places, project

KEY = LOOK_ALIKES["sk_live"]
ALLOW = "stripe-billing-router: allow"
TABLE = "[tool.stripe_billing_router.usage]\n"


def found(folder: Path, name: str, text: str) -> list[str]:
    return places(lint([project(folder, {name: text})]), folder)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.py", f"import stripe  # {ALLOW} SBR001\n"),
        ("a.py", f"import stripe  #{ALLOW}  SBR001: the migration needs it\n"),
        ("a.py", f"import stripe  # noqa # {ALLOW} sbr001\n"),
        ("a.py", f"# {ALLOW} SBR001 because\nimport stripe\n"),
        ("a.py", f"from stripe import (\n    Charge,\n)  # {ALLOW} SBR001\n"),
        ("a.py", f"from stripe import (  # {ALLOW} SBR001\n    Charge,\n)\n"),
        ("a.py", f'URL = """\nhttps://api.stripe.com/v1\n"""  # {ALLOW} SBR003\n'),
        ("a.py", f"import stripe; K = '{KEY}'  # {ALLOW} SBR001, SBR004\n"),
        ("a.py", f"import stripe; K = '{KEY}'  # {ALLOW} SBR001 SBR004 for tests\n"),
        ("a.yaml", f"key: {KEY}  # {ALLOW} SBR004\n"),
        ("a.js", f"const key = '{KEY}';  // {ALLOW} SBR004\n"),
        ("a.sql", f"SELECT '{KEY}' -- {ALLOW} SBR004\n"),
        ("a.ini", f"; {ALLOW} SBR004\nkey = {KEY}\n"),
        (".env", f"# {ALLOW} SBR004\nKEY={KEY}\n"),
        ("a.css", f"/* {ALLOW} SBR004 */ a::after {{ content: '{KEY}' }}\n"),
        ("a.html", f"<b>{KEY}</b> <!-- {ALLOW} SBR004 -->\n"),
        ("a.md", f"`{KEY}` <!-- {ALLOW} SBR004 -->\n"),
    ],
)
def test_a_comment_allows_a_rule_on_its_line(tmp_path: Path, name: str, text: str) -> None:
    assert found(tmp_path, name, text) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"import stripe  # {ALLOW} SBR004\n", ["a.py:1:8 SBR001", "a.py:1:16 SBR006"]),
        (f"x = 1  # {ALLOW} SBR001\nimport stripe\n", ["a.py:1:8 SBR006", "a.py:2:8 SBR001"]),
        (f"# {ALLOW} SBR001\n\nimport stripe\n", ["a.py:1:1 SBR006", "a.py:3:8 SBR001"]),
        (f'x = "# {ALLOW} SBR001"; import stripe\n', ["a.py:1:53 SBR001"]),
        (f'"""\n# {ALLOW} SBR001\n"""; import stripe\n', ["a.py:3:13 SBR001"]),
        ("import stripe  # stripe-billing-router: SBR001\n", ["a.py:1:8 SBR001"]),
        ("import stripe  # noqa: SBR001\n", ["a.py:1:8 SBR001"]),
    ],
)
def test_a_comment_allows_nothing_else(tmp_path: Path, text: str, expected: list[str]) -> None:
    assert found(tmp_path, "a.py", text) == expected


def test_a_comment_beside_something_speaks_for_its_line_alone(tmp_path: Path) -> None:
    text = f"/* {ALLOW} SBR004 */ a {{ b: '{KEY}' }}\nc {{ d: '{KEY}' }}\n"
    assert found(tmp_path, "a.css", text) == ["a.css:2:9 SBR004"]


@pytest.mark.parametrize(
    ("comment", "message"),
    [
        ("SBR001", "allows SBR001, which nothing here violates"),
        ("SBR999", "allows a rule that does not exist"),
        ("X1", "allows a rule that does not exist"),
        ("", "allows no rule"),
        ("everything", "allows no rule"),
    ],
)
@pytest.mark.parametrize("name", ["a.py", "a.yaml", "a.ipynb"])
def test_a_comment_that_helps_nobody_is_a_finding(
    tmp_path: Path, name: str, comment: str, message: str
) -> None:
    text = f"# {ALLOW} {comment}\n"
    if name == "a.ipynb":
        text = f'{{"cells": [{{"cell_type": "code", "source": ["# {ALLOW} {comment}"]}}]}}'
    findings = lint([project(tmp_path, {name: text})])
    assert [finding.rule for finding in findings] == ["SBR006"]
    assert message in findings[0].message


def test_documents_may_show_the_comment(tmp_path: Path) -> None:
    assert found(tmp_path, "a.md", f"Write `# {ALLOW} SBR001`.\n") == []


def test_a_broken_program_may_allow_its_keys(tmp_path: Path) -> None:
    text = f"def broken(:\nkey = '{KEY}'  # {ALLOW} SBR004\n"
    assert found(tmp_path, "a.py", text) == ["a.py:1:1 SBR000"]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project in the working directory, with violations in its gateway and in a bot."""
    files: dict[str, str | bytes] = {
        "gateway/a.py": STRIPE,
        "gateway/deep/b.py": STRIPE,
        "bots/gateway/c.py": ROUTER,
        "bots/d.py": STRIPE,
    }
    monkeypatch.chdir(project(tmp_path, files))
    return tmp_path


def test_the_project_allows_by_path(here: Path) -> None:
    project(here, {"pyproject.toml": f'{TABLE}allow = {{"SBR001" = ["gateway/**"]}}\n'})
    assert [finding.path for finding in lint()] == ["bots/d.py"]
    assert [finding.path for finding in lint(["gateway", "bots"])] == ["bots/d.py"]
    assert lint(["gateway/deep"]) == []
    assert lint(["gateway/a.py"]) == []
    assert [finding.path for finding in lint([here])] == [f"{here}/bots/d.py"]


def test_the_call_allows_by_path(here: Path) -> None:
    assert [one.path for one in lint(allow={"SBR001": ["gateway/**"]})] == ["bots/d.py"]
    assert lint(allow={"SBR001": ["gateway/**", "bots/*.py"]}) == []


def test_both_lists_count(here: Path) -> None:
    project(here, {"pyproject.toml": f'{TABLE}allow = {{"SBR001" = ["gateway/**"]}}\n'})
    assert lint(allow={"SBR001": ["bots/*"]}) == []


def test_the_table_is_found_upwards_and_outside(
    here: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    project(here, {"pyproject.toml": f'{TABLE}allow = {{SBR001 = ["gateway/**"]}}\n'})
    project(here, {"bots/pyproject.toml": "[project]\nname = 'bots'\n"})
    monkeypatch.chdir(here / "bots")
    assert [finding.path for finding in lint(["../gateway", "."])] == ["d.py"]
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    assert lint([here / "gateway"]) == []


def test_a_bot_cannot_loosen_the_project_by_a_table_of_its_own(here: Path) -> None:
    project(here, {"bots/pyproject.toml": f'{TABLE}allow = {{"SBR001" = ["**"]}}\n'})
    assert [one.path for one in lint(["bots"])] == ["bots/d.py"]
    assert len(lint()) == 3


def test_the_search_for_a_table_ends_at_the_repository(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project(here, {"pyproject.toml": f'{TABLE}allow = {{"SBR001" = ["**"]}}\n'})
    project(here / "bots", {".git/HEAD": ""})
    monkeypatch.chdir(here / "bots")
    assert [one.path for one in lint()] == ["d.py"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("allow = {SBR999 = ['a.py']}", "'SBR999' is not a rule"),
        ("allow = {stripe-import = ['a.py']}", "'stripe-import' is not a rule"),
        ("allow = {SBR001 = 'gateway/**'}", "is not a list of patterns"),
        ("allow = {SBR001 = [1]}", "is not the pattern of a path"),
        ("allow = {SBR001 = ['']}", "is not the pattern of a path"),
        ("allow = {SBR001 = ['/gateway']}", "must be relative"),
        ("allow = {SBR001 = ['../gateway']}", "must be relative"),
        ("allow = ['SBR001']", "is not a table"),
        ("alow = {SBR001 = ['gateway/**']}", "'alow' is not a setting"),
        ("allow = {SBR001 = ['gateway/**'", "it is not TOML"),
        ("allow = {SBR001 = ['gone/**']}", "SBR001 is allowed for 'gone/**', which violates"),
        ("allow = {SBR004 = ['gateway/**']}", "SBR004 is allowed for 'gateway/**', which"),
    ],
)
def test_wrong_and_unused_entries_are_errors(here: Path, content: str, message: str) -> None:
    project(here, {"pyproject.toml": TABLE + content})
    with pytest.raises(ConfigurationError, match=message.replace("*", r"\*")):
        lint()


def test_every_fault_is_told_at_once(here: Path) -> None:
    project(here, {"pyproject.toml": f"{TABLE}x = 1\nallow = {{SBR9 = [], SBR001 = 'a'}}\n"})
    with pytest.raises(ConfigurationError) as caught:
        lint()
    assert len(caught.value.faults) == 3


def test_a_table_that_is_none_is_an_error(here: Path) -> None:
    project(here, {"pyproject.toml": "[tool.stripe_billing_router]\nusage = 5\n"})
    with pytest.raises(ConfigurationError, match="is not a table"):
        lint()


@pytest.mark.parametrize(
    "allow", [{"SBR001": "gateway/**"}, {"SBR999": ["a"]}, {"SBR001": ["/a"]}, {"SBR005": ["**"]}]
)
def test_wrong_and_unused_arguments_are_errors(
    here: Path, allow: Mapping[str, Sequence[str]]
) -> None:
    with pytest.raises(ConfigurationError):
        lint(allow=allow)


def test_entries_are_not_judged_by_a_part_of_what_they_are_for(here: Path) -> None:
    """A hook that checks some files must not ask for the removal of what the others need."""
    table = f'{TABLE}allow = {{"SBR001" = ["gateway/**", "**/d.py"]}}\n'
    project(here, {"pyproject.toml": table})
    assert lint(["bots/gateway/c.py"]) == []
    assert lint(["bots/gateway"]) == []
    assert lint(["gateway/deep"]) == []
    assert lint() == []
    (here / "bots/d.py").write_text(ROUTER)
    assert lint(["gateway"]) == []
    with pytest.raises(ConfigurationError, match=r"d\.py"):
        lint()


def test_findings_are_told_beside_unused_entries(here: Path) -> None:
    report = examine(allow={"SBR004": ["**"]})
    assert len(report.findings) == 3
    assert len(report.faults) == 1


@pytest.mark.parametrize(
    ("glob", "fitting", "others"),
    [
        ("gateway/**", ["gateway/a.py", "gateway/b/c.py"], ["gateway", "x/gateway/a.py"]),
        ("gateway/", ["gateway/a.py", "gateway/b/c.py"], ["gateway"]),
        ("gateway", ["gateway"], ["gateway/a.py"]),
        ("*.py", ["a.py"], ["b/a.py", "a.pyi", "apy"]),
        ("**/*.py", ["a.py", "b/a.py", "b/c/a.py"], ["a.txt"]),
        ("**/a.py", ["a.py", "b/a.py"], ["ba.py"]),
        ("a/**/b.py", ["a/b.py", "a/x/b.py", "a/x/y/b.py"], ["a/xb.py", "b.py"]),
        ("./a?.py", ["ab.py"], ["a.py", "a/.py", "abc.py"]),
        ("a[b].py", ["a[b].py"], ["ab.py"]),
        ("**", ["a", "a/b"], []),
    ],
)
def test_patterns_fit_whole_paths(glob: str, fitting: list[str], others: list[str]) -> None:
    pattern = allowances.compiled(glob)
    assert [path for path in fitting if not pattern.fullmatch(path)] == []
    assert [path for path in others if pattern.fullmatch(path)] == []


def test_every_rule_can_be_allowed_by_path(here: Path) -> None:
    project(here, {"bots/broken.py": "def :", "bots/unused.py": f"# {ALLOW} SBR001\n"})
    allow = {"SBR001": ["**/*.py"], "SBR000": ["bots/broken.py"], "SBR006": ["bots/unused.py"]}
    assert lint(allow=allow) == []
    assert set(allow) < set(RULES)
