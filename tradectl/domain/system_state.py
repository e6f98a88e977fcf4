"""What restricts trading, and what each state permits. The strictest latch wins."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from tradectl.domain.candle import utc_text


class SystemState(StrEnum):
    NORMAL = "NORMAL"
    PAUSED = "PAUSED"  # an operator's latch: no entries, everything else goes on
    DEGRADED = "DEGRADED"  # no entries; positions managed, exits allowed
    HALTED = "HALTED"  # only protection and explicit operator exits


_STRICTNESS = {SystemState.NORMAL: 0, SystemState.PAUSED: 1, SystemState.DEGRADED: 2, SystemState.HALTED: 3}


class LatchName(StrEnum):
    """In order of strictness: where several hold, the first of them speaks."""

    KILL_SWITCH = "kill_switch"  # an operator's
    HALT = "halt"  # scope: the invariant that set it
    ESS_TRIPPED = "ess_tripped"
    ESS_COOLING = "ess_cooling"
    DEGRADED = "degraded"  # scope: the invariant that set it
    EQUITY_JUMP = "equity_jump"
    PREFLIGHT = "preflight"  # live_limited went on after a restart, and its go-live check no longer holds
    PAUSE = "pause"
    RECONCILE = "reconcile"  # scope: the symbol, or the account
    UNKNOWN_ORDER = "unknown_order"  # scope: the symbol


_ORDER = tuple(LatchName)


@dataclass(frozen=True, slots=True)
class LatchRule:
    state: SystemState | None  # None: restricts its symbol only, not the system
    effect: str
    cleared_by: str
    by_symbol: bool = False  # its scope is a symbol, or '' for all of them


LATCH_RULES: dict[LatchName, LatchRule] = {
    LatchName.KILL_SWITCH: LatchRule(
        SystemState.HALTED,
        "no entries; only protection and explicit operator exits",
        "tradectl killswitch clear --approver NAME --reason TEXT",
    ),
    LatchName.HALT: LatchRule(
        SystemState.HALTED,
        "no entries; only protection and explicit operator exits",
        "tradectl killswitch clear --approver NAME --reason TEXT",
    ),
    LatchName.ESS_TRIPPED: LatchRule(
        SystemState.HALTED,
        "no entries; only protection and explicit operator exits",
        "tradectl ess reset --approver NAME --reason TEXT, once it is swept and has cooled down",
    ),
    LatchName.ESS_COOLING: LatchRule(
        SystemState.DEGRADED,
        "no entries; what is open is managed",
        "tradectl ess reset --approver NAME --reason TEXT, once it has cooled down",
    ),
    LatchName.DEGRADED: LatchRule(
        SystemState.DEGRADED, "no entries; what is open is managed", "its condition gone for a full cycle"
    ),
    LatchName.EQUITY_JUMP: LatchRule(
        SystemState.DEGRADED,
        "no entries: equity moved, and nothing in the books explains it",
        "the trades or transfers that explain it, or tradectl state reset --scope latch:equity_jump --reason TEXT",
    ),
    LatchName.PREFLIGHT: LatchRule(
        SystemState.DEGRADED,
        "no entries: what is open is protected and managed",
        "a green preflight of this configuration (this build has no command for it yet), or tradectl run --mode paper",
    ),
    LatchName.PAUSE: LatchRule(SystemState.PAUSED, "no entries; everything else goes on", "tradectl resume"),
    LatchName.UNKNOWN_ORDER: LatchRule(
        None, "no entries on this symbol", "the bot, once the venue has shown what became of the order", by_symbol=True
    ),
    LatchName.RECONCILE: LatchRule(
        None,
        "no entries there: venue and books do not agree",
        "the finding gone, or tradectl reconcile --adopt SYMBOL --apply",
        by_symbol=True,
    ),
}


# What a state does in a guard session, which makes no entries and cannot keep others from theirs.
GUARD_EFFECTS: dict[SystemState | None, str] = {
    SystemState.HALTED: "orders that can add exposure are cancelled in every pass, whoever placed them; stops are kept",
    SystemState.DEGRADED: "an alarm: what else trades this account is not restrained",
    SystemState.PAUSED: "none: a guard session makes no entries, and what else trades this account goes on",
    None: "none: a guard session makes no entries, and what else trades this account goes on",
}
MARGIN_CRITICAL = "MARGIN_CRITICAL"  # the code of the one halt that may clear itself
_BY_ITSELF = "; within limits also by itself, once margin is below its bound"


@dataclass(frozen=True, slots=True)
class Latch:
    """A persisted reason why trading is restricted (promise 9).

    scope: '' for the account; a symbol where the rule goes by symbols; else the invariant that set it.
    """

    name: LatchName
    scope: str
    set_by: str
    set_at_ms: int  # wall time
    reason: str

    @property
    def rule(self) -> LatchRule:
        return LATCH_RULES[self.name]

    @property
    def title(self) -> str:
        """'kill_switch', 'halt (margin_utilisation)', 'reconcile on BTCUSDT'."""
        if not self.scope:
            return self.name.value
        return f"{self.name.value} on {self.scope}" if self.rule.by_symbol else f"{self.name.value} ({self.scope})"

    def effect(self, *, guard: bool) -> str:
        return GUARD_EFFECTS[self.rule.state] if guard else self.rule.effect

    @property
    def code(self) -> str:
        """The word that a halt's reason begins with, as MARGIN_CRITICAL."""
        return self.reason.partition(":")[0]

    @property
    def cleared_by(self) -> str:
        """What to do about it: the rule's words, and of a margin halt that it may also pass by itself."""
        by_itself = self.name is LatchName.HALT and self.code == MARGIN_CRITICAL
        return self.rule.cleared_by + (_BY_ITSELF if by_itself else "")

    @property
    def told(self) -> dict[str, str]:
        """What a log line or an alert says of it beside its own sentence."""
        return {
            "latch": self.title,
            "since": utc_text(self.set_at_ms),
            "by": self.set_by,
            "clear_with": self.cleared_by,
        }

    def forbids_entry(self, symbol: str) -> bool:
        if self.rule.by_symbol and self.scope not in ("", symbol):
            return False
        return self.rule.state is None or not PERMISSIONS[self.rule.state].entries


