"""Reads the configuration that documents show, with what reads it in life."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path

import yaml

from stripe_billing_router.bootstrap import routing_file
from stripe_billing_router.config import WatchdogConfig, load_watchdog_config
from stripe_billing_router.stripe_watchdog.run import CHECK_IDS
from stripe_billing_router.usage_lint.allowances import allowances
from tests.acceptance.documents.pages import ROOT, Block


def check_yaml(block: Block, folder: Path) -> None:
    """A routing file, or sections of one; the watchdog's file; or pre-commit's."""
    path = folder / "shown.yaml"
    path.write_text(block.text)
    names = set(yaml.safe_load(block.text))
    if names == {"repos"}:
        _check_hooks(block)
    elif names <= {field.name for field in fields(WatchdogConfig)}:
        load_watchdog_config(path, {}, CHECK_IDS)
    else:
        routing_file(path)


def _check_hooks(block: Block) -> None:
    offered = {hook["id"] for hook in yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())}
    for repository in yaml.safe_load(block.text)["repos"]:
        assert {hook["id"] for hook in repository["hooks"]} <= offered, str(block)


def check_toml(block: Block, folder: Path) -> None:
    """The usage lint's table of a pyproject.toml."""
    table = tomllib.loads(block.text)["tool"]["stripe_billing_router"]["usage"]
    assert allowances(table["allow"], str(folder), str(block))[1] == []


def check_json(block: Block, _folder: Path) -> None:
    """JSON, an object a line."""
    for line in block.text.splitlines():
        json.loads(line)


CHECKS: Mapping[str, Callable[[Block, Path], None]] = {
    "yaml": check_yaml,
    "toml": check_toml,
    "json": check_json,
}
