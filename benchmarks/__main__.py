"""Every benchmark, in a few minutes: a table, JSON, and exit code 1 if a promise is broken.

    python -m benchmarks [--json PATH] [SUBJECT …]

The bigger sizes are had by running a subject by itself: `python -m benchmarks.watchdog`.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import version
from pathlib import Path

from benchmarks import (
    appends,
    charge,
    first_use,
    http_clients,
    outbox_cost,
    requests_per_verb,
    resolution,
    sizes,
    verification,
    watchdog,
    webhooks,
)
from benchmarks.harness import Figure, tell

SUBJECTS: Mapping[str, Callable[[], Iterable[Figure]]] = {
    "charge": charge.figures,
    "http_clients": http_clients.figures,
    "requests": requests_per_verb.figures,
    "resolution": resolution.figures,
    "appends": appends.figures,
    "outbox": outbox_cost.figures,
    "sizes": sizes.figures,
    "verify": verification.figures,
    "watchdog": watchdog.figures,
    "webhooks": webhooks.figures,
    "first_use": first_use.figures,
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("subjects", nargs="*", metavar="SUBJECT", help=", ".join(SUBJECTS))
    parser.add_argument("--json", type=Path, help="where to write the figures")
    options = parser.parse_args()
    unknown = set(options.subjects) - set(SUBJECTS)
    if unknown:
        parser.error(f"unknown subjects: {', '.join(sorted(unknown))}")
    with tempfile.TemporaryDirectory() as home:
        os.environ["HOME"] = os.environ["XDG_CONFIG_HOME"] = home  # the SDK writes there
        found = [f for name in options.subjects or SUBJECTS for f in tell(SUBJECTS[name]())]
    if options.json is not None:
        options.json.write_text(json.dumps(_report(found), indent=1, ensure_ascii=False) + "\n")
    return 0 if all(figure.kept for figure in found) else 1


def _report(figures: Iterable[Figure]) -> dict[str, object]:
    return {
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "python": platform.python_version(),
        "stripe": version("stripe"),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} processors",
        "figures": [figure.to_dict() for figure in figures],
    }


if __name__ == "__main__":
    raise SystemExit(main())
