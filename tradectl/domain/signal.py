"""From an opinion to an approved size. Approval is a type: a step cannot be skipped without the checker saying so.

Signal → (every gate passes) → Admitted → (sizing finds a tradable quantity) → Sized → IntentDraft (domain/intent.py)
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from tradectl.domain.instrument import Instrument
from tradectl.domain.lifecycle import Target
from tradectl.domain.money import ONE
from tradectl.domain.position import Side
from tradectl.domain.tags import Tag


@dataclass(frozen=True, slots=True)
class Signal:
    """A strategy's opinion on one symbol, from closed candles only."""

    symbol: str
    strategy: str
    side: Side
    confidence: Decimal  # 0 to 1
    entry: Decimal  # the price the opinion was formed at
    candle_open_ms: int  # the last closed candle it read
    reasons: tuple[str, ...]
    stop: Decimal | None = None  # None: the config's distance
    targets: tuple[Decimal, ...] = ()


@dataclass(frozen=True, slots=True)
class NoSignal:
    """No opinion is a decision too, with its reason codes."""

    symbol: str
    strategy: str
    candle_open_ms: int
    reasons: tuple[str, ...]
    exit_long: bool = False  # the strategy's reverse cross: the reason for an early exit where that is enabled
    exit_short: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """One gate's answer. `headroom` is in the unit of `value` and `limit`; > 0 is room left."""

    gate: str
    passed: bool
    sentence: str
    value: Decimal | None = None
    limit: Decimal | None = None
    headroom: Decimal | None = None
    unit: str = ""  # 'fraction', 'quote', 'count', 'minutes', 'ms', ...
    tag: Tag | None = None  # the tag a refusal (or a warning) is logged under
    context: tuple[tuple[str, str], ...] = ()  # key=value pairs of the log line
    alert: str = ""  # the alert's own wording, where it differs from the sentence


@dataclass(frozen=True, slots=True)
class Admitted:
    """A signal that passed every gate before sizing. Made only by `risk.pipeline`."""

    signal: Signal
    verdicts: tuple[Verdict, ...]


@dataclass(frozen=True, slots=True)
class Cap:
    """One sizing cap that bound: which, from what quantity to what, and its own limit as a notional."""

    name: str
    sentence: str
    before_notional: Decimal
    after_notional: Decimal


@dataclass(frozen=True, slots=True)
class Sized:
    """An admitted signal with a tradable quantity, its exit plan and the orders it is split into."""

    admitted: Admitted
    instrument: Instrument
    side: Side
    qty: Decimal  # the whole entry, a multiple of the step
    slices: tuple[Decimal, ...]  # qty split at the venue's maximum market quantity; sums to qty
    reference_price: Decimal  # the price sizing was computed at
    notional: Decimal
    leverage: Decimal
    initial_margin: Decimal
    stop_price: Decimal
    target_price: Decimal | None
    risk_amount: Decimal  # loss at the stop, quote currency, fees apart
    caps: tuple[Cap, ...]
    verdicts: tuple[Verdict, ...]  # the pipeline's and the sizing gates', in order
    targets: tuple[Target, ...] = ()  # placed as orders of their own; then `target_price` is None

    @property
    def planned_targets(self) -> tuple[Target, ...]:
        """Every target of the position to come, the attached one included."""
        if self.targets or self.target_price is None:
            return self.targets
        return (Target("tp1", self.target_price, ONE),)


@dataclass(frozen=True, slots=True)
class SymbolRefusal:
    """An entry that a gate refused, with every verdict up to and including the refusal."""

    symbol: str
    verdicts: tuple[Verdict, ...]
    signal: Signal | None = None  # set when a real signal was refused

    @property
    def refused_by(self) -> Verdict:
        return self.verdicts[-1]


@dataclass(frozen=True, slots=True)
class Decision:
    """What one cycle decided for one symbol, as kept for `why`."""

    symbol: str
    # 'entered', 'refused', 'no_signal', 'exit', 'not_sent', 'unknown', 'not_filled' (confirmed, and nothing traded),
    # 'error' (the bot's own code failed on this symbol), 'waiting' (for a new candle)
    outcome: str
    code: str  # the gate or reason that decided
    sentence: str
    candle_open_ms: int | None
    signal: Signal | None = None
    verdicts: tuple[Verdict, ...] = ()
    facts: tuple[tuple[str, str], ...] = field(default=())
