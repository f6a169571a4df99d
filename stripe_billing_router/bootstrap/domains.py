"""Which domains are installed: one line each, and nothing else in the house names them."""

from __future__ import annotations

import os
from functools import reduce
from importlib import import_module
from typing import Any

from ..config import RoutingFile, load_routing_file
from ..domain import Domain
from ..models import Verbs
from ..providers.stripe.verbs import VERBS, Verb

INSTALLED: dict[str, str] = {}
"""Where the declaration of each domain is, `module:attribute`; a module of this package begins with
a dot (`".domains.credits.declared:CREDITS"`)."""


def installed() -> tuple[Domain, ...]:
    """Return the declarations of all domains, which are imported now."""
    return tuple(map(domain, INSTALLED))


def all_verbs() -> Verbs[Verb]:
    """Return our verbs and those of installed domains; ConfigurationError if one cannot be."""
    return Verbs([*VERBS.values(), *(verb for domain in installed() for verb in domain.verbs)])


def routing_file(path: str | os.PathLike[str]) -> RoutingFile:
    """Return what a routing file says; ConfigurationError with its faults."""
    return load_routing_file(path, all_verbs(), installed())


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
