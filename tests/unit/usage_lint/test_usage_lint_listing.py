"""No scan passes silently: which files are checked, whatever git, links and names do."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from stripe_billing_router.errors import InvalidRequestError
from stripe_billing_router.usage_lint import examine, lint, listing
from tests.unit.usage_lint.lint_helpers import ROUTER, STRIPE, git, places, project, repository


def fake_git(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a shell script be all the git that there is."""
    folder.mkdir()
    program = folder / "git"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))


@pytest.mark.parametrize(
    "script",
    [
        "exit 128",
        "exit 1",
        "exit 0",
        "echo 'fatal: detected dubious ownership' >&2; exit 128",
        "echo .; exit 0",
        "echo bots; exit 128",
        "kill -9 $$",
        "printf '\\377\\0\\0\\377'; exit 0",
    ],
)
def test_a_git_that_fails_or_babbles_hides_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    folder = repository(tmp_path / "project", {"bots/a.py": STRIPE, "b.py": ROUTER})
    fake_git(tmp_path / "bin", script, monkeypatch)
    report = examine([folder])
    assert places(report.findings, folder) == ["bots/a.py:1:8 SBR001"]
    assert report.files == 2


def test_a_git_that_hangs_hides_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = repository(tmp_path / "project", {"a.py": STRIPE})
    monkeypatch.setattr(listing, "_SECONDS", 0.2)
    fake_git(tmp_path / "bin", "exec /bin/sleep 20", monkeypatch)
    report = examine([folder])
    assert len(report.findings) == 1
    assert "git does not say what it ignores" in report.notes[0]


def test_without_git_everything_is_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files: dict[str, str | bytes] = {".gitignore": "*.py\n", "a.py": STRIPE}
    folder = repository(tmp_path / "project", files)
    monkeypatch.setenv("PATH", str(tmp_path))
    report = examine([folder])
    assert places(report.findings, folder) == ["a.py:1:8 SBR001"]
    assert "git does not say what it ignores" in report.notes[0]


def test_a_broken_repository_is_checked_as_a_folder(tmp_path: Path) -> None:
    folder = project(tmp_path, {".git/HEAD": "nonsense", ".gitignore": "a.py\n", "a.py": STRIPE})
    report = examine([folder])
    assert places(report.findings, folder) == ["a.py:1:8 SBR001"]
    assert len(report.notes) == 1


def test_outside_of_repositories_git_is_not_missed(tmp_path: Path) -> None:
    report = examine([project(tmp_path, {"a.py": STRIPE})])
    assert len(report.findings) == 1
    assert report.notes == ()


def test_variables_of_a_git_hook_name_no_other_repository(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = repository(tmp_path / "other", {".gitignore": "*\n"})
    folder = repository(tmp_path / "project", {"a.py": STRIPE})
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(other))
    monkeypatch.setenv("GIT_INDEX_FILE", str(other / "no-index"))
    assert places(lint([folder]), folder) == ["a.py:1:8 SBR001"]


PARENTS = ["tests", "test", "node_modules", ".venv", "venv", "build", "docs", "examples"]


@pytest.mark.parametrize("parent", [*PARENTS, "site-packages", ".git", "__pycache__", "migrations"])
@pytest.mark.parametrize("make", [project, repository])
def test_a_folder_above_changes_nothing(tmp_path: Path, parent: str, make: object) -> None:
    assert callable(make)
    folder = make(tmp_path / parent / "project", {"bots/a.py": STRIPE, "tests/b.py": STRIPE})
    expected = ["bots/a.py:1:8 SBR001", "tests/b.py:1:8 SBR001"]
    assert places(lint([folder]), folder) == expected
    assert places(lint([folder / "bots"]), folder) == expected[:1]
    assert places(lint([folder / "bots/a.py"]), folder) == expected[:1]


@pytest.mark.parametrize("name", ["tests", "test", "build", "dist", "lib", "docs", "env", "vendor"])
def test_folders_that_may_hold_programs_are_checked(tmp_path: Path, name: str) -> None:
    folder = project(tmp_path, {f"{name}/a.py": STRIPE, f"{name}/test_b.py": STRIPE})
    assert len(lint([folder])) == 2


EXCLUDED = [".git", ".venv", "venv", "node_modules", "__pycache__", ".mypy_cache", ".tox"]


@pytest.mark.parametrize("name", EXCLUDED)
def test_what_tools_make_is_left_out_unless_it_is_named(tmp_path: Path, name: str) -> None:
    folder = project(tmp_path, {"a.py": ROUTER, f"{name}/deep/b.py": STRIPE})
    assert lint([folder]) == []
    assert len(lint([folder / name])) == 1
    assert len(lint([folder / name / "deep/b.py"])) == 1


def test_an_environment_is_known_whatever_it_is_called(tmp_path: Path) -> None:
    inside = "lib/python3.11/site-packages/stripe/__init__.py"
    files: dict[str, str | bytes] = {f"my-env/{inside}": STRIPE, "my-env/pyvenv.cfg": "home = /"}
    folder = project(tmp_path, {**files, "a.py": ROUTER})
    assert len(lint([folder])) == 1  # that file alone makes no environment
    project(tmp_path, {"my-env/bin/python": ""})
    assert lint([folder]) == []


