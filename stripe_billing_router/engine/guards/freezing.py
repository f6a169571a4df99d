"""Freezes: whom a scope matches, and the guard that asks at every call and every resend."""

from __future__ import annotations

from functools import lru_cache
from itertools import product

from ...errors import FrozenError, InvalidRequestError
from ...models import DEFAULT_DOMAIN, BotId, Freeze, Write
from ...ports import Intent, Store
from ...redaction import shown

_ANY = "*"
_STAND_IN = "any"
"""What takes the place of `*` while the rest of a scope is checked as a bot id."""


def scope_of(text: object) -> str:
    """Return a scope in canonical form; InvalidRequestError for what is none.

    Scopes are bot ids of which any part may be `*`; `*` alone is everything.
    """
    if text == _ANY:
        return _ANY
    if not isinstance(text, str):
        raise _malformed(text)
    parts = text.split(":")
    try:
        BotId.parse(":".join(_STAND_IN if part == _ANY else part for part in parts))
    except InvalidRequestError:
        raise _malformed(text) from None
    return _canonical(*([DEFAULT_DOMAIN, *parts] if len(parts) == 2 else parts))


@lru_cache(maxsize=4096)
def scopes_of(bot: BotId) -> tuple[str, ...]:
    """Return every scope that matches a bot, in canonical form."""
    choices = product((bot.domain, _ANY), (bot.category, _ANY), (bot.name, _ANY))
    return tuple(_canonical(*parts) for parts in choices)


class FreezeGuard:
    """Refuses frozen bots. It remembers nothing, so that a freeze holds from the next call on."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def check_bot(self, bot: BotId) -> None:
        found = self._store.freezes(scopes_of(bot))
        if found:
            raise _frozen(bot, found[0])

    def check_intent(self, intent: Intent) -> list[Write]:  # noqa: ARG002 - the bot was checked
        return []


def _canonical(domain: str, category: str, name: str) -> str:
    if (domain, category, name) == (_ANY, _ANY, _ANY):
        return _ANY
    return str(BotId(domain, category, name))


def _frozen(bot: BotId, freeze: Freeze) -> FrozenError:
    return FrozenError(
        f"{bot} is frozen ({freeze.scope}, by {freeze.frozen_by}: {freeze.reason}). Nothing is "
        f"sent until a person lifts it: `stripe-billing-router unfreeze {freeze.scope}`.",
        scope=freeze.scope,
        reason=freeze.reason,
    )


def _malformed(scope: object) -> InvalidRequestError:
    return InvalidRequestError(
        f"{shown(scope)} is not a scope; write a bot id such as 'finance:collector', with '*' for "
        "any whole part ('finance:*', 'acme:*:*'), or '*' for everything.",
        parameter="scope",
    )
