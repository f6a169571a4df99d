"""What the host wrote down: the routing file and the settings around it."""

from .hooks import Hooks, HostCode, check_parts, import_hooks
from .instructions import INSTRUCTIONS_FILE
from .instructions_file import InstructionsFile
from .locations import FOLDER
from .routing_file import RoutingFile, load_routing_file
from .sections import Recovery
from .settings import Settings, load_settings, mistyped
from .watchdog import WatchdogConfig, load_watchdog_config

__all__ = [
    "FOLDER",
    "INSTRUCTIONS_FILE",
    "Hooks",
    "HostCode",
    "InstructionsFile",
    "Recovery",
    "RoutingFile",
    "Settings",
    "WatchdogConfig",
    "check_parts",
    "import_hooks",
    "load_routing_file",
    "load_settings",
    "load_watchdog_config",
    "mistyped",
]
