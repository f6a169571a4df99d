"""The money verbs: each plans its Stripe steps and reads what came back. Nothing here does I/O."""

from .base import Call, Lookups, Plan, Price, UnreadableAnswer, Verb, email_in
from .charge import ChargeVerb
from .checkout import CheckoutVerb
from .customer import CustomerVerb
from .dues import carefully, due, due_beside
from .refund import RefundVerb
from .steps import ForeignStep, check_step
from .strangers import strange, stranger
from .subscription import SubscriptionVerb

_ALL: tuple[Verb, ...] = (
    ChargeVerb(),
    RefundVerb(),
    SubscriptionVerb(),
    CheckoutVerb(),
    CustomerVerb(),
)

VERBS = {verb.name: verb for verb in _ALL}

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
    "strange",
    "stranger",
]
