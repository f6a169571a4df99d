"""The routing file: routes, override rules and the reserved sections."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ..domain import Domain
from ..errors import ConfigurationError
from ..frozen import frozen
from ..models import DEFAULT_PROVIDER, Declared, Fault, OverrideKey, Policies, Route, RouteKey
from ..redaction import shown
from .documents import Document, read_document
from .faults import faulty, plain_path
from .hooks import Hooks
from .route_tree import RouteTree
from .sections import RESERVED, Recovery, Sections, check_sections

BILLING = "billing"


@frozen
class RoutingFile:
    """A routing file without a fault.

    `allowed_secret_keys` holds `sha256:` fingerprints, whatever the file holds, and
    `key_accounts` the accounts that some of them are pinned to; () if the section is absent.
    `providers` says which provider the routes of a domain use, where that is not Stripe.
    `domains` are the settings of installed domains by their names.
    """

    path: Path
    routes: Mapping[RouteKey, Route] = field(repr=False)
    overrides: Mapping[OverrideKey, Mapping[str, str]] = field(repr=False)
    default_currency: str
    allowed_secret_keys: tuple[str, ...]
    key_accounts: Mapping[str, str]
    policies: Policies
    hooks: Hooks
    recovery: Recovery
    providers: Mapping[str, str] = field(default_factory=dict)
    domains: Mapping[str, Any] = field(default_factory=dict)


def load_routing_file(
    path: str | os.PathLike[str],
    verbs: Mapping[str, Declared],
    domains: Sequence[Domain] = (),
    providers: Collection[str] = (DEFAULT_PROVIDER,),
) -> RoutingFile:
    """Return the file's contents: JSON by the suffix `.json`, else YAML.

    Raises one ConfigurationError with every fault of the file in `.faults`, each with its path
    inside the file, such as `("stripe.eu.finance.bot", "price_id is empty")`. No key is shown.
    Rules may name `verbs`, and domains use `providers`. Where `domains` are installed, `billing`
    holds their settings.
    """
    where = Path(path).absolute()
    data, faults = _top_level(read_document(where))
    sections, wrong_sections = check_sections(data, verbs, providers)
    settings, wrong_settings = _settings_of(domains, data)
    tree = RouteTree(data, (*RESERVED, BILLING) if domains else RESERVED)
    faults = [*faults, *wrong_sections, *wrong_settings, *tree.faults]
    if faults:
        raise faulty(plain_path(where), faults, "Correct the file and start again.")
    return _routing_file(where, sections, tree, settings)


def _top_level(document: Document) -> tuple[Mapping[str, Any], list[Fault]]:
    if isinstance(document.data, Mapping):
        return document.data, document.faults
    why = "is empty" if document.data is None else f"is no mapping but {shown(document.data)}"
    fault = Fault("", f"{why}; `stripe-billing-router init` in a new folder writes an example")
    return {}, [*document.faults, fault]


def _settings_of(
    domains: Sequence[Domain], data: Mapping[str, Any]
) -> tuple[dict[str, Any], list[Fault]]:
    """Return what each domain makes of its part of the section `billing`, by its name."""
    settings: dict[str, Any] = {}
    given = data.get(BILLING) or {}
    if not domains:
        return settings, []
    if not isinstance(given, Mapping):
        return settings, [Fault(BILLING, f"is no mapping of domains but {shown(given)}")]
    known = [domain.name for domain in domains if domain.config is not None]
    faults = [
        Fault(BILLING, f"{shown(name)} is no domain that is installed and has settings; remove it")
        for name in given
        if name not in known
    ]
    for domain in domains:
        where = f"{BILLING}.{domain.name}"
        try:
            read = domain.config or (lambda _: None)
            settings[domain.name] = read(given.get(domain.name))
        except ConfigurationError as error:
            wrong = error.faults or (("", str(error)),)
            faults += [Fault(f"{where}.{path}".rstrip("."), message) for path, message in wrong]
    return settings, faults


def _routing_file(
    path: Path, sections: Sections, tree: RouteTree, settings: Mapping[str, Any]
) -> RoutingFile:
    keys = sections.allowed_secret_keys
    return RoutingFile(
        path=path,
        routes=MappingProxyType(tree.routes),
        overrides=MappingProxyType(tree.overrides),
        default_currency=sections.default_currency,
        allowed_secret_keys=tuple(dict.fromkeys(key.fingerprint for key in keys)),
        key_accounts={key.fingerprint: key.account for key in keys if key.account},
        policies=sections.policies.knowing(tree.routes),
        hooks=sections.hooks,
        recovery=sections.recovery,
        providers=MappingProxyType(dict(sections.providers)),
        domains=MappingProxyType(dict(settings)),
    )
