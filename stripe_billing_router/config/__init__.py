"""What the host wrote down: the routing file and the settings around it."""

from .routing_file import RoutingFile, load_routing_file
from .sections import Recovery
from .settings import Settings, load_settings

__all__ = ["Recovery", "RoutingFile", "Settings", "load_routing_file", "load_settings"]
