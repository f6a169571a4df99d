"""What git ignores. Git can only take away what it names: when it fails, nothing is taken away."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import Final, NamedTuple

_SECONDS: Final = 60
_LIST_IGNORED: Final = (
    *("ls-files", "-z", "--others", "--ignored"),
    *("--exclude-standard", "--directory"),
)


class Ignored(NamedTuple):
    """Real paths that git ignores, and whether git could say so."""

    paths: frozenset[str]
    known: bool


def ignored_below(folder: str) -> Ignored:
    """Return what git ignores below a folder, which is given by its real path.

    A folder that is itself ignored was asked for by its name: then nothing in it counts as
    ignored because of what is above it.
    """
    root = _top_of(folder)
    listed = None if root is None else _git(root, *_LIST_IGNORED)
    if root is None or listed is None:
        return Ignored(frozenset(), known=False)
    below = os.path.join(folder, "")
    names = (os.fsdecode(name).rstrip("/") for name in listed.split(b"\0"))
    paths = (os.path.join(root, name) for name in names if name)
    return Ignored(frozenset(path for path in paths if path.startswith(below)), known=True)


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
