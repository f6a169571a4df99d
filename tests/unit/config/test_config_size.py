"""A hundred thousand routes load while a person waits.

Measured in processor time: what else a machine does is none of the loader's.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from stripe_billing_router.bootstrap import routing_file
from tests.unit.config.config_samples import written

COUNT = 100_000


def _categories() -> Iterator[str]:
    for category in range(100):
        yield f"    category{category}:\n"
        for bot in range(COUNT // 100):
            yield (
                f"      bot{bot}:\n        product_id: prod_{category}_{bot}\n"
                f"        price_id: price_{category}_{bot}\n"
                f"        customer_id: cus_{category}_{bot}\n"
            )


def _timed(path: Path) -> float:
    started = time.process_time()
    file = routing_file(path)
    seconds = time.process_time() - started
    assert len(file.routes) == COUNT
    print(f"{COUNT} routes of {path.name} in {seconds:.2f} s")
    return seconds


def test_a_hundred_thousand_routes_load_from_yaml_in_ten_seconds(tmp_path: Path) -> None:
    text = "stripe:\n  default:\n" + "".join(_categories())
    assert _timed(written(tmp_path, text)) < 10


def test_a_hundred_thousand_routes_load_from_json_in_five_seconds(tmp_path: Path) -> None:
    route = {"product_id": "prod_1", "price_id": "price_1", "customer_id": "cus_1"}
    bots = {f"bot{number}": route for number in range(COUNT // 100)}
    categories = {f"category{number}": bots for number in range(100)}
    text = json.dumps({"stripe": {"default": categories}})
    assert _timed(written(tmp_path, text, "routes.json")) < 5


@pytest.mark.parametrize("name", ["routes.yaml", "routes.json"])
def test_a_hundred_thousand_faults_are_told_as_soon(tmp_path: Path, name: str) -> None:
    bots = {f"bot {number}": 5 for number in range(COUNT // 2)}
    path = written(tmp_path, json.dumps({"stripe": {"eu": {"f": bots}}}), name)
    started = time.process_time()
    with pytest.raises(
        RuntimeError, match=rf"(?s){COUNT} faults in .*and {COUNT - 20} more"
    ) as caught:
        routing_file(path)
    assert time.process_time() - started < 10
    assert len(str(caught.value)) < 10_000
