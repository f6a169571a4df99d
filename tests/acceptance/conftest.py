"""Processes of their own, against a sandbox that they reach over the network."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from stripe_billing_router.client import BillingRouter
from stripe_billing_router.sandbox import SANDBOX_SECRET_KEY, World
from tests.integration.charge.charge_bench import ROUTING, new_world
from tests.integration.charge.charge_server import Served, serving


@dataclass
class Project:
    """A folder with a routing file, a served sandbox, and the processes that use both."""

    folder: Path
    world: World
    server: Served
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def environment(self) -> Mapping[str, str]:
        return {
            "HOME": os.environ["HOME"],
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(Path(__file__).parents[2]),
            "STRIPE_API_BASE": self.server.base,
            "STRIPE_SECRET_KEY": SANDBOX_SECRET_KEY,
            "STRIPE_ROUTER_HOME": str(self.folder),
        }

    def start(self, script: str, *arguments: str) -> subprocess.Popen[str]:
        """Run a script in a process of its own, in the project's folder."""
        process = subprocess.Popen(
            [sys.executable, "-W", "error", "-c", script, *arguments],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.started.append(process)
        return process

    def run(self, script: str, *arguments: str) -> str:
        """Run a script to its good end and return what it printed."""
        process = self.start(script, *arguments)
        out, err = process.communicate(timeout=30)
        assert process.returncode == 0, err
        return out.strip()

    def router(self) -> BillingRouter:
        """A router in this process, on the same ledger and the same sandbox."""
        return BillingRouter(environ=self.environment)

    def moved(self) -> list[int]:
        return [int(effect["amount"]) for effect in self.world.effects()]


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "stripe_billing_router.yaml").write_text(ROUTING)
    world = new_world()
    with serving(world) as server:
        made = Project(tmp_path, world, server)
        yield made
        for process in made.started:
            process.kill()
            process.communicate()
