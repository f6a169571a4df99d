"""Which domains are installed: one line each, and nothing else in the house names them."""

from __future__ import annotations

from functools import reduce
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..domain import Domain

INSTALLED: dict[str, str] = {}
"""Where the declaration of each domain is, `module:attribute`; a module of this package begins with
a dot (`".domains.credits.declared:CREDITS"`)."""


def installed() -> tuple[Domain, ...]:
    """Return the declarations of all domains, which are imported now."""
    return tuple(map(domain, INSTALLED))


def domain(name: str) -> Domain:
    """Return the declaration of an installed domain."""
    found: Domain = loaded(INSTALLED[name])
    if found.name != name:
        raise ValueError(f"{INSTALLED[name]} declares the domain {found.name}, not {name}")
    return found


def loaded(where: str) -> Any:
    """Return what `module:attribute` names."""
    module, _, attribute = where.partition(":")
    package = __package__.rpartition(".")[0]
    return reduce(getattr, attribute.split("."), import_module(module, package))
