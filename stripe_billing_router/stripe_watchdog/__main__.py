"""`python -m stripe_billing_router.stripe_watchdog`."""

import sys

from .run import main

sys.exit(main())
