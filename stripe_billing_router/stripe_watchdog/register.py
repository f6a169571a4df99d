"""What earlier runs told: the open findings and the last-run marker, kept over every crash.

`finance_logs/stripe_watchdog_state.json` is replaced at once, at the end of a whole run. What a run
tells before that goes into `finance_logs/stripe_watchdog_run.jsonl`, so that the run after a crash
knows it; the journal is there only while a run works, or after one was cut off.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from ..errors import BillingError, ConfigurationError
from ..frozen import frozen
from ..hashing import canonical_json
from ..json_lines import JsonLines, sync_folder
from ..store import LedgerHeads, Sealing
from .files import replace_text
from .surveying import Verified

STATE: Final = "finance_logs/stripe_watchdog_state.json"
JOURNAL: Final = "finance_logs/stripe_watchdog_run.jsonl"


@frozen
class Told:
    """An open finding. `told_ms` is when people were told, `seen_ms` until when a run saw it."""

    check: str
    subject: str
    at_ms: int | None
    told_ms: int
    seen_ms: int


@frozen
class CutOff:
    """A run that did not come to its end: when it began, and from when on it looked."""

    begun_ms: int
    since_ms: int


@frozen
class Memory:
    """What earlier runs left. `open` is keyed by fingerprint; `marker_ms` is where to go on."""

    marker_ms: int | None
    open: Mapping[str, Told]
    cut_off: CutOff | None = None
    verified: Verified | None = None


class Register:
    """Reads and writes both files below `home`, for one account at one API base.

    Of another account or API base nothing is known, and nothing is kept. What they say is
    believed under a seal only: who writes the files holds no key, and would have a run begin
    after what nobody has looked at, or keep a finding from being told.
    """

    def __init__(self, home: Path, account_id: str, api_base: str, sealing: Sealing) -> None:
        self._sealing = sealing
        self._state = home / STATE
        self._journal = JsonLines(home / JOURNAL)
        self._bound = {"account_id": account_id, "api_base": api_base}

    def load(self) -> Memory:
        """Return what is known; ConfigurationError for a state that cannot be read."""
        state = self._read()
        known = state is not None and self._is_ours(state) and self._is_proven(state)
        told = {key: Told(**value) for key, value in state["open"].items()} if known else {}
        cut_off = self._replay(told)
        marker_ms, verified = (state["marker_ms"], _verified(state)) if known else (None, None)
        return Memory(marker_ms, told, cut_off, verified)

    def begin(self, cut_off: CutOff | None, begun_ms: int, since_ms: int) -> None:
        """Open the journal; what a run that was cut off left in it stays."""
        self._journal.repair()
        first_ms = begun_ms if cut_off is None else cut_off.begun_ms
        begun = {**self._bound, "begun_ms": first_ms, "since_ms": since_ms}
        self._journal.append(self._sealed(begun))

    def tell(self, fingerprint: str, told: Told) -> None:
        """Remember durably that people know of this finding."""
        self._journal.append(self._sealed({"told": fingerprint, **asdict(told)}))

    def forget(self, fingerprint: str) -> None:
        """Remember durably that people know that this finding is resolved."""
        self._journal.append(self._sealed({"resolved": fingerprint}))

    def finish(
        self,
        marker_ms: int | None,
        still_open: Mapping[str, Told],
        verified: Verified | None = None,
    ) -> None:
        """Replace the state and drop the journal: the run is whole."""
        state: dict[str, object] = {
            "version": 1,
            **self._bound,
            "marker_ms": marker_ms,
            "open": {key: asdict(told) for key, told in sorted(still_open.items())},
        }
        if verified is not None:
            state["verified"] = verified.heads.to_json()
            state["verified_whole_ms"] = verified.whole_ms
        replace_text(self._state, json.dumps(self._sealed(state)), mode=0o600)
        self._journal.path.unlink(missing_ok=True)
        sync_folder(self._state.parent)

    def _sealed(self, record: Mapping[str, Any]) -> dict[str, Any]:
        return {**record, "seal": self._sealing.mark(self._mark(record))}

    def _is_proven(self, record: Mapping[str, Any]) -> bool:
        try:
            return self._sealing.holds(record.get("seal"), "mark", self._mark(record))
        except (BillingError, TypeError, ValueError, RecursionError):
            return False

    def _mark(self, record: Mapping[str, Any]) -> str:
        told = {name: value for name, value in record.items() if name != "seal"}
        return canonical_json([self._bound, told])

    def _replay(self, told: dict[str, Told]) -> CutOff | None:
        """Bring `told` to where the journal ends."""
        cut_off, ours = None, False
        for _, record in self._journal.records():
            if record is None or not self._is_proven(record):
                continue
            if "begun_ms" in record:
                ours = self._is_ours(record)
                cut_off = CutOff(record["begun_ms"], record["since_ms"]) if ours else cut_off
            elif ours and "told" in record:
                told[record["told"]] = Told(**{name: record[name] for name in Told.__match_args__})
            elif ours and "resolved" in record:
                told.pop(record["resolved"], None)
        return cut_off

    def _is_ours(self, record: Mapping[str, Any]) -> bool:
        return all(record.get(name) == value for name, value in self._bound.items())

    def _read(self) -> Any:
        try:
            state = json.loads(self._state.read_bytes())
            if state["version"] == 1 and isinstance(state["open"], dict):
                return state
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError):
            pass
        raise ConfigurationError(
            f"{self._state} is damaged, or of another version; move it away: the next run looks "
            "back 30 days and tells every finding again."
        )


def _verified(state: Mapping[str, Any]) -> Verified | None:
    """Without one that can be read, the ledger is verified from its beginning."""
    try:
        return Verified(LedgerHeads.from_json(state["verified"]), int(state["verified_whole_ms"]))
    except (BillingError, KeyError, TypeError, ValueError):
        return None
