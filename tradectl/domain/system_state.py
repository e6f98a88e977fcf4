"""What restricts trading, and what each state permits. The strictest latch wins."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class SystemState(StrEnum):
    NORMAL = "NORMAL"
    PAUSED = "PAUSED"  # an operator's latch: no entries, everything else goes on
    DEGRADED = "DEGRADED"  # no entries; positions managed, exits allowed
    HALTED = "HALTED"  # only protection and explicit operator exits


_STRICTNESS = {SystemState.NORMAL: 0, SystemState.PAUSED: 1, SystemState.DEGRADED: 2, SystemState.HALTED: 3}


class LatchName(StrEnum):
    KILL_SWITCH = "kill_switch"
    PAUSE = "pause"
    UNKNOWN_ORDER = "unknown_order"  # scope: the symbol
    RECONCILE = "reconcile"  # scope: the symbol, or the account


@dataclass(frozen=True, slots=True)
class LatchRule:
    state: SystemState | None  # None: restricts its symbol only, not the system
    effect: str
    cleared_by: str


LATCH_RULES: dict[LatchName, LatchRule] = {
    LatchName.KILL_SWITCH: LatchRule(
        SystemState.HALTED,
        "no entries; only protection and explicit operator exits",
        "tradectl killswitch clear --approver NAME --reason TEXT",
    ),
    LatchName.PAUSE: LatchRule(SystemState.PAUSED, "no entries; everything else goes on", "tradectl resume"),
    LatchName.UNKNOWN_ORDER: LatchRule(
        None, "no entries on this symbol", "the bot, once the venue has shown what became of the order"
    ),
    LatchName.RECONCILE: LatchRule(
        None,
        "no entries there: venue and books do not agree",
        "the finding gone, or tradectl reconcile --adopt SYMBOL --apply",
    ),
}


@dataclass(frozen=True, slots=True)
class Latch:
    """A persisted reason why trading is restricted (promise 9). `scope` is '' for the account, or a symbol."""

    name: LatchName
    scope: str
    set_by: str
    set_at_ms: int  # wall time
    reason: str

    @property
    def rule(self) -> LatchRule:
        return LATCH_RULES[self.name]


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


def system_state(latches: Iterable[Latch]) -> SystemState:
    """The strictest state that any latch demands; NORMAL without one."""
    strictest = SystemState.NORMAL
    for latch in latches:
        state = latch.rule.state
        if state is not None and _STRICTNESS[state] > _STRICTNESS[strictest]:
            strictest = state
    return strictest
