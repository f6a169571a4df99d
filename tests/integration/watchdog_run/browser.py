"""Headless Chromium, spoken to in the WebDriver protocol: what a person would see on a page."""

from __future__ import annotations

import base64
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

QUIET = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1200,1600",
]
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"


def missing() -> list[str]:
    """The programs that are not installed."""
    return [name for name in ("chromium", "chromedriver") if shutil.which(name) is None]


class Page:
    """The page that a browser shows."""

    def __init__(self, session: str) -> None:
        self._session = session

    def open(self, url: str) -> None:
        _call("POST", f"{self._session}/url", {"url": url})

    def texts(self, selector: str) -> list[str]:
        """What can be read in each element that matches, as it is laid out."""
        found = _call(
            "POST", f"{self._session}/elements", {"using": "css selector", "value": selector}
        )
        return [_call("GET", f"{self._session}/element/{one[ELEMENT]}/text") for one in found]

    def click(self, selector: str) -> None:
        found = _call(
            "POST", f"{self._session}/element", {"using": "css selector", "value": selector}
        )
        _call("POST", f"{self._session}/element/{found[ELEMENT]}/click", {})

    def run(self, script: str) -> Any:
        return _call("POST", f"{self._session}/execute/sync", {"script": script, "args": []})

    def picture(self) -> bytes:
        return base64.b64decode(_call("GET", f"{self._session}/screenshot"))


@contextmanager
def chromium(folder: Path, *, dark: bool = False) -> Iterator[Page]:
    """A browser of its own, whose files are below `folder`."""
    driver = subprocess.Popen(
        ["chromedriver", "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        base = f"http://127.0.0.1:{_port(driver)}"
        colours = ["--blink-settings=preferredColorScheme=0"] if dark else []
        options = {"args": [*QUIET, *colours, f"--user-data-dir={folder / 'browser'}"]}
        asked = {"capabilities": {"alwaysMatch": {"goog:chromeOptions": options}}}
        session = f"{base}/session/{_call('POST', f'{base}/session', asked)['sessionId']}"
        yield Page(session)
        _call("DELETE", session)
    finally:
        driver.kill()
        driver.communicate()


def _port(driver: subprocess.Popen[str]) -> int:
    assert driver.stdout is not None
    for line in driver.stdout:
        if "started successfully on port" in line:
            return int(line.strip().rstrip(".").rpartition(" ")[2])
    raise AssertionError("chromedriver did not start")


def _call(method: str, url: str, data: Any = None) -> Any:
    answer = requests.request(method, url, json=data, timeout=60)
    value = answer.json()["value"]
    assert answer.status_code == 200, value
    return value
