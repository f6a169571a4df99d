"""Payment providers, each in a wing of its own; and to which of them a call goes."""

from __future__ import annotations

from collections.abc import Mapping

from ..errors import InvalidRequestError, OutcomeUnknownError
from ..models import DEFAULT_PROVIDER, BotId, Operation, Verb
from ..ports import Provider
from ..redaction import shown


class Providers:
    """The providers of a router by their names. `of_domains` says which one the routes of a domain
    use; those of all others use Stripe."""

    def __init__(self, named: Mapping[str, Provider], of_domains: Mapping[str, str]) -> None:
        self._named = named
        self._of_domains = of_domains
        self.default = named[DEFAULT_PROVIDER]
        self.longest_send = max(provider.longest_send for provider in named.values())
        self.sendable_for_ms = min(provider.sendable_for_ms for provider in named.values())

    def name_of(self, bot: BotId) -> str:
        return self._of_domains.get(bot.domain, DEFAULT_PROVIDER)

    def of_bot(self, bot: BotId) -> Provider:
        return self._named[self.name_of(bot)]

    def of(self, operation: Operation) -> Provider:
        """Return the provider that was asked, whatever the routes of its domain use by now;
        OutcomeUnknownError if there is none of that name."""
        found = self._named.get(operation.provider)
        if found is None:
            raise OutcomeUnknownError(
                f"This version has no provider {shown(operation.provider)}, which operation "
                f"{operation.operation_id} names. See `stripe-billing-router operations show "
                f"{operation.operation_id}`, and do not pay again before it is settled.",
                operation_id=operation.operation_id,
                money="unknown",
                idempotency_key=operation.idempotency_key,
            )
        return found

    def verb(self, bot: BotId, name: str) -> Verb:
        """Return a verb as the bot's provider does it; InvalidRequestError if it does not."""
        verbs = self.of_bot(bot).verbs
        if name not in verbs:
            raise InvalidRequestError(
                f"{name} is nothing that the provider {self.name_of(bot)} of {bot} can do; it can "
                f"{', '.join(verbs)}.",
                parameter="bot_id",
            )
        return verbs[name]

    def can(self, operation: Operation) -> bool:
        """Say whether the operation's provider and its verb are there."""
        found = self._named.get(operation.provider)
        return found is not None and operation.verb in found.verbs

    def verb_of(self, operation: Operation) -> Verb:
        return self.of(operation).verbs[operation.verb]

    def close(self) -> None:
        for provider in self._named.values():
            provider.close()
