"""A fresh world and a fresh ledger for each test; the tables are made once."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.watchdog.watchdog_bench import Bench, new_bench

NewBench = Callable[[int], Bench]


@pytest.fixture(scope="session")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger with its tables and nothing in them, to be copied."""
    folder = tmp_path_factory.mktemp("tables")
    bench = new_bench(folder, 0)
    bench.router.store.operation("none")
    bench.router.close()
    return bench.path


@pytest.fixture
def new(tmp_path: Path, tables: Path) -> Iterator[NewBench]:
    """Make a bench for a seed."""
    made: list[Bench] = []

    def bench_of(seed: int) -> Bench:
        folder = tmp_path / str(seed)
        folder.mkdir()
        shutil.copy(tables, folder / "ledger.db")
        made.append(new_bench(folder, seed))
        return made[-1]

    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)  # the library tells of every fault that is planted
    yield bench_of
    logging.disable(before)
    for bench in made:
        bench.router.close()


@pytest.fixture
def bench(new: NewBench) -> Bench:
    return new(1)
