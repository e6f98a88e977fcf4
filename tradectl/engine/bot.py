"""What one bot is made of: every part injected, so that a test runs the real thing with its own clock and venue."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tradectl.alerts.log_sink import LogSink
from tradectl.config.schema import Config
from tradectl.domain.instrument import Instrument
from tradectl.domain.limited import Limited
from tradectl.domain.policy import Policy
from tradectl.domain.ports import Clock
from tradectl.domain.position import Side
from tradectl.execution.exits import ExitRules
from tradectl.execution.observe import Evident
from tradectl.execution.protect import ProtectionRules
from tradectl.execution.protect_blind import Remembered
from tradectl.execution.submit import Door
from tradectl.execution.sweep import EmergencyDoor
from tradectl.execution.unprotectable import Strikes
from tradectl.store.database import Database
from tradectl.strategy import Strategy
from tradectl.venue.pace import Pace


@dataclass(frozen=True, slots=True)
class PendingAlert:
    """An alert waiting to commit with what its cycle records."""

    at_ms: int
    kind: str
    symbol: str
    urgent: bool
    text: str
    context: Mapping[str, object]


@dataclass(slots=True)
class Memory:
    """What the process remembers between cycles. Nothing in it is needed for safety: all of that is in the store."""

    cursor: int = 0  # the last account event ingested, as the store had it at start-up
    settled_seq: int = -1  # up to here, books and venue have been seen to agree
    differing: Mapping[str, str] = field(default_factory=dict)  # where they did not, when last compared
    reconciled_ms: int | None = None  # when both sides were last compared in full
    findings: frozenset[tuple[str, str, str]] = frozenset()  # what was found then, so that each is said once
    skipped: dict[tuple[str, str], str] = field(default_factory=dict)  # (symbol, target) → why it was not placed
    last_ingest_ms: int | None = None
    read_over_ms: int | None = None  # when the list of events was last read from behind the cursor
    recovered: bool = False
    recovery_reason: str = "start-up has not finished"
    said_ms: dict[tuple[str, str], int] = field(default_factory=dict)  # (symbol, gate) → when last said
    standing: dict[str, str] = field(default_factory=dict)  # symbol → gate that refused it in the last cycle
    system_state: str = ""
    warned_day: str = ""  # the UTC day whose daily-loss warning was given
    signalled_ms: dict[str, int] = field(default_factory=dict)  # symbol → last entry sent; from the intents at start
    books: Remembered = field(default_factory=Remembered)  # positions and trades as last read from the store
    strikes: Strikes = field(default_factory=Strikes)  # stops refused and closes failed, in passes in a row
    bare_ms: dict[str, int] = field(default_factory=dict)  # symbol → how long an entry just made had no stop yet
    blind_waiting: dict[str, int] = field(default_factory=dict)  # symbol → when its unknown emergency request expires
    bound: Mapping[str, str] | None = None  # limit → whose it is, as last written down
    policy: Policy | None = None  # as last read
    policy_ms: int = 0  # when, venue clock
    large: dict[str, int] = field(default_factory=dict)  # symbol → cycles in a row that it was too large
    clean: dict[str, int] = field(default_factory=dict)  # degrading invariant → the first cycle without it
    swept: frozenset[str] = frozenset()  # orders whose cancel in a halt has no outcome yet
    said_findings: frozenset[tuple[str, str]] = frozenset()
    kept_ms: int | None = None  # when time was last kept, by the clock that nobody sets
    said_waiting: str = ""  # why a halt does not clear itself
    acted_blind: bool = False  # something was done without the store, and waits in the emergency journal
    alerts: list[PendingAlert] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Bot:
    """strategy: None in a guard session, which decides nothing of its own."""

    config: Config
    db: Database
    venue: Evident
    pace: Pace
    clock: Clock
    door: Door
    strategy: Strategy | None
    instruments: Mapping[str, Instrument]  # a Listed learns of new ones
    symbols: tuple[str, ...]
    epoch: int
    alerts: LogSink
    protection: ProtectionRules
    exits: ExitRules
    emergency: EmergencyDoor
    config_digest: str  # of everything the configuration says, as `validate-config` prints it
    stepped: bool  # the market moves step by step, and the wall's clock says nothing of its time
    memory: Memory = field(default_factory=Memory)

    @property
    def limited(self) -> Limited | None:
        """The limits of mode live_limited; None in any other."""
        return self.door.limited.limits if self.door.limited is not None else None

    @property
    def guard(self) -> bool:
        """It watches an account that something else trades."""
        return self.strategy is None

    @property
    def traded(self) -> tuple[str, ...]:
        """The symbols that something is decided about in each cycle."""
        return () if self.guard else self.symbols

    @property
    def sides(self) -> frozenset[Side]:
        """The directions that positions may have."""
        return self.strategy.sides if self.strategy is not None else frozenset(Side)
