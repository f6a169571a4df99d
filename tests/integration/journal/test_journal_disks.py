"""Disks without room: what cannot be written down anywhere is refused before money moves."""

from __future__ import annotations

import resource
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from stripe_billing_router.errors import BillingError, LedgerUnavailableError
from tests.integration.charge.charge_bench import BOT, LEASE, Bench, Wire
from tests.integration.journal.journal_bench import Heard, Outage, journal_of


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own with very little room."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=768k,mode=0700", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("no file system can be mounted here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@contextmanager
def full(folder: Path) -> Iterator[None]:
    """Not a byte of room."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for size in (65536, 4096, 1):
            try:
                while True:
                    file.write(b"x" * size)
            except OSError:
                continue
    yield
    ballast.unlink()


@contextmanager
def nothing_may_grow() -> Iterator[None]:
    """Every write to a file fails, for users who may not mount anything too."""
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))


def moved_to(bench: Bench, folder: Path) -> str:
    shutil.copy(bench.database, folder / "ledger.db")
    return f"sqlite:///{folder}/ledger.db"


def test_a_full_disk_refuses_everything_before_money_moves(bench: Bench, small_disk: Path) -> None:
    bench.url = moved_to(bench, small_disk)
    router = bench.warm(ledger_fallback=small_disk / "journal.jsonl")
    with full(small_disk):
        for key in (None, "k"):
            with pytest.raises(LedgerUnavailableError) as told:
                router.charge(BOT, 5, idempotency_key=key)
            assert told.value.money == "not_moved"
            assert "room" in str(told.value)
    assert bench.sent() == []
    assert router.charge(BOT, 5).paid
    assert router.charge(BOT, 5, idempotency_key="k").paid
    assert bench.moved() == bench.booked(router) == [500, 500]


def test_a_full_disk_of_the_ledger_alone_is_an_outage(bench: Bench, small_disk: Path) -> None:
    heard = Heard()
    bench.url = moved_to(bench, small_disk)
    router = bench.warm(observers=[heard])
    with full(small_disk):
        assert router.charge(BOT, 5).paid
        with pytest.raises(LedgerUnavailableError):
            router.charge(BOT, 5, idempotency_key="k")
        assert heard.names() == ["ledger.journaled"]
    assert router.charge(BOT, 6).paid
    assert bench.moved() == bench.booked(router) == [500, 600]
    assert router.ledger.verify().ok


def test_where_no_file_may_grow_nothing_is_sent(bench: Bench) -> None:
    router = bench.warm()
    with nothing_may_grow():
        for key in (None, "k"):
            with pytest.raises(LedgerUnavailableError) as told:
                router.charge(BOT, 5, idempotency_key=key)
            assert told.value.money == "not_moved"
    assert bench.sent() == []
    assert router.charge(BOT, 5).paid
    assert bench.moved() == bench.booked(router) == [500]


def test_a_journal_that_may_not_grow_refuses_the_intent_and_stays_whole(
    bench: Bench, outage: Outage
) -> None:
    router = bench.warm()
    outage.begin()
    assert router.charge(BOT, 5).paid
    before = journal_of(bench).read_bytes()
    with nothing_may_grow(), pytest.raises(LedgerUnavailableError, match="Neither"):
        router.charge(BOT, 6)
    assert journal_of(bench).read_bytes() == before
    assert bench.moved() == [500]
    outage.end()
    router.recover_operations()
    assert bench.booked(router) == [500]


def test_an_outcome_that_can_be_written_nowhere_is_told_and_found_later(
    bench: Bench, outage: Outage
) -> None:
    heard = Heard()

    def everything_goes(method: str, _url: str) -> None:
        if method == "POST" and heard.events:
            outage.begin()
            shutil.rmtree(bench.folder / "finance_logs")
            (bench.folder / "finance_logs").touch()

    router = bench.warm(http_client=Wire(bench.world, after=everything_goes), observers=[heard])
    assert router.charge(BOT, 5).paid
    assert "operation.unrecorded" in heard.names("operation.")
    outage.end()
    bench.world.advance(LEASE)
    (bench.folder / "finance_logs").unlink()
    router.recover_operations()
    assert bench.moved() == bench.booked(router) == [500]


@pytest.mark.parametrize("place", ["routing.yaml/journal.jsonl", "/proc/none/journal.jsonl"])
def test_a_journal_that_can_be_made_nowhere_matters_only_while_it_is_needed(
    bench: Bench, outage: Outage, place: str
) -> None:
    router = bench.warm(ledger_fallback=bench.folder / place)
    assert router.charge(BOT, 5).paid
    outage.begin()
    with pytest.raises(BillingError, match="STRIPE_LEDGER_FALLBACK") as told:
        router.charge(BOT, 6)
    assert told.value.money == "not_moved"
    outage.end()
    assert router.charge(BOT, 7).paid
    assert bench.moved() == bench.booked(router) == [500, 700]
