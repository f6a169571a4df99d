"""Puts the parts together. The only room that names concrete adapters."""

from ..config import HostCode
from ..engine import BackgroundRecovery, OperatorsDesk
from .assembly import Assembly, assemble
from .domains import INSTALLED, all_verbs, domain, installed, loaded, routing_file
from .given import Given

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
