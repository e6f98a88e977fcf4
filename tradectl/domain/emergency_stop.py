"""The emergency stop's states, as a table, and what the store keeps of it. What trips it: safety/emergency_stop.py."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class EssState(StrEnum):
    DISABLED = "DISABLED"
    ARMED = "ARMED"
    TRIPPED = "TRIPPED"  # halted, until its sweep is done
    COOLING_DOWN = "COOLING_DOWN"  # no entries, until an operator re-arms it


class EssEvent(StrEnum):
    TRIP = "trip"
    SWEPT = "swept"
    RESET = "reset"
    DISABLE = "disable"


_S, _E = EssState, EssEvent

# (from, on, to): every change there is.
ESS_TRANSITIONS: tuple[tuple[EssState, EssEvent, EssState], ...] = (
    (_S.ARMED, _E.TRIP, _S.TRIPPED),
    (_S.TRIPPED, _E.SWEPT, _S.COOLING_DOWN),
    (_S.COOLING_DOWN, _E.RESET, _S.ARMED),
    (_S.DISABLED, _E.RESET, _S.ARMED),
    (_S.ARMED, _E.DISABLE, _S.DISABLED),
)
_NEXT = {(before, on): after for before, on, after in ESS_TRANSITIONS}


def advance(state: EssState, on: EssEvent) -> EssState | None:
    """The state after an event; None where the table has no such change."""
    return _NEXT.get((state, on))


@dataclass(frozen=True, slots=True)
class Emergency:
    """As the store keeps it. `errors`: order-changing calls in a row that were refused or unknown,
    `aborted`: cycles in a row that could not be completed. `cooled_ms`: time seen to pass while cooling down.

    venue_ms, wall_ms: the clocks when it was last looked at
    """

    state: EssState = EssState.ARMED
    evaluator: str = ""
    evidence: str = ""
    since_ms: int = 0  # of this state, wall clock
    by: str = ""
    errors: int = 0
    aborted: int = 0
    cooled_ms: int = 0
    venue_ms: int = 0
    wall_ms: int = 0