@dataclass(frozen=True, slots=True)
class Permissions:
    entries: bool
    manage: bool  # targets, trailing, early exits
    protect: bool  # placing and tightening stops
    operator_exit: bool


PERMISSIONS: dict[SystemState, Permissions] = {
    SystemState.NORMAL: Permissions(entries=True, manage=True, protect=True, operator_exit=True),
    SystemState.PAUSED: Permissions(entries=False, manage=True, protect=True, operator_exit=True),
    SystemState.DEGRADED: Permissions(entries=False, manage=True, protect=True, operator_exit=True),
    SystemState.HALTED: Permissions(entries=False, manage=False, protect=True, operator_exit=True),
}


def first_blocking(latches: Iterable[Latch], symbol: str) -> Latch | None:
    """The strictest latch that forbids an entry on this symbol."""
    binding = [latch for latch in latches if latch.forbids_entry(symbol)]
    return min(binding, key=lambda latch: _ORDER.index(latch.name)) if binding else None


def speaking(latches: Iterable[Latch], state: SystemState) -> Latch | None:
    """The latch that a state is said to come from; None: no latch demands it."""
    demanding = [latch for latch in latches if latch.rule.state is state]
    return min(demanding, key=lambda latch: (_ORDER.index(latch.name), latch.set_at_ms)) if demanding else None


def system_state(latches: Iterable[Latch]) -> SystemState:
    """The strictest state that any latch demands; NORMAL without one."""
    strictest = SystemState.NORMAL
    for latch in latches:
        state = latch.rule.state
        if state is not None and _STRICTNESS[state] > _STRICTNESS[strictest]:
            strictest = state
    return strictest
