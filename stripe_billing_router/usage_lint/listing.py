"""Which files are checked: those that are named, and all below the folders that are named."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from ..errors import InvalidRequestError
from ..redaction import shown

EXCLUDED: Final = frozenset(
    """
    .git .hg .svn .venv venv node_modules __pycache__ __pypackages__ .tox .nox .eggs .mypy_cache
    .ruff_cache .pytest_cache .hypothesis .import_linter_cache .pytype .ipynb_checkpoints
    """.split()
)
"""Folders below a path that are not looked into. Those above it have no say."""

_SECONDS: Final = 60
_LIST_IGNORED: Final = (
    *("ls-files", "-z", "--others", "--ignored"),
    *("--exclude-standard", "--directory"),
)
_PYTHONS: Final = ("bin/python", "bin/python3", "Scripts/python.exe")


@dataclass(slots=True)
class Listing:
    """What is to be checked: `files` are the shown paths by their real ones.

    `folders` holds the real paths of the folders that were looked through as a whole.
    """

    files: dict[str, str] = field(default_factory=dict)
    failures: list[tuple[str, OSError]] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def listed(paths: Iterable[str], *, with_ignored: bool) -> Listing:
    """Return the files of the paths; InvalidRequestError for a path where there is none."""
    listing = Listing()
    for path in paths:
        if os.path.isdir(path):
            _Walk(path, listing, with_ignored=with_ignored).run()
        elif os.path.isfile(path):
            listing.files.setdefault(os.path.realpath(path), os.path.normpath(path))
        else:
            raise _nothing(path, "is neither a file nor a folder")
    return listing


class _Walk:
    """One folder, as a whole. Symbolic links are not followed: their targets are checked where
    they are, and what lies outside of the folder has to be named."""

    def __init__(self, path: str, listing: Listing, *, with_ignored: bool) -> None:
        self._path = path
        self._root = os.path.realpath(path)
        self._listing = listing
        self._with_ignored = with_ignored
        self._ignored: set[str] = set()
        self._found = 0
        self._leading_out = 0

    def run(self) -> None:
        self._ask_git(self._root)
        waiting = [self._root]
        while waiting:
            waiting += self._folders_in(waiting.pop())
        self._listing.folders.append(self._root)
        if not self._found:
            raise _nothing(self._path, "has no file to check")
        if self._leading_out:
            self._note(f"symbolic links that lead out of it, not followed: {self._leading_out}")

    def _folders_in(self, folder: str) -> Iterator[str]:
        """Yield the folders to go on with; list the files."""
        try:
            with os.scandir(folder) as scan:
                entries = sorted(scan, key=lambda entry: entry.name)
        except OSError as error:
            self._found += 1
            self._listing.failures.append((self._shown(folder), error))
            return
        if folder != self._root and any(entry.name == ".git" for entry in entries):
            self._ask_git(folder)
        for entry in entries:
            if entry.is_symlink():
                target = os.path.join(os.path.realpath(entry.path), "")
                self._leading_out += not target.startswith(os.path.join(self._root, ""))
            elif entry.path in self._ignored:
                continue
            elif entry.is_file(follow_symlinks=False):
                self._found += 1
                self._listing.files.setdefault(entry.path, self._shown(entry.path))
            elif entry.name not in EXCLUDED and entry.is_dir(follow_symlinks=False):
                yield from () if _is_environment(entry.path) else (entry.path,)

    def _ask_git(self, folder: str) -> None:
        if self._with_ignored:
            return
        ignored = _ignored_below(folder)
        self._ignored |= ignored or set()
        above = (Path(folder, "."), *Path(folder).parents)
        if ignored is None and any(os.path.lexists(one / ".git") for one in above):
            self._note("git does not say what it ignores, so everything is checked")

    def _shown(self, path: str) -> str:
        return os.path.normpath(os.path.join(self._path, os.path.relpath(path, self._root)))

    def _note(self, note: str) -> None:
        self._listing.notes.append(f"{self._path}: {note}.")


def _is_environment(folder: str) -> bool:
    """Whether a folder is a virtual environment, whatever it is called."""
    pythons = (os.path.join(folder, python) for python in _PYTHONS)
    marked = os.path.isfile(os.path.join(folder, "pyvenv.cfg"))
    return marked and any(map(os.path.lexists, pythons))


def _nothing(path: str, why: str) -> InvalidRequestError:
    return InvalidRequestError(
        f"{shown(path)} {why}; name files, or folders that hold some.", parameter="paths"
    )


def _ignored_below(folder: str) -> set[str] | None:
    """Return the real paths that git ignores below a folder, given by its own; None if git fails.

    A folder that is itself ignored was asked for by its name: then nothing in it counts as
    ignored because of what is above it. Git can only take away what it names.
    """
    root = _top_of(folder)
    listed = None if root is None else _git(root, *_LIST_IGNORED)
    if root is None or listed is None:
        return None
    names = (os.fsdecode(name).rstrip("/") for name in listed.split(b"\0"))
    paths = (os.path.join(root, name) for name in names if name)
    return {path for path in paths if path.startswith(os.path.join(folder, ""))}


def _top_of(folder: str) -> str | None:
    """Return the real path of the repository that a folder is in; None if git names none."""
    top = _git(folder, "rev-parse", "--show-toplevel")
    if not top or b"\0" in top:
        return None
    root = os.path.realpath(os.fsdecode(top.removesuffix(b"\n")))
    return root if os.path.commonpath([root, folder]) == root else None


def _git(folder: str, *arguments: str) -> bytes | None:
    """Return what git prints in a folder; None if it fails in any way."""
    git = shutil.which("git")
    if git is None:
        return None
    # Variables of a hook that runs us name its repository; a repository's settings may name
    # programs to run.
    environ = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    command = [git, "-c", "core.fsmonitor=false", *arguments]
    try:
        done = subprocess.run(  # noqa: S603 - no shell, no text of others
            command, cwd=folder, env=environ, capture_output=True, timeout=_SECONDS, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout if done.returncode == 0 else None
