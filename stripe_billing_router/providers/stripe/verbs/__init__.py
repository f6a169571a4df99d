"""The money verbs: each plans its Stripe steps and reads what came back. Nothing here does I/O."""

from ....models import Verbs
from .base import Call, Lookups, Plan, Price, UnreadableAnswer, Verb, email_in
from .charge import ChargeVerb
from .checkout import CheckoutVerb
from .checks import (
    ForeignStep,
    carefully,
    check_step,
    due,
    due_beside,
    misplaced,
    strange,
    stranger,
)
from .customer import CustomerVerb
from .refund import RefundVerb
from .subscription import SubscriptionVerb

VERBS: Verbs[Verb] = Verbs(
    [ChargeVerb(), RefundVerb(), SubscriptionVerb(), CheckoutVerb(), CustomerVerb()]
)
"""Ours; `bootstrap` adds those of installed domains."""

__all__ = [
    "VERBS",
    "Call",
    "ForeignStep",
    "Lookups",
    "Plan",
    "Price",
    "UnreadableAnswer",
    "Verb",
    "carefully",
    "check_step",
    "due",
    "due_beside",
    "email_in",
    "misplaced",
    "strange",
    "stranger",
]
