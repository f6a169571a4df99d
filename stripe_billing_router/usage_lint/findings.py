"""What the lint says: its rules, and one violation of one of them at one place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, NamedTuple

UNPARSABLE: Final = "SBR000"
STRIPE_IMPORT: Final = "SBR001"
DYNAMIC_IMPORT: Final = "SBR002"
API_HOST: Final = "SBR003"
RAW_KEY: Final = "SBR004"
OPERATORS_IMPORT: Final = "SBR005"
BAD_ALLOW: Final = "SBR006"

RULES: Final[Mapping[str, str]] = MappingProxyType(
    {
        UNPARSABLE: "unparsable",
        STRIPE_IMPORT: "stripe-import",
        DYNAMIC_IMPORT: "dynamic-import",
        API_HOST: "api-host",
        RAW_KEY: "raw-key",
        OPERATORS_IMPORT: "operators-import",
        BAD_ALLOW: "bad-allow",
    }
)
"""The name of every rule, by its id."""


@dataclass(frozen=True, order=True, slots=True)
class Finding:
    """A violation. Lines and columns count from 1, columns in characters.

    `path` is as the caller would write it: relative where the path that was asked for is.
    `message` never shows a key, or any other text of the file.
    """

    path: str
    line: int
    column: int
    rule: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}:{self.column} {self.rule} {self.message}"


class Hit(NamedTuple):
    """A violation before it is known whether it is allowed; it spans `line` to `last_line`."""

    line: int
    column: int
    rule: str
    message: str
    last_line: int

    def lines(self) -> range:
        return range(self.line, max(self.line, self.last_line) + 1)
