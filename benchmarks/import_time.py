"""Importing the library against importing the SDK that it needs, each in a new interpreter.

python -m benchmarks.import_time
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator

from benchmarks.harness import Figure, Promise, medians, ratio, tell

PROMISED = Promise("at most", 0.3)


def figures(rounds: int = 10) -> Iterator[Figure]:
    """Yield how much longer it takes, the interpreter's own start left out."""
    modules = {"nothing": "sys", "stripe": "stripe", "ours": "stripe_billing_router"}
    took = medians({side: _importing(name) for side, name in modules.items()}, rounds, warm_up=1)
    alone = {side: took[side] - took["nothing"] for side in ("ours", "stripe")}
    yield ratio("import stripe_billing_router, to import stripe", alone, "ours", "stripe", PROMISED)


def _importing(module: str) -> Callable[[], object]:
    return lambda: subprocess.run([sys.executable, "-c", f"import {module}"], check=True)


if __name__ == "__main__":
    tell(figures())