def test_untracked_files_are_checked_and_ignored_ones_are_not(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {".gitignore": "local/\n*.tmp.py\n/only.py\n"}
    names = ["new.py", "local/a.py", "x.tmp.py", "only.py", "deep/only.py", "deep/local/b.py"]
    folder = repository(tmp_path, {**files, **dict.fromkeys(names, STRIPE)})
    found = ["deep/only.py:1:8 SBR001", "new.py:1:8 SBR001"]
    assert places(lint([folder]), folder) == found
    assert len(lint([folder], with_ignored=True)) == 6


def test_what_git_tracks_is_checked_even_if_it_is_ignored(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {".gitignore": "local/\n", "local/a.py": STRIPE}
    folder = repository(tmp_path, {**files, "local/b.py": STRIPE})
    git(folder, "add", "-f", "local/a.py")
    assert places(lint([folder]), folder) == ["local/a.py:1:8 SBR001"]


def test_an_ignored_path_that_is_named_is_checked(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {".gitignore": "local/\n", "local/deep/a.py": STRIPE}
    folder = repository(tmp_path, files)
    for named in ("local", "local/deep", "local/deep/a.py"):
        assert places(lint([folder / named]), folder) == ["local/deep/a.py:1:8 SBR001"]


def test_a_project_within_a_repository_that_ignores_it_is_checked(tmp_path: Path) -> None:
    outer = repository(tmp_path, {".gitignore": "*\n"})
    folder = project(outer / "work/project", {"a.py": STRIPE})
    assert len(lint([folder])) == 1
    with pytest.raises(InvalidRequestError, match="has no file to check"):
        lint([outer])


def test_repositories_within_a_repository_are_checked(tmp_path: Path) -> None:
    folder = repository(tmp_path, {"a.py": ROUTER})
    inner = repository(folder / "inner", {".gitignore": "local.py\n", "local.py": STRIPE})
    project(inner, {"b.py": STRIPE})
    assert places(lint([folder]), folder) == ["inner/b.py:1:8 SBR001"]


def test_names_of_any_bytes_are_listed_and_shown_on_one_line(tmp_path: Path) -> None:
    folder = repository(tmp_path, {".gitignore": "*.log\n"})
    for name in (b"a b.py", b"new\nline.py", b"\xff.py", "größe.py".encode(), b"-x.py"):
        Path(os.fsdecode(os.path.join(os.fsencode(folder), name))).write_text(STRIPE)
    shown = {str(finding).removeprefix(f"{folder}/") for finding in lint([folder])}
    assert {line.partition(":")[0] for line in shown} == {
        *("a b.py", "new\\nline.py", "\\xff.py", "größe.py", "-x.py"),
    }


def test_links_in_circles_end(tmp_path: Path) -> None:
    folder = project(tmp_path / "project", {"a/b.py": STRIPE})
    (folder / "a/back").symlink_to(folder)
    (folder / "self").symlink_to("self")
    (folder / "gone.py").symlink_to("nowhere.py")
    (folder / "again.py").symlink_to("a/b.py")
    assert places(lint([folder]), folder) == ["a/b.py:1:8 SBR001"]


def test_links_that_lead_out_are_told_of(tmp_path: Path) -> None:
    elsewhere = project(tmp_path / "elsewhere", {"b.py": STRIPE})
    folder = project(tmp_path / "project", {"a.py": ROUTER})
    (folder / "bots").symlink_to(elsewhere)
    report = examine([folder])
    assert report.findings == []
    assert "symbolic links that lead out of it, not followed: 1" in report.notes[0]
    assert len(lint([folder, folder / "bots"])) == 1


@pytest.mark.parametrize("path", ["nothing", "nothing.py", "self"])
def test_a_path_that_is_not_there_is_an_error(tmp_path: Path, path: str) -> None:
    (tmp_path / "self").symlink_to("self")
    with pytest.raises(InvalidRequestError, match="is neither a file nor a folder"):
        lint([tmp_path / path])


def test_a_folder_without_files_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequestError, match="has no file to check"):
        lint([project(tmp_path, {".git/a.py": STRIPE})])


def test_no_path_at_all_is_an_error() -> None:
    with pytest.raises(InvalidRequestError, match="no path to check"):
        lint([])


def test_pipes_and_sockets_do_not_hold_up_the_scan(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.py")
    assert len(lint([project(tmp_path, {"a.py": STRIPE})])) == 1
    with pytest.raises(InvalidRequestError, match="is neither a file nor a folder"):
        lint([tmp_path / "pipe.py"])


def test_a_folder_that_cannot_be_listed_is_a_finding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = project(tmp_path, {"a.py": ROUTER, "closed/b.py": STRIPE})
    scandir = os.scandir

    def closed(path: str) -> object:
        if path.endswith("closed"):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", closed)
    findings = lint([folder])
    assert places(findings, folder) == ["closed:1:1 SBR000"]
    assert "Permission denied" in findings[0].message


def test_paths_are_shown_as_they_were_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project(tmp_path, {"bots/a.py": STRIPE}))
    for given in ([], ["."], ["bots"], ["bots/"], ["./bots/a.py"], [".", "bots", "bots/a.py"]):
        findings = lint(given) if given else lint()
        assert [finding.path for finding in findings] == ["bots/a.py"]
    assert [finding.path for finding in lint("bots")] == ["bots/a.py"]
    assert [finding.path for finding in lint(tmp_path)] == [f"{tmp_path}/bots/a.py"]
    assert [finding.path for finding in lint(["../" + tmp_path.name])] == [
        f"../{tmp_path.name}/bots/a.py"
    ]
