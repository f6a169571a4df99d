"""Amounts against an oracle of exact fractions: `python tests/unit/money/million_amounts.py`.

Prints how many generated amounts were taken exactly and how many were refused, and ends with
exit code 1 if a single one came out otherwise. `--count` and `--seed` change the run.
"""

from __future__ import annotations

import argparse
import random
import re
import sys
import time
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

from stripe_billing_router.errors import InvalidAmountError
from stripe_billing_router.money import CURRENCIES, to_minor

Amount = str | Decimal | int | float

# Written out from Stripe's "Supported currencies" page, not taken from the code under test.
ZERO_DECIMAL = set("bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf".split())
THREE_DECIMAL = set("bhd jod kwd omr tnd".split())
WHOLE_UNITS_ONLY = set("isk ugx".split())
PLAIN = re.compile(r"-?[0-9]{1,40}(\.[0-9]{1,40})?")


def expected_minor(amount: Amount, code: str) -> int | None:
    """Return the minor units that `amount` is exactly, or None where it has to be refused."""
    value = _fraction(amount)
    if value is None or value <= 0:
        return None
    minor = value * (1 if code in ZERO_DECIMAL else 1000 if code in THREE_DECIMAL else 100)
    step = 10 if code in THREE_DECIMAL else 100 if code in WHOLE_UNITS_ONLY else 1
    most = 999_999_999_999 if code == "idr" else 99_999_999
    if minor.denominator != 1 or minor.numerator % step or minor > most:
        return None
    return minor.numerator


def _fraction(amount: Amount) -> Fraction | None:
    if isinstance(amount, bool):
        return None
    if isinstance(amount, str):
        return Fraction(amount) if PLAIN.fullmatch(amount) and amount.isascii() else None
    if isinstance(amount, int):
        return Fraction(amount)
    text = repr(amount) if isinstance(amount, float) else str(amount)
    number = Decimal(text)
    if not number.is_finite():
        return None
    # A fraction of 10**99999 would take for ever; nothing that large or small can be charged.
    return Fraction(number) if abs(number.adjusted()) < 400 else Fraction(-1)


def actual_minor(amount: Amount, code: str) -> int | None:
    """Return what the library makes of `amount`; None if it refuses it."""
    try:
        return to_minor(amount, code)
    except InvalidAmountError:
        return None


class Run(NamedTuple):
    """What came out: how many were exact, how many refused, and the first few that were wrong."""

    exact: int
    refused: int
    wrong: list[tuple[Amount, str, int | None, int | None]]


def run(count: int, seed: int) -> Run:
    """Check `count` generated amounts, spread over every currency and every type."""
    source = random.Random(seed)
    codes = sorted(CURRENCIES)
    exact = refused = 0
    wrong: list[tuple[Amount, str, int | None, int | None]] = []
    for number in range(count):
        code = codes[number % len(codes)]
        amount = source.choice(_MAKERS)(source)
        wanted, found = expected_minor(amount, code), actual_minor(amount, code)
        if wanted != found or type(wanted) is not type(found):
            wrong = [*wrong, (amount, code, wanted, found)][:10]
        elif found is None:
            refused += 1
        else:
            exact += 1
    return Run(exact, refused, wrong)


def _text(source: random.Random) -> str:
    places = source.choice((0, 0, 1, 2, 2, 2, 3, 3, 4, 9))
    whole = str(source.randrange(10 ** source.randint(1, 11)))
    zeros = "0" * source.choice((0, 0, 0, 1, 5))
    sign = source.choice(("", "", "", "", "", "", "-"))
    part = "".join(source.choices("0123456789", k=places)) if places else ""
    return f"{sign}{zeros}{whole}" + (f".{part}{zeros}" if part else "")


def _odd_text(source: random.Random) -> str:
    return "".join(source.choices("0123456789.-+eE_, ٣\n", k=source.randint(0, 6)))


def _decimal(source: random.Random) -> Decimal:
    digits = source.randrange(10 ** source.randint(1, 13))
    return Decimal(digits).scaleb(source.randint(-5, 3)) * source.choice((1, 1, 1, -1))


def _cents(source: random.Random) -> float:
    return source.randrange(1, 100_000_000) / 100


def _float(source: random.Random) -> float:
    special = (float("nan"), float("inf"), -0.0, 0.1 + 0.2, 1e-320, 1e22)
    return source.choice((source.random() * 10 ** source.randint(-4, 9), source.choice(special)))


def _thousandths(source: random.Random) -> float:
    return source.randrange(1, 100_000_000) / 1000


def _integer(source: random.Random) -> int:
    return source.randrange(-5, 10 ** source.randint(1, 13))


_MAKERS: tuple[Callable[[random.Random], Amount], ...] = (
    _text,
    _text,
    _odd_text,
    _decimal,
    _cents,
    _thousandths,
    _float,
    _integer,
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=20_251_120)
    options = parser.parse_args()
    started = time.perf_counter()
    result = run(options.count, options.seed)
    seconds = time.perf_counter() - started
    print(
        f"{options.count} amounts, {len(CURRENCIES)} currencies, seed {options.seed}: "
        f"{result.exact} exact, {result.refused} refused, "
        f"{'none' if not result.wrong else 'some'} wrong, {seconds:.1f} s"
    )
    for amount, code, wanted, found in result.wrong:
        print(f"wrong: {amount!r} {code}: expected {wanted}, got {found}")
    return 1 if result.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
