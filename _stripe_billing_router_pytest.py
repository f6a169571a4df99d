"""The pytest plugin: a sandbox, and a router, for tests of bots.

It lies beside the package because pytest imports plugins before anything else. A module of the
package would bring the package along: before coverage measures and before warnings are filtered,
and for nothing in projects whose tests ask for no sandbox.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from stripe_billing_router import BillingRouter
    from stripe_billing_router.testing import Sandbox

_HOW_TO_GIVE_ONE = (
    "In tests, the fixture `stripe_sandbox_config` gives the routing file: write one of this name "
    "into your conftest.py that returns a path."
)


@pytest.fixture(scope="session")
def stripe_sandbox_config(pytestconfig: pytest.Config) -> Path | None:
    """The routing file of `stripe_sandbox`: the project's own. Override it to give another's path.

    The project's own is STRIPE_ROUTING_CONFIG, else config/stripe_billing_router.yaml in the
    folder where pytest was started, or above, or in pytest's rootdir.
    """
    if os.environ.get("STRIPE_ROUTING_CONFIG"):
        return None
    return _routing_file(pytestconfig.invocation_params.dir, pytestconfig.rootpath)


@pytest.fixture
def stripe_sandbox(stripe_sandbox_config: str | Path | None) -> Iterator[Sandbox]:
    """A Stripe in memory, with no network and no account: a stripe_billing_router.testing.Sandbox.

    Its router is the default router while the test runs, with a temporary ledger and a clock of
    its own. `stripe_sandbox.world` is Stripe: cards that decline, faults, webhooks, effects().
    """
    from stripe_billing_router.testing import sandbox  # noqa: PLC0415 - see above

    with sandbox(stripe_sandbox_config, despite_live_pin=True) as box:
        yield box


@pytest.fixture
def billing_router(stripe_sandbox: Sandbox) -> BillingRouter:
    """The BillingRouter whose Stripe is `stripe_sandbox`."""
    return stripe_sandbox.router


def _routing_file(*starts: Path) -> Path:
    from stripe_billing_router import ConfigurationError  # noqa: PLC0415 - see above
    from stripe_billing_router.config.locations import find_routing_file  # noqa: PLC0415

    faults = []
    for start in starts:
        try:
            return find_routing_file(start)
        except ConfigurationError as error:
            faults.append(error)
    faults[0].add_note(_HOW_TO_GIVE_ONE)
    raise faults[0]
