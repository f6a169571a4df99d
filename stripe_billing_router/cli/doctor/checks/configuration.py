"""Settings, routing file and hooks: what every call begins with."""

from __future__ import annotations

import os
from dataclasses import fields

from ....config import mistyped
from ....errors import BillingError
from ....master_account import STRIPE_MASTER_ACCOUNT_ID
from ....models import BotId
from ....routing import RoutingTable
from ..examination import refuse
from ..facts import Facts
from ..words import counted


def settings(facts: Facts) -> str:
    """The environment's settings are valid, and a routing file is where they say."""
    return f"the routing file is {facts.settings.routing_config}"


def variables(facts: Facts) -> str:  # noqa: ARG001 - the environment is everybody's
    """No variable of the environment looks like one of ours with a slip in its name."""
    refuse(f"{fault.path} {fault.message}" for fault in mistyped(os.environ))
    return "none looks mistyped"


def routing_file(facts: Facts) -> str:
    """The routing file can be read, and every route and section of it is valid."""
    file = facts.file
    bots = {(domain, category, name) for domain, _, category, name in file.routes}
    return f"{counted(len(file.routes), 'route')} of {counted(len(bots), 'bot')}"


def hooks(facts: Facts) -> str:
    """The host's own code that the section `hooks` names can be imported."""
    facts.assembly  # noqa: B018 - connecting the parts imports them
    named = facts.file.hooks
    used = [field.name for field in fields(named) if getattr(named, field.name)]
    return ", ".join(used) or "none are named"


def bots(facts: Facts) -> str:
    """The bots that were asked about have a route."""
    file = facts.file
    table = RoutingTable(file.routes, file.overrides, file.default_currency)
    faults = []
    for bot in facts.bots:
        try:
            table.resolve(BotId.parse(bot), {})
        except BillingError as error:
            faults.append(str(error))
    refuse(faults)
    return ", ".join(facts.bots) or "none were asked about"


def route_accounts(facts: Facts) -> str:
    """No route names another account than the master account."""
    wrong = [
        f"{'.'.join(key)}: account_id is {route.account_id}, and the master account is "
        f"{STRIPE_MASTER_ACCOUNT_ID}. Correct the route; its bot's calls are refused."
        for key, route in facts.file.routes.items()
        if route.account_id not in (None, STRIPE_MASTER_ACCOUNT_ID)
    ]
    refuse(wrong)
    return "every route bills for the master account"
