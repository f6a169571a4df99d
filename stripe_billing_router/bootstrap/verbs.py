"""All verbs there are, and the routing file, whose rules may name them."""

from __future__ import annotations

import os

from ..config import RoutingFile, load_routing_file
from ..models import DEFAULT_PROVIDER, Verbs
from ..providers.stripe.verbs import VERBS, StripeVerb
from .domains import installed

PROVIDERS = (DEFAULT_PROVIDER, "manual")
"""Which there are: `assembly` makes them."""


def all_verbs() -> Verbs[StripeVerb]:
    """Return our verbs and those of installed domains; ConfigurationError if one cannot be."""
    return Verbs([*VERBS.values(), *(verb for domain in installed() for verb in domain.verbs)])


def routing_file(path: str | os.PathLike[str]) -> RoutingFile:
    """Return what a routing file says; ConfigurationError with its faults."""
    return load_routing_file(path, all_verbs(), installed(), PROVIDERS)
