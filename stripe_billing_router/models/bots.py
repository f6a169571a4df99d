"""Who asks: bot ids and their canonical form."""

from __future__ import annotations

import re
from functools import lru_cache

from ..errors import InvalidRequestError
from ..frozen import frozen
from ..redaction import exact, redact, shown

DEFAULT_DOMAIN = "stripe"
DEFAULT_REGION = "default"

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.\-]{0,63}", re.ASCII)


@frozen
class BotId:
    """A bot, written `"business_category:bot_name"` or `"domain:business_category:bot_name"`.

    `str()` gives the canonical form, which leaves the domain `stripe` out: `stripe:finance:x`
    and `finance:x` are one bot.
    """

    domain: str
    category: str
    name: str

    def __str__(self) -> str:
        short = f"{self.category}:{self.name}"
        return short if self.domain == DEFAULT_DOMAIN else f"{self.domain}:{short}"

    @classmethod
    def parse(cls, bot_id: object) -> BotId:
        """Return the bot that `bot_id` names; InvalidRequestError for anything malformed."""
        if not isinstance(bot_id, str):
            raise _malformed(bot_id)
        return _parsed(exact(bot_id))


@lru_cache(maxsize=4096)
def _parsed(text: str) -> BotId:
    parts = text.split(":")
    if len(parts) not in (2, 3) or not all(NAME.fullmatch(part) for part in parts):
        raise _malformed(text)
    if redact(text) != text:
        raise InvalidRequestError(
            "The bot id holds what looks like a secret; keys never travel in a call.",
            parameter="bot_id",
        )
    return BotId(*([DEFAULT_DOMAIN, *parts] if len(parts) == 2 else parts))


def _malformed(bot_id: object) -> InvalidRequestError:
    return InvalidRequestError(
        f"{shown(bot_id)} is not a bot id; write 'business_category:bot_name' or "
        "'domain:business_category:bot_name', each part of letters, digits, '_', '-' and '.', "
        "at most 64 characters.",
        parameter="bot_id",
    )
