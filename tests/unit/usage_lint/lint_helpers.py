"""How the lint's tests make projects and read findings."""

from __future__ import annotations

import subprocess
from pathlib import Path

from stripe_billing_router.usage_lint import Finding

STRIPE = "import stripe\n"
ROUTER = "from stripe_billing_router import charge\n"


def project(folder: Path, files: dict[str, str | bytes]) -> Path:
    """Write files below a folder, and return it."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


def repository(folder: Path, files: dict[str, str | bytes]) -> Path:
    """Write files below a folder that is a git repository; nothing is committed."""
    folder.mkdir(parents=True, exist_ok=True)
    git(folder, "init", "-q")
    return project(folder, files)


def git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True)


def places(findings: list[Finding], folder: Path) -> list[str]:
    """Return findings as `path:line:column rule`, with paths below a folder."""
    return [
        f"{Path(one.path).relative_to(folder)}:{one.line}:{one.column} {one.rule}"
        for one in findings
    ]
