"""The money verbs: each plans its Stripe steps and reads what came back. Nothing here does I/O."""

from .base import Call, Lookups, Plan, Verb
from .charge import ChargeVerb

VERBS: dict[str, Verb] = {verb.name: verb for verb in (ChargeVerb(),)}

__all__ = ["VERBS", "Call", "Lookups", "Plan", "Verb"]
