"""A router whose inbox takes webhooks."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.webhooks.webhooks_bench import BOT, WebhooksBench, webhooks_bench


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebhooksBench]:
    """One for the whole module: what is refused leaves nothing behind."""
    folder = tmp_path_factory.mktemp("forgeries")
    made = webhooks_bench(folder, f"sqlite:///{folder}/ledger.db")
    made.router.charge(BOT, 5)
    made.router.charge(BOT)
    made.router.store.now_ms()
    yield made
    made.close()
