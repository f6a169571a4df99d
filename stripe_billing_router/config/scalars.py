"""What single values of a section may be; the readers give numbers as text."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable
from typing import Final

from pydantic import ConfigDict
from pydantic_core import PydanticCustomError

from ..errors import InvalidAmountError
from ..money import currency
from ..redaction import shown

STRICT: Final = ConfigDict(extra="forbid", hide_input_in_errors=True, frozen=True)
"""What every checked section shares: nothing unknown passes, and no input shows in an error."""

_NUMBER: Final = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,9})?", re.ASCII)
_WHOLE: Final = re.compile(r"[0-9]{1,9}", re.ASCII)
_BOOLEANS: Final = {"true": True, "false": False}


def wrong(message: str) -> PydanticCustomError:
    """Return the error that says what is wrong with a value; it becomes a fault of the file."""
    return PydanticCustomError("fault", "{message}", {"message": message})


def currency_code(value: object) -> str:
    try:
        return currency(value).code
    except InvalidAmountError as error:
        raise wrong(f"is wrong: {error}") from None


def boolean(value: object) -> bool:
    """Read true or false; JSON's reader gives them as they are, YAML's as text."""
    found = _BOOLEANS.get(str(value).lower()) if isinstance(value, str | bool) else None
    if found is None:
        raise wrong(f"is {shown(value)}; write true or false")
    return found


def number(value: object, of: str = "") -> float:
    """Read a number; `of` is said to people, such as ` of seconds`."""
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        return float(value)
    raise wrong(f"is {shown(value)}, not a number{of}")


def whole_number(value: object) -> int:
    if isinstance(value, str) and _WHOLE.fullmatch(value):
        return int(value)
    raise wrong(f"is {shown(value)}, not a whole number such as 100")


def filled_list(value: object) -> list[object]:
    if not isinstance(value, list):
        raise wrong(f"is not a list but {shown(value)}")
    if not value:
        raise wrong("is empty; name at least one, or leave it out")
    return value


def one_of(names: Iterable[str]) -> Callable[[object], str]:
    """Return a check that a value is one of `names`."""
    known = tuple(names)

    def check(value: object) -> str:
        if isinstance(value, str) and value in known:
            return value
        close = difflib.get_close_matches(value[:64], known, 1) if isinstance(value, str) else []
        hint = f"did you mean {close[0]}?" if close else f"write one of {', '.join(known)}"
        raise wrong(f"is {shown(value)}; {hint}")

    return check
