"""Puts the parts together. The only room that names concrete adapters."""

from ..config import HostCode
from ..engine import BackgroundRecovery, OperatorsDesk
from .assembly import Assembly, assemble
from .given import Given

__all__ = ["Assembly", "BackgroundRecovery", "Given", "HostCode", "OperatorsDesk", "assemble"]
