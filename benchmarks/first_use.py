"""What a new process waits for: an import, a first charge, an answer of the command line.

    python -m benchmarks.first_use

Every side is a process of its own, by turns. The compiled files of all modules are there, or none:
neither side's are read or written then. The interpreter's own start counts for the command line,
whose user waits for it, too; the command line is compared with an import of what it is made with.
A process ends with its charge: what follows is nobody's wait.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from benchmarks.harness import Figure, Promise, medians, ratio, tell
from benchmarks.stripe_server import ROUTE, serving
from stripe_billing_router.sandbox import SANDBOX_SECRET_KEY

IMPORT = Promise("at most", 0.3)
FIRST_CHARGE = Promise("at most", 2.5)
# About a quarter of what it took when every command was imported at the start.
COMMAND_LINE = {"compiled": Promise("at most", 3.2), "not compiled": Promise("at most", 2.3)}

BARE = """
import os, sys, stripe
client = stripe.StripeClient(sys.argv[1], base_addresses={"api": sys.argv[2]})
client.v1.payment_intents.create({
    "amount": 1999, "currency": "usd", "customer": "cus_bench", "payment_method": "pm_bench",
    "confirm": True, "off_session": True,
    "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
})
os._exit(0)
"""
OURS = """
import os
from stripe_billing_router import charge
charge("bench:bot", "19.99")
os._exit(0)
"""
COMMANDS = """
import sys
from stripe_billing_router.cli import main
sys.argv[0] = "stripe-billing-router"
main()
"""
COMPLETE = {
    "_STRIPE_BILLING_ROUTER_COMPLETE": "complete_bash",
    "COMP_WORDS": "stripe-billing-router l",
    "COMP_CWORD": "1",
}

Environ = Mapping[str, str]


def figures(rounds: int = 10) -> Iterator[Figure]:
    """Yield how much longer each takes than what it is compared with."""
    with serving() as api_base, tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        for state, environ in _environments(home).items():
            took = medians(_sides(environ, _project(home, api_base)), rounds, warm_up=1)
            alone = {side: took[side] - took["nothing"] for side in ("import", "stripe")}
            if state == "compiled":
                subject = "import stripe_billing_router, to import stripe"
                yield ratio(subject, alone, "import", "stripe", IMPORT)
            subject = f"first charge of a process, {state}, to the bare SDK's"
            yield ratio(subject, took, "charge", "bare", FIRST_CHARGE)
            for side in ("--version", "completion"):
                subject = f"command line: {side}, {state}, to import typer"
                yield ratio(subject, took, side, "typer", COMMAND_LINE[state])


def _environments(home: Path) -> dict[str, Environ]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    compiled = {**kept, "PYTHONPYCACHEPREFIX": str(home / "compiled")}
    nowhere = {"PYTHONPYCACHEPREFIX": str(home / "nowhere"), "PYTHONDONTWRITEBYTECODE": "1"}
    return {"compiled": compiled, "not compiled": {**kept, **nowhere}}


def _project(home: Path, api_base: str) -> Environ:
    """Return the settings of a project with one bot; the first charge makes its ledger."""
    config = home / "config" / "stripe_billing_router.yaml"
    config.parent.mkdir(exist_ok=True)
    config.write_text(json.dumps({"stripe": {"default": {"bench": {"bot": ROUTE}}}}))
    return {
        "STRIPE_ROUTING_CONFIG": str(config),
        "STRIPE_API_BASE": api_base,
        "STRIPE_SECRET_KEY": SANDBOX_SECRET_KEY,
    }


def _sides(environ: Environ, project: Environ) -> dict[str, Callable[[], object]]:
    ours = {**environ, **project}
    return {
        "nothing": _process(["-c", "pass"], environ),
        "stripe": _process(["-c", "import stripe"], environ),
        "import": _process(["-c", "import stripe_billing_router"], environ),
        "typer": _process(["-c", "import typer"], environ),
        "bare": _process(["-c", BARE, SANDBOX_SECRET_KEY, project["STRIPE_API_BASE"]], environ),
        "charge": _process(["-c", OURS], ours),
        "--version": _process(["-c", COMMANDS, "--version"], environ),
        "completion": _process(["-c", COMMANDS], {**environ, **COMPLETE}),
    }


def _process(arguments: Sequence[str], environ: Environ) -> Callable[[], object]:
    command = [sys.executable, *arguments]
    return lambda: subprocess.run(command, check=True, env=dict(environ), capture_output=True)


if __name__ == "__main__":
    tell(figures())
