"""The doctor: what is wrong, in the order in which it has to be mended."""

from .checks import CHECKS, of_domains
from .examination import Diagnosis, examine
from .facts import Facts

__all__ = ["CHECKS", "Diagnosis", "Facts", "examine", "of_domains"]
