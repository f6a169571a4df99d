"""Puts the parts together. The only room that names concrete adapters."""

from typing import TYPE_CHECKING

from ..locks import late
from .domains import INSTALLED, domain, installed, loaded

if TYPE_CHECKING:
    from ..config import HostCode
    from ..engine import BackgroundRecovery, OperatorsDesk
    from .assembly import Assembly, assemble
    from .given import Given
    from .verbs import all_verbs, routing_file

__all__ = [
    "INSTALLED",
    "Assembly",
    "BackgroundRecovery",
    "Given",
    "HostCode",
    "OperatorsDesk",
    "all_verbs",
    "assemble",
    "domain",
    "installed",
    "loaded",
    "routing_file",
]

__getattr__ = late(
    __name__,
    {
        "..config": "HostCode",
        "..engine": "BackgroundRecovery OperatorsDesk",
        ".assembly": "Assembly assemble",
        ".given": "Given",
        ".verbs": "all_verbs routing_file",
    },
)
