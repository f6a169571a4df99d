"""Changes a delivery in ways that forgers, proxies and bad luck do. Equal chances, equal forgeries.

None of them leaves a delivery that Stripe has signed.
"""

from __future__ import annotations

import copy
import json
import random
import re
from collections.abc import Callable
from typing import Any

Delivery = tuple[bytes, str]
Forgery = Callable[[random.Random, bytes, str], Delivery]


def forged(chance: random.Random, payload: bytes, header: str) -> Delivery:
    """Return a delivery that differs from the one that was signed."""
    while True:
        made = chance.choice(FORGERIES)(chance, payload, header)
        if made != (payload, header):
            return made


# -- bytes -----------------------------------------------------------------------------------------


def flipped_bit(chance: random.Random, payload: bytes, header: str) -> Delivery:
    place = chance.randrange(len(payload))
    flipped = payload[place] ^ (1 << chance.randrange(8))
    return payload[:place] + bytes([flipped]) + payload[place + 1 :], header


def cut_off(chance: random.Random, payload: bytes, header: str) -> Delivery:
    return payload[: chance.randrange(len(payload))], header


def spliced(chance: random.Random, payload: bytes, header: str) -> Delivery:
    start, end = sorted(chance.choices(range(len(payload)), k=2))
    more = chance.randbytes(chance.randrange(20))
    return payload[:start] + more + payload[end:], header


def surrounded(chance: random.Random, payload: bytes, header: str) -> Delivery:
    ends = (b" ", b"\n", b"\x00", b"\xef\xbb\xbf", b"[", b"{}")
    return chance.choice((b"", *ends)) + payload + chance.choice((b"", *ends)), header


def recoded(chance: random.Random, payload: bytes, header: str) -> Delivery:
    text = payload.decode()
    return text.encode(chance.choice(("utf-16", "utf-32", "utf-8-sig", "utf-7"))), header


def noise(chance: random.Random, payload: bytes, header: str) -> Delivery:
    return chance.randbytes(chance.randrange(200)), header


# -- structure -------------------------------------------------------------------------------------

ODD: tuple[Any, ...] = (None, True, -1, 0, 2**70, 1.5, "", "acct_other", [], [[]], {}, {"id": []})


def changed_structure(chance: random.Random, payload: bytes, header: str) -> Delivery:
    """The same event with one value changed, removed or added."""
    body = json.loads(payload)
    mutate(chance, body)
    return json.dumps(body, indent=2).encode(), header


def mutate(chance: random.Random, body: Any) -> None:
    """Change one place of an event, anywhere in it."""
    holder = chance.choice([found for found in _holders(body) if found])
    name = chance.choice(list(holder) if isinstance(holder, dict) else range(len(holder)))
    how = chance.randrange(3)
    if how == 0 and isinstance(holder, dict):
        del holder[name]
    elif how == 1 and isinstance(holder, dict):
        holder[chance.choice(("account", "livemode", "transfer_data", "id"))] = _odd(chance)
    else:
        holder[name] = _odd(chance)


def _odd(chance: random.Random) -> Any:
    return copy.deepcopy(chance.choice(ODD))


def _holders(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [value, *(found for item in value.values() for found in _holders(item))]
    if isinstance(value, list):
        return [value, *(found for item in value for found in _holders(item))]
    return []


def written_anew(chance: random.Random, payload: bytes, header: str) -> Delivery:
    """The same event, as a framework that parses bodies would write it out again."""
    return json.dumps(json.loads(payload), indent=chance.choice((None, 0, 1, 4))).encode(), header


# -- header ----------------------------------------------------------------------------------------


def other_time(chance: random.Random, payload: bytes, header: str) -> Delivery:
    signed_at, rest = _parts(header)
    other = signed_at + chance.choice((-1, 1, -300, 300, 10**6, -(10**6)))
    return payload, f"t={other},{rest}"


def odd_time(chance: random.Random, payload: bytes, header: str) -> Delivery:
    """What `int` takes for the same time."""
    signed_at, rest = _parts(header)
    arabic = "".join(chr(0x660 + int(digit)) for digit in str(signed_at))
    grouped = f"{signed_at:_}"
    odd = (f"+{signed_at}", f"0{signed_at}", f" {signed_at}", f"{signed_at}\n", arabic, grouped)
    return payload, f"t={chance.choice(odd)},{rest}"


def two_times(chance: random.Random, payload: bytes, header: str) -> Delivery:
    signed_at, rest = _parts(header)
    times = [f"t={signed_at}", f"t={signed_at + chance.randrange(1, 10**6)}"]
    return payload, f"{times[0]},{times[1]},{rest}"


def other_digit(chance: random.Random, payload: bytes, header: str) -> Delivery:
    signed_at, rest = _parts(header)
    place = chance.randrange(3, len(rest))
    digit = chance.choice("0123456789abcdefABCDEFg ,=\x00é")
    return payload, f"t={signed_at},{rest[:place]}{digit}{rest[place + 1 :]}"


def other_scheme(chance: random.Random, payload: bytes, header: str) -> Delivery:
    return payload, header.replace("v1=", chance.choice(("v0=", "v2=", "V1=", "v1==", "v1:", "")))


def capitals(chance: random.Random, payload: bytes, header: str) -> Delivery:
    return payload, header.upper()


def odd_header(chance: random.Random, payload: bytes, header: str) -> Delivery:
    signed_at, rest = _parts(header)
    odd = ("", ",", "=", "t", "t=", "v1=", rest, f"t={signed_at}", f"{header},", f" {header}")
    many = f"t={signed_at}" + ",v1=00" * 50 + f",{rest}"
    return payload, chance.choice((*odd, many, header * 2, header + "\r\n", "x" * 5000))


def _parts(header: str) -> tuple[int, str]:
    found = re.fullmatch(r"t=(\d+),(.*)", header)
    assert found is not None
    return int(found[1]), found[2]


FORGERIES: tuple[Forgery, ...] = (
    flipped_bit,
    cut_off,
    spliced,
    surrounded,
    recoded,
    noise,
    changed_structure,
    written_anew,
    other_time,
    odd_time,
    two_times,
    other_digit,
    other_scheme,
    capitals,
    odd_header,
)
