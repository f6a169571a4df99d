"""What the tests of alerts share."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from stripe_billing_router.alerts import Alert

TOKEN = "PLANTEDtoken"
FOREIGN = "acct_somebody0else"
ALERT = Alert("critical_discrepancy", 5.0, f"{FOREIGN} instead of ours", 1, account_id=FOREIGN)


class Receiver:
    """A loopback HTTP server that keeps what is posted to it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.bodies: list[dict[str, Any]] = []
        self.arrived = threading.Semaphore(0)
        self.may_answer = threading.Event()
        self.may_answer.set()

    def wait_for(self, count: int) -> None:
        for _ in range(count):
            assert self.arrived.acquire(timeout=20)


@contextmanager
def receiving(status: int = 200) -> Iterator[Receiver]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            receiver.bodies.append(json.loads(self.rfile.read(length)))
            receiver.arrived.release()
            receiver.may_answer.wait(timeout=20)
            self.send_response(status)
            self.end_headers()

        def log_message(self, *arguments: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    receiver = Receiver(f"json://127.0.0.1:{server.server_port}/{TOKEN}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield receiver
    finally:
        receiver.may_answer.set()
        server.shutdown()
        server.server_close()
        thread.join(timeout=10)


def lines_of(*files: Path) -> list[dict[str, Any]]:
    """Return the JSON objects of files; every line has to be one."""
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]
