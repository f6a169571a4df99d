"""A Vault that hvac talks to over `requests`, and a clock that only moves when told."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import requests

from stripe_billing_router.keys import KeyRing

ADDR = "https://vault.example:8200"
SECRET = "sk_live_PLANTEDsecret"
ROTATED = "sk_live_PLANTEDrotated"
PUBLIC = "pk_live_PLANTEDpublic"
TOKEN = "hvs.PLANTEDtoken"
ROLE = "PLANTED-role-id"
SECRET_ID = "PLANTED-secret-id"

Answer = tuple[int, dict[str, str], str]


class Clock:
    """Seconds that pass only when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def forward(self, seconds: float) -> None:
        self.now += seconds


@dataclass
class Vault:
    """One secret on one mount, behind tokens and a policy, answering as the server does."""

    kv: int = 2
    mount: str = "secret"
    path: str = "stripe"
    fields: dict[str, Any] | None = field(default_factory=lambda: {"stripe_secret_key": SECRET})
    deleted: bool = False
    announces: bool = True
    tokens: set[str] = field(default_factory=lambda: {TOKEN})
    ttl: int = 0
    renewable: bool = True
    refuses_login: bool = False
    denied: set[str] = field(default_factory=set)
    broken: Exception | Answer | None = None
    on_read: Callable[[], None] = lambda: None
    calls: list[requests.PreparedRequest] = field(default_factory=list)

    def __call__(self, request: requests.PreparedRequest) -> Answer | Exception:
        self.calls.append(request)
        if self.broken is not None:
            if isinstance(self.broken, requests.RequestException):
                self.broken.request = request
            return self.broken
        return self._answer(str(request.path_url).removeprefix("/v1/"), request)

    def rotate(self) -> None:
        """Put another key in, so that what is read now differs from what was read before."""
        self.fields = {"stripe_secret_key": ROTATED}

    def paths(self) -> list[str]:
        """What was asked, in order."""
        return [str(call.path_url).removeprefix("/v1/") for call in self.calls]

    def reads(self) -> list[str]:
        """The paths of the secret that were read."""
        return [path for path in self.paths() if path.startswith(f"{self.mount}/")]

    def _answer(self, path: str, request: requests.PreparedRequest) -> Answer:
        if path == "auth/approle/login":
            return self._login(json.loads(request.body or "{}"))
        if request.headers.get("X-Vault-Token") not in self.tokens or path in self.denied:
            return refusal(403, "permission denied")
        if path == "auth/token/lookup-self":
            return ok({"data": {"ttl": self.ttl, "renewable": self.renewable}})
        if path == "auth/token/renew-self":
            return self._granted(str(request.headers["X-Vault-Token"]))
        if path == f"sys/internal/ui/mounts/{self.mount}/{self.path}":
            return self._announcement()
        return self._secret(path)

    def _login(self, body: Mapping[str, str]) -> Answer:
        if self.refuses_login or body != {"role_id": ROLE, "secret_id": SECRET_ID}:
            return refusal(400, "invalid role or secret ID")
        token = f"hvs.PLANTEDlogin{len(self.calls)}"
        self.tokens.add(token)
        return self._granted(token)

    def _granted(self, token: str) -> Answer:
        grant = {"client_token": token, "lease_duration": self.ttl, "renewable": self.renewable}
        return ok({"auth": grant})

    def _announcement(self) -> Answer:
        if not self.announces:
            return refusal(403, "preflight capability check returned 403")
        options = {"version": "2"} if self.kv == 2 else None
        return ok({"data": {"options": options or {"version": "1"}, "type": "kv"}})

    def _secret(self, path: str) -> Answer:
        self.on_read()
        if self.kv == 2 and path == f"{self.mount}/{self.path}":
            warning = "Invalid path for a versioned K/V secrets engine."
            return 404, JSON, json.dumps({"warnings": [warning], "data": None})
        mine = f"{self.mount}/{'data/' if self.kv == 2 else ''}{self.path}"
        if path != mine or self.fields is None:
            return refusal(404)
        if self.kv == 1:
            return ok({"data": self.fields})
        return self._version()

    def _version(self) -> Answer:
        metadata = {"version": 3, "deletion_time": "2026-01-01T00:00:00Z" if self.deleted else ""}
        data = {"data": None if self.deleted else self.fields, "metadata": metadata}
        return 404 if self.deleted else 200, JSON, json.dumps({"data": data})


JSON = {"Content-Type": "application/json"}


def ok(body: Mapping[str, Any]) -> Answer:
    return 200, JSON, json.dumps(body)


def refusal(status: int, *errors: str) -> Answer:
    return status, JSON, json.dumps({"errors": list(errors)})


Ring = Callable[..., KeyRing]
