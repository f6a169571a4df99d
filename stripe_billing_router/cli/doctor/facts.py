"""What the checks are given. Each fact is found when it is first asked for, and then kept.

Looking changes nothing: no ledger is made, and no migration run. A fact that cannot be had raises
the library's error for it, which says what to do.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from ...bootstrap import Assembly, Given, assemble, installed, routing_file
from ...config import RoutingFile, Settings
from ...engine import AccountCheck, Reactions, SystemClock
from ...keys.ring import vault_settings
from ...keys.vault import VaultSettings
from ...models.findings import Finding
from ...ports import Discrepancy, Keys
from ...store import Condition, condition_of, journaled, sqlite_path
from ..catalogue import Catalogue
from ..ground import settings_of
from ..linting import against_stripe, bank_debits


class Facts:
    """The facts about one configuration. `offline`: nobody but the database is asked."""

    def __init__(self, config: Path | None, bots: Sequence[str] = (), offline: bool = False):
        self.bots = tuple(bots)
        self.offline = offline
        self._config = config
        self._clock = SystemClock()

    @cached_property
    def settings(self) -> Settings:
        return settings_of(self._config)

    @cached_property
    def file(self) -> RoutingFile:
        return routing_file(self.settings.routing_config)

    @cached_property
    def assembly(self) -> Assembly:
        return assemble(Given(None if self._config is None else self._config.absolute()))

    @cached_property
    def vault(self) -> VaultSettings | None:
        """How Vault is reached; None if it is not used."""
        return vault_settings(os.environ)

    def ask_vault(self) -> None:
        """KeyProviderUnavailableError if Vault does not answer, or refuses us."""
        self.assembly.keys.refresh()

    @cached_property
    def keys(self) -> Keys:
        return self.assembly.keys.keys()

    @cached_property
    def webhook_secrets(self) -> tuple[str, ...]:
        return self.assembly.keys.webhook_secrets()

    @cached_property
    def accounts(self) -> AccountCheck:
        """A check of its own, by this host's clock: the router's would open the ledger."""
        clock = self._clock
        base, provider = self.settings.api_base, self.assembly.providers.default
        return AccountCheck(provider, Reactions(()), clock, base, clock.now_ms)

    @cached_property
    def mismatch(self) -> Discrepancy | None:
        """Whose key it is, if not the master account's. Asks Stripe."""
        return self.accounts.discrepancy(None, self.keys)

    @property
    def stripe_ahead_ms(self) -> int:
        """How far Stripe's clock is ahead of this host's, once Stripe has been asked."""
        return self.accounts.skew_ms()

    @cached_property
    def no_ledger_yet(self) -> Path | None:
        """Where the first operation makes the ledger, if it is a file that is not there."""
        path = sqlite_path(self.settings.ledger_url)
        return path if path is not None and not path.exists() else None

    @cached_property
    def ledger(self) -> Condition:
        return condition_of(self.settings.ledger_url, self._clock, installed())

    @cached_property
    def journaled(self) -> int:
        return journaled(self.settings.ledger_fallback)

    @cached_property
    def drift(self) -> tuple[Finding, ...]:
        """What Stripe says against the routes' prices and customers."""
        with Catalogue(self._config) as catalogue:
            return tuple(dict.fromkeys(against_stripe(self.file, catalogue)))

    @cached_property
    def bank_debits(self) -> tuple[Finding, ...]:
        """The routes that are paid by bank debit, as far as Stripe tells."""
        with Catalogue(self._config) as catalogue:
            return tuple(dict.fromkeys(bank_debits(self.file, catalogue)))

    def close(self) -> None:
        assembly = self.__dict__.get("assembly")
        if assembly is not None:
            assembly.providers.close()
            assembly.store.close()
