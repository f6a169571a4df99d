"""As in the version before."""

import importlib.util
from pathlib import Path

_FIRST = Path(__file__).parent.parent / "points_migrations" / "0001_points.py"
_spec = importlib.util.spec_from_file_location("points_first", _FIRST)
assert _spec is not None
assert _spec.loader is not None
_first = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_first)

revision = "0001"
down_revision = None
upgrade = _first.upgrade
