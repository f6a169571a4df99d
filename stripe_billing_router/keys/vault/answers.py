"""One question to Vault: its JSON, or one of our own exceptions.

What hvac and requests raise can hold the token (in the request's headers, or in the text of the
message), so none of it is chained, kept or quoted: only the class's name is passed on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any


class VaultTrouble(Exception):
    """Vault gave no usable answer; VaultSource translates it. `args[0]` says why, no secrets."""


class Refused(VaultTrouble):
    """Vault answered, and the answer is no."""


class Denied(Refused):
    """The token may not, or is not valid any more."""


class NotFound(Refused):
    """Nothing lies at this path."""

    versioned = False
    """Whether the answer shows that the mount is a KV of version 2."""


def ask(question: Callable[[], Any]) -> Mapping[str, Any]:
    """Call a method of hvac and return the JSON object that Vault answered."""
    try:
        answer = question()
    except Exception as error:  # noqa: BLE001 - whatever hvac lets through may hold the token
        trouble = _translated(error)
    else:
        if isinstance(answer, Mapping):
            return answer
        trouble = VaultTrouble(_unusable(answer))
    # Raised out here, so that the foreign exception is not even the context of ours.
    raise trouble


def part(answer: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return one object inside an answer; VaultTrouble if it is not there."""
    found = answer.get(name)
    if not isinstance(found, Mapping):
        raise VaultTrouble(f"the answer has no {name}")
    return found


def _translated(error: Exception) -> VaultTrouble:
    from hvac import exceptions  # type: ignore[import-untyped]  # noqa: PLC0415 - slow to load

    if isinstance(error, exceptions.InvalidPath):
        return _not_found(error.json)
    if isinstance(error, exceptions.Forbidden | exceptions.Unauthorized):
        return Denied("permission denied")
    if isinstance(error, exceptions.InvalidRequest):
        return Refused("the request was refused")
    return VaultTrouble(type(error).__name__)


def _not_found(body: object) -> VaultTrouble:
    if not isinstance(body, Mapping):
        return VaultTrouble("a 404 that is not Vault's own")  # a proxy's page proves nothing
    found = NotFound("no such path")
    found.versioned = _shows_version_2(body)
    return found


def _shows_version_2(body: Mapping[str, Any]) -> bool:
    """A deleted version is answered with its metadata, a path of version 1 with a warning."""
    data, warnings = body.get("data"), body.get("warnings")
    deleted = isinstance(data, Mapping) and "metadata" in data
    return deleted or (isinstance(warnings, list) and "versioned" in " ".join(map(str, warnings)))


def _unusable(answer: object) -> str:
    status = getattr(answer, "status_code", None)
    if isinstance(status, int) and 300 <= status < 400:
        return "it redirects elsewhere; address the active node"
    return "the answer is not a JSON object"
