"""Objects that hold credentials do not leave the process."""

from __future__ import annotations

from typing import NoReturn, SupportsIndex


class Unpicklable:
    """Mixin: refuses to be pickled or copied by way of pickle, since that writes out secrets."""

    __slots__ = ()

    def __reduce_ex__(self, protocol: SupportsIndex, /) -> NoReturn:
        raise TypeError(f"{type(self).__name__} holds credentials and cannot be pickled")
