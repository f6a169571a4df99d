"""Ids in Stripe's form, the same in every run: a hash of seed, prefix and counter."""

from __future__ import annotations

import hashlib
from collections import Counter

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


class Identifiers:
    """Makes ids. Two worlds with the same seed make the same ids in the same order."""

    def __init__(self, seed: int | str = 0) -> None:
        self._seed = str(seed)
        self._made: Counter[str] = Counter()

    def new(self, prefix: str, length: int = 24) -> str:
        """Return the next id that starts with `prefix`, followed by `length` characters."""
        self._made[prefix] += 1
        return prefix + self._digits(f"{self._seed}/{prefix}/{self._made[prefix]}", length)

    def secret_of(self, object_id: str) -> str:
        """Return the client secret of an object, always the same one."""
        return f"{object_id}_secret_{self._digits(f'{self._seed}/secret/{object_id}', 25)}"

    @staticmethod
    def _digits(text: str, length: int) -> str:
        number = int.from_bytes(hashlib.sha256(text.encode()).digest(), "big")
        digits = []
        for _ in range(length):
            number, digit = divmod(number, len(_ALPHABET))
            digits.append(_ALPHABET[digit])
        return "".join(digits)
