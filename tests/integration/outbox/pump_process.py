"""A pump in a process of its own, whose sink is a file: one line of JSON for an event."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from threading import Event

from stripe_billing_router.engine.clock import SystemClock
from stripe_billing_router.events import EventPump
from stripe_billing_router.models import BillingEvent
from tests.integration.outbox.outbox_bench import store_at


class FileSink:
    """Appends each event in one write, so that a kill leaves whole lines."""

    name = "file"

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def send(self, events: Sequence[BillingEvent]) -> None:
        for event in events:
            os.write(self._file, json.dumps(asdict(event)).encode() + b"\n")


def main(url: str, path: str, lease: str) -> None:
    store = store_at(url)
    pump = EventPump(
        store.outbox, [FileSink(Path(path))], SystemClock(), batch=2, lease=float(lease)
    )
    print("ready", flush=True)
    pump.run(Event(), 0.01)


if __name__ == "__main__":
    main(*sys.argv[1:])
