"""The one Stripe account that this library may move money for.

The id is code, not configuration: no variable, file or secret changes it. The value shipped
here belongs to the sandbox. `stripe-billing-router vendor` and `pin-account` replace it in a
copy that lives in the host's own repository, where the change is visible and reviewed.
"""

import os
from typing import Final

SANDBOX_ACCOUNT_ID: Final = "acct_sandbox00000001"

STRIPE_MASTER_ACCOUNT_ID: Final = "acct_sandbox00000001"


def this_copy() -> str:
    """Say what is pinned where: the package that is imported may not be the one that was meant."""
    package = os.path.dirname(os.path.realpath(__file__))
    return f"the package imported from {package} is pinned to {STRIPE_MASTER_ACCOUNT_ID}"
