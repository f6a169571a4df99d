"""What happens in one simulation, as plain data: all of it follows from the seed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tests.simulation.house import House

# `processes` lets every write and every request pass such a point; a journal's writes belong to
# the last two kinds.
PointKind = Literal[
    "commit.before",
    "commit.after",
    "send.before",
    "send.after",
    "sleep.before",
    "journal.before",
    "journal.after",
]
Doing = Literal["ask", "recover", "cancel", "decide"]

HOUR = 3600.0
DAY = 24 * HOUR


@dataclass(frozen=True, slots=True)
class Intent:
    """One thing that a bot wants once. `outcome` is how the customer's card behaves, `of` the
    intent whose payment a refund gives back; without it, a payment from outside the library."""

    number: int
    verb: str
    key: str | None
    outcome: str
    variant: str = ""
    bot: str = "finance:bot"
    of: int | None = None

    @property
    def customer(self) -> str:
        return f"cus_{self.number}"

    @property
    def card(self) -> str:
        return f"pm_{self.number}"


# -- what happens from outside ------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Ask:
    """The bot asks for an intent, in a process that is started if need be.

    A bot that gave no key, and was told one to come back with, uses it if it is `as_told`.
    """

    intent: int
    process: int
    as_told: bool = True


@dataclass(frozen=True, slots=True)
class Wait:
    """Time passes."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Recover:
    process: int


@dataclass(frozen=True, slots=True)
class Cancel:
    """The bot takes back what it was told still waits."""

    intent: int
    process: int


@dataclass(frozen=True, slots=True)
class CustomerActs:
    """The customer finishes what the bot was told still waits, or fails to."""

    intent: int
    succeed: bool


@dataclass(frozen=True, slots=True)
class BankSettles:
    intent: int
    succeed: bool


@dataclass(frozen=True, slots=True)
class Owes:
    """The customer owes so many minor units from before, which Stripe puts on any invoice."""

    intent: int
    minor: int


@dataclass(frozen=True, slots=True)
class CardChanges:
    intent: int
    outcome: str


@dataclass(frozen=True, slots=True)
class CardIsReplaced:
    """The customer's default is another card from now on, and the first again the next time."""

    intent: int


@dataclass(frozen=True, slots=True)
class Decide:
    """People decide everything that bots have asked them; to `approve` of it, or to reject it.

    What is approved already can still be rejected.
    """

    approve: bool


@dataclass(frozen=True, slots=True)
class Unfreeze:
    """People lift every freeze."""


@dataclass(frozen=True, slots=True)
class LedgerIsLost:
    """The whole database, not only its last commit."""


@dataclass(frozen=True, slots=True)
class Outage:
    """For so long nobody reaches the database; the disk with the journal is there."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Forge:
    """Somebody who can write to the database, but holds no key, forges what is open."""

    way: str


Happening = (
    Ask
    | Forge
    | Wait
    | Recover
    | Cancel
    | CustomerActs
    | BankSettles
    | Owes
    | CardChanges
    | CardIsReplaced
    | Decide
    | Unfreeze
    | LedgerIsLost
    | Outage
)


# -- what goes wrong at a point -----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Crash:
    """The process ends. `loses_commit`: the host too, and with it the commit just made.

    `tears`: half of the line that is about to be written into the journal gets there.
    """

    loses_commit: bool = False
    tears: bool = False


@dataclass(frozen=True, slots=True)
class NetworkFault:
    """A fault of the sandbox for this request and those that follow, `times` in all."""

    kind: str
    effect: bool
    times: int


@dataclass(frozen=True, slots=True)
class Suspend:
    """The process stands still for so long; meanwhile other things happen."""

    seconds: float
    meanwhile: tuple[Happening, ...]


@dataclass(frozen=True, slots=True)
class Jump:
    """Time jumps; `wall_only`: somebody sets the host's clock, and no time passes."""

    seconds: float
    wall_only: bool


@dataclass(frozen=True, slots=True)
class CutOff:
    """This process reaches Stripe no more; `silent`: it notices only by timeouts."""

    silent: bool


@dataclass(frozen=True, slots=True)
class RevokeKey:
    """The key is revoked; the new one is there at once, or only a while later."""

    replaced_at_once: bool


@dataclass(frozen=True, slots=True)
class DatabaseAway:
    """So many calls of the store fail."""

    calls: int


@dataclass(frozen=True, slots=True)
class WritesRefused:
    """For so long the database answers, but is locked or read-only: nobody writes to it."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Interrupts:
    """Somebody presses Ctrl-C during so many commits of this process, which lives on."""

    commits: int


@dataclass(frozen=True, slots=True)
class Interrupted:
    """Somebody presses Ctrl-C right here, in the call that this process makes; it lives on."""


@dataclass(frozen=True, slots=True)
class CommitBreaksOff:
    """The database breaks off during COMMIT; `kept`: the rows are there all the same."""

    kept: bool


@dataclass(frozen=True, slots=True)
class Freeze:
    """People stop the bots that a scope matches."""

    scope: str


Mishap = (
    Crash
    | NetworkFault
    | Suspend
    | Jump
    | CutOff
    | RevokeKey
    | DatabaseAway
    | Outage
    | WritesRefused
    | Interrupts
    | Interrupted
    | CommitBreaksOff
    | Freeze
)


@dataclass(frozen=True, slots=True)
class Injection:
    """A mishap at the point of this kind that comes after `skip` others like it.

    `doing` and `posts_only` narrow down which points count; if it `follows`, only those after the
    injection before it has struck.
    """

    kind: PointKind
    skip: int
    mishap: Mishap
    doing: Doing | None = None
    posts_only: bool = False
    follows: bool = False


@dataclass(frozen=True, slots=True)
class Schedule:
    """`deaths_show`: a process that ended is known to have, for all run on one host."""

    seed: int
    intents: tuple[Intent, ...]
    happenings: tuple[Happening, ...]
    injections: tuple[Injection, ...]
    deaths_show: bool
    house: House
