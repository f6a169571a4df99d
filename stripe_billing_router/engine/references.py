"""Fills what a later step takes from an earlier one."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ..models import Step, StepOutput

_IN_PATH = re.compile(r"\{([a-z_]+)\}")


def resolved(step: Step, outputs: Sequence[StepOutput]) -> tuple[str, Mapping[str, Any]]:
    """Return the step's path and parameters with every reference replaced by the id it names."""
    if not outputs:
        return step.path, step.params
    ids = {output.step: output.body.get("id") for output in outputs}
    path = _IN_PATH.sub(lambda found: str(ids[found.group(1)]), step.path)
    return path, _filled(step.params, ids)


def _filled(value: Any, ids: Mapping[str, Any]) -> Any:
    if isinstance(value, Mapping):
        if set(value) == {"$from"}:
            return ids[value["$from"]]
        return {name: _filled(item, ids) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_filled(item, ids) for item in value]
    return value
