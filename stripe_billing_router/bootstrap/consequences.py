"""What follows a failed check, connected in its order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from ..alerts import Alerts, AlertSender, LogObserver, LogReaction, alert_urls
from ..config import (
    FOLDER,
    INSTRUCTIONS_FILE,
    InstructionsFile,
    RoutingFile,
    Settings,
    import_hooks,
)
from ..engine import (
    AutomatedRollbackManager,
    PaymentSanity,
    RecordAnomaly,
    RecordDiscrepancy,
    RollBack,
    SanityLayer,
)
from ..frozen import frozen
from ..models import BotId
from ..ports import Clock, Event, Observer, Reaction
from ..routing import RoutingTable
from ..store import FallbackStore
from ..training import TRAINING_FILE, TrainingFile
from .given import Given

Freeze = Callable[[BotId, str], object]


@frozen
class Consequences:
    """What follows a failed check. `sanity` and `rollback` are ours, also where the host has its
    own; `anomalies` is the sanity layer that takes part in it."""

    sanity: SanityLayer
    anomalies: PaymentSanity
    rollback: AutomatedRollbackManager
    sender: AlertSender
    observers: Sequence[Observer]
    reactions: Sequence[Reaction]


def connect_consequences(
    given: Given,
    environ: Mapping[str, str],
    settings: Settings,
    file: RoutingFile,
    store: FallbackStore,
    table: RoutingTable,
    clock: Clock,
    freeze: Freeze | None,
    tell: Callable[[Event], object],
) -> Consequences:
    """Connect record, alert, rollback and anomaly. `freeze` of None: a failed check stops nobody
    beyond its own call."""
    host = import_hooks(file.hooks, given.host)
    home = settings.home if given.data_home is None else Path(given.data_home).absolute()
    instructions = InstructionsFile(settings.home / FOLDER / INSTRUCTIONS_FILE)
    training = TrainingFile(home / TRAINING_FILE)
    sanity = SanityLayer(lambda: store.anomalies, training.export, instructions, clock, tell)
    rollback = AutomatedRollbackManager(table, host.rollback, freeze)
    sender = AlertSender(alert_urls(environ))
    path = home / "finance_logs" / "alerts.jsonl"
    alerts = Alerts(path, host.alert_dispatcher or sender, instructions, clock)
    record = RecordDiscrepancy(lambda: store.discrepancies)
    anomalies = host.menace_sanity_layer or sanity
    # What stops the bot comes before any code of the host's, which may hang or end the process.
    stopping = AutomatedRollbackManager(table, freeze=freeze)
    hosts = [AutomatedRollbackManager(table, host.rollback), host.rollback_manager]
    return Consequences(
        sanity=sanity,
        anomalies=anomalies,
        rollback=rollback,
        sender=sender,
        observers=(LogObserver(sandbox=settings.is_sandbox), alerts, record),
        reactions=(
            record,
            LogReaction(),
            RollBack(stopping),
            alerts,
            *(RollBack(manager) for manager in hosts if manager is not None),
            RecordAnomaly(anomalies),
        ),
    )
