"""`stripe-watchdog`: exit code 0 clean, 1 findings, 2 could not run."""

from __future__ import annotations

import difflib
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from ..client import BillingRouter, assembly_of
from ..config import Settings, WatchdogConfig, load_settings, load_watchdog_config
from ..errors import BillingError, InvalidRequestError
from ..redaction import redact, shown
from ..secrecy import loggable
from ..webhooks import webhooks_of
from . import plain, terminal
from .checks import CHECKS
from .options import Options, parse
from .outlets import Outlets
from .report import write_report
from .sanity import RecordedBySanityLayer
from .tally import Result
from .watching import Job, Run

_log = logging.getLogger(__name__.removesuffix(".stripe_watchdog.run"))

CHECK_IDS = frozenset(check.id for check in CHECKS)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run every check once; the entry point of the console script."""
    options = parse(arguments)
    try:
        return _main(options)
    except BillingError as error:
        why = str(error)
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        why = f"{error.strerror or error}{where}; check the path and its permissions."
    except KeyboardInterrupt:
        why = "Interrupted. The next run goes on; nothing is told twice."
    except Exception as error:  # noqa: BLE001 - said below
        # Exit code 1 means findings: nothing else may look like that.
        _log.error("the watchdog broke", exc_info=loggable(error, None))
        why = f"It broke: {type(error).__name__}. Nothing is vouched for; please report this."
    sys.stderr.write(f"{redact(why)}\n")
    return 2


def _main(options: Options) -> int:
    _check_names(options)
    settings = load_settings(os.environ, Path.cwd(), routing_config=options.routing)
    config = _config(settings, options)
    with (
        BillingRouter(options.routing, recover_at_start=False) as router,
        terminal.progress() as progress,
    ):
        parts = assembly_of(router)
        run = Run(
            Job(
                router=router,
                settings=settings,
                config=config,
                options=options,
                outlets=Outlets(
                    RecordedBySanityLayer(parts.consequences.anomalies, codex=options.write_codex),
                    parts.observers.tell,
                ),
                checks=CHECK_IDS,
                progress=progress,
                backfill=webhooks_of(router).backfill,
                publish=lambda result: _publish(result, options),
            )
        )
        if options.plan:
            plan = run.planned().plan()
            sys.stdout.write(plain.plan_json(plan) if options.json else plain.plan_text(plan))
            return 0
        result = run.result()
    _show(result, as_json=options.json)
    return 1 if result.total and result.most_severe >= options.fail_on else 0


def _check_names(options: Options) -> None:
    for name in sorted(options.only - CHECK_IDS):
        close = difflib.get_close_matches(name, CHECK_IDS, 1)
        hint = (
            f"did you mean {close[0]}?" if close else f"there are {', '.join(sorted(CHECK_IDS))}."
        )
        raise InvalidRequestError(f"--only {shown(name)} is no check; {hint}", parameter="only")


def _config(settings: Settings, options: Options) -> WatchdogConfig:
    """Read the watchdog's file; only the usual one may be missing."""
    path: Path | None = options.config or settings.watchdog_config
    named = options.config is not None or os.environ.get("STRIPE_WATCHDOG_CONFIG", "").strip()
    if not named and path is not None and not path.exists():
        path = None
    return load_watchdog_config(path, os.environ, CHECK_IDS)


def _publish(result: Result, options: Options) -> None:
    if options.report is not None:
        write_report(result, options.report)


def _show(result: Result, *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(plain.as_json(result))
    elif sys.stdout.isatty():
        terminal.show(result)
    else:
        sys.stdout.write(plain.as_text(result))
    sys.stdout.flush()
