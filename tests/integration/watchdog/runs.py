"""How many seeds a run of the tests takes: a few, or `WATCHDOG_SEEDS` of them."""

import os

SEEDS = int(os.environ.get("WATCHDOG_SEEDS", "8"))
