"""The money verbs: each plans its Stripe steps and reads what came back. Nothing here does I/O."""

from ....models import Verbs
from .base import Lookups, Price, Search, StripeVerb, email_in, names_in, stamped
from .charge import ChargeVerb
from .checkout import CheckoutVerb
from .checks import beyond, carefully, due, due_beside, misplaced, strange, stranger
from .customer import CustomerVerb
from .refund import RefundVerb
from .subscription import SubscriptionVerb

VERBS: Verbs[StripeVerb] = Verbs(
    [ChargeVerb(), RefundVerb(), SubscriptionVerb(), CheckoutVerb(), CustomerVerb()]
)
"""Ours; `bootstrap` adds those of installed domains."""

__all__ = [
    "VERBS",
    "Lookups",
    "Price",
    "Search",
    "StripeVerb",
    "beyond",
    "carefully",
    "due",
    "due_beside",
    "email_in",
    "misplaced",
    "names_in",
    "stamped",
    "strange",
    "stranger",
]
