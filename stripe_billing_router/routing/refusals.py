"""Why a call has no route, and what would have one."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any, NoReturn

from ..errors import RouteConfigurationError, RouteNotFoundError
from ..models.bots import DEFAULT_REGION, BotId
from ..models.routes import OverrideKey, Route, RouteKey
from ..redaction import shown


def conflict(bot: BotId, field: str, wanted: Mapping[str, str]) -> NoReturn:
    raise RouteConfigurationError(
        f"The overrides {pairs(wanted)} of {bot} set {field} to different values; "
        "pass only one of them, or mend their rules."
    )


def no_route(bot: BotId, region: str, routes: Mapping[RouteKey, Route]) -> NoReturn:
    """Say which part of the key is the first that no route has."""
    keys = list(routes)
    for place, kind, wanted in (
        (0, "domain", bot.domain),
        (2, "business category", bot.category),
        (3, "bot", bot.name),
        (1, "region", region),
    ):
        known = sorted({key[place] for key in keys})
        keys = [key for key in keys if key[place] == wanted]
        if not keys:
            _no_part(bot, kind, wanted, known)
    # Registered by another thread since it was looked up.
    _no_part(bot, "region", region, known)


def _no_part(bot: BotId, kind: str, wanted: str, known: list[str]) -> NoReturn:
    hint = did_you_mean(wanted, known)
    then = (
        "pass overrides={'region': …} with one of these, or add the region"
        if kind == "region"
        else "correct the bot id, or add the route"
    )
    raise RouteNotFoundError(
        f"{bot} has no route: the {kind} {shown(wanted)} is unknown; "
        f"{hint + ' ' if hint else ''}{_KNOWN[kind]}: {_listed(known) or 'none'}; "
        f"{then} (in the routing file, or with register_route()).",
        bot_id=str(bot),
    )


_KNOWN = {
    "domain": "known domains",
    "business category": "business categories of this domain",
    "bot": "bots of this category",
    "region": "regions of this bot",
}


def no_rule(
    bot: BotId, region: str, key: str, value: str, overrides: Mapping[OverrideKey, Any]
) -> RouteNotFoundError:
    known: dict[str, list[str]] = {}
    for rule in overrides:
        if is_of(bot, rule) and rule[1] in (region, DEFAULT_REGION):
            known.setdefault(rule[4], []).append(rule[5])
    there = "; ".join(f"{name} = {_listed(sorted(set(known[name])))}" for name in sorted(known))
    hint = did_you_mean(value, known[key]) if key in known else did_you_mean(key, known)
    return RouteNotFoundError(
        f"No override rule of {bot} answers {pairs({key: value})} in region {shown(region)}; "
        f"{hint + ' ' if hint else ''}known: {there or 'none'}; use one of these, or add the "
        "rule (in the routing file, or with register_override()).",
        bot_id=str(bot),
    )


def pairs(overrides: Mapping[str, str]) -> str:
    return ", ".join(f"{shown(key)}: {shown(value)}" for key, value in overrides.items())


def _listed(names: list[str], most: int = 10) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def did_you_mean(word: object, names: Iterable[str], most: int = 2000) -> str:
    """Return a question, or "" if nothing is close. Looks at `most` names: errors stay quick."""
    close = difflib.get_close_matches(word, islice(names, most), 1) if isinstance(word, str) else []
    return f"did you mean {close[0]!r}?" if close else ""


def is_of(bot: BotId, key: RouteKey | OverrideKey) -> bool:
    return key[0] == bot.domain and key[2] == bot.category and key[3] == bot.name
