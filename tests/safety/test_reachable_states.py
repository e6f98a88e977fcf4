"""Every state that the safety machine can get into, and that it gets out of a halt by the table below and no other way.

Breadth first over what can happen: what a cycle sees, time, operators' commands, restarts, clocks that jump. Each edge
is the real functions on the real store (reach.py). The product of everything is too large to walk, so it is walked in
parts: each has the halts and commands that may meet, and in all of them, from every state, a restart and every jump.
A restart while the venue's clock and this machine's are set ahead by the same is a downtime, and none of the jumps.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from reach import DAY_MS, Node, State, World, foreign, jumped, lost, margin, world

from tradectl.config.section_safety import AutoRecovery
from tradectl.domain.emergency_stop import Emergency, EssState
from tradectl.domain.system_state import LATCH_RULES, LatchName, SystemState
from tradectl.engine import recover
from tradectl.engine.bot import Bot
from tradectl.errors import Refused
from tradectl.operations import ess, killswitch_clear, pause, state_reset
from tradectl.operations.killswitch_venue import Books
from tradectl.safety import recovery
from tradectl.safety.recovery import Facts
from tradectl.store import fence, halt, latches

FIVE_MS = 300_000
MARGIN = (LatchName.HALT, "margin_utilisation")
WHO, WHY = "bea", "looked at it"

# Who or what may take away which restriction (spec safety.md: Latches, Emergency stop, Auto-recovery). `seen`: the bot
# itself, in a cycle or a pass; what it may do there is narrowed down in `_by_itself`.
SEEN = frozenset({
    "calm", "high", "critical", "loss 6%", "loss 16%", "jump", "naked", "foreign order", "five minutes", "a day",
    "pass: calm", "pass: critical",
})  # fmt: skip
CLEARED = frozenset({"clear", "clear --override"})
RESET = frozenset({"state reset", "state reset --override"})
TABLE: dict[LatchName, frozenset[str]] = {
    LatchName.KILL_SWITCH: CLEARED | RESET,
    LatchName.HALT: CLEARED | RESET | SEEN,
    LatchName.ESS_TRIPPED: SEEN,
    LatchName.ESS_COOLING: frozenset({"ess reset", "ess reset --override", "ess trip"}),
    LatchName.DEGRADED: RESET | SEEN,
    LatchName.EQUITY_JUMP: RESET | SEEN,
    LatchName.PAUSE: RESET | {"resume"},
    LatchName.UNKNOWN_ORDER: RESET | {"restart"},
}
# From HALTED to entries there are these edges, all of them: an operator's, with name and reason, and auto-recovery.
RECOVERING = frozenset({"calm", "five minutes", "a day", "pass: calm", "loss 6%"})  # margin is below its bound there
OUT_OF_HALT = CLEARED | RESET | RECOVERING


def _try(act: Callable[[], object]) -> None:
    """An operator's command: it acts, or it is refused and changes nothing."""
    with suppress(Refused):
        act()


def _clear(at: World, override: bool) -> None:
    with at.desk.elsewhere() as db:
        books = Books(Path(at.store), db)
        planned = at.run(killswitch_clear.plan(books, actor=WHO))
        if planned.active:
            _try(lambda: killswitch_clear.apply(books, planned, approver=WHO, reason=WHY, override=override))


def _reset(at: World, override: bool) -> None:
    """Of every latch there is, one by one: what is refused keeps none of the others."""
    with at.desk.elsewhere() as db:
        for name in sorted({one.name for one in at.desk.read(latches.active)}):
            request = state_reset.Request(f"latch:{name.value}", WHO, WHY, override)
            with suppress(Refused):
                state_reset.apply(db, state_reset.plan(db, request), at.hands.wall_ms())


def _ess(at: World, verb: Callable[..., object], **more: object) -> None:
    with at.desk.elsewhere() as db:
        _try(lambda: verb(db, by=WHO, reason=WHY, **more))


def _paused(at: World, verb: Callable[..., object]) -> None:
    with at.desk.elsewhere() as db:
        verb(db, by=WHO, reason=WHY)


def _later(at: World, length_ms: int) -> None:
    at.hands.pass_by(length_ms)
    at.sees(at.calm)


ACTS: dict[str, Callable[[World], object]] = {
    "calm": lambda at: at.sees(at.calm),
    "high": lambda at: at.sees(margin(at.calm, "0.90")),
    "critical": lambda at: at.sees(margin(at.calm, "0.95")),
    "loss 6%": lambda at: at.sees(lost(at.calm, "0.06")),
    "loss 16%": lambda at: at.sees(lost(at.calm, "0.16")),
    "jump": lambda at: at.sees(jumped(at.calm)),
    "naked": lambda at: at.sees(replace(at.calm, orders=())),
    "foreign order": lambda at: at.sees(foreign(at.calm)),
    "five minutes": lambda at: _later(at, FIVE_MS),
    "a day": lambda at: _later(at, DAY_MS),
    "pass: calm": lambda at: at.sees(at.calm, between=True),
    "pass: critical": lambda at: at.sees(margin(at.calm, "0.95"), between=True),
    "activate": lambda at: fence.fence(at.store, by="ann", reason="stop"),
    "halt file": lambda at: halt.write(at.store, "kill switch: store locked"),
    "clear": lambda at: _clear(at, False),
    "clear --override": lambda at: _clear(at, True),
    "pause": lambda at: _paused(at, pause.pause),
    "resume": lambda at: _paused(at, pause.resume),
    "state reset": lambda at: _reset(at, False),
    "state reset --override": lambda at: _reset(at, True),
    "ess trip": lambda at: _ess(at, ess.trip),
    "ess reset": lambda at: _ess(at, ess.reset, override=False),
    "ess reset --override": lambda at: _ess(at, ess.reset, override=True),
    "ess disable": lambda at: _ess(at, ess.disable),
    "order in doubt": lambda at: at.in_doubt() if at.look().entries else None,
}
JUMPS: dict[str, tuple[int, int]] = {  # the venue's clock, this machine's; the process's own is never set
    "machine +1 d": (0, DAY_MS),
    "machine -1 d": (0, -DAY_MS),
    "venue +1 d": (DAY_MS, 0),
    "both +1 d": (DAY_MS, DAY_MS),
    "both -1 d": (-DAY_MS, -DAY_MS),
}
PARTS: dict[str, tuple[str, ...]] = {
    "margin": ("calm", "high", "critical", "naked", "five minutes", "a day", "pass: calm", "pass: critical", "pause",
               "resume", "clear"),
    "margin with others": ("calm", "critical", "loss 16%", "five minutes", "activate", "clear", "ess reset"),
    "emergency stop": ("calm", "loss 6%", "critical", "five minutes", "clear", "ess trip", "ess reset",
                       "ess reset --override", "ess disable", "foreign order"),
    "operators": ("calm", "critical", "activate", "halt file", "clear", "clear --override", "pause", "resume",
                  "state reset", "state reset --override", "order in doubt"),
    "jump": ("calm", "jump", "critical", "foreign order", "five minutes", "state reset"),
}  # fmt: skip


@dataclass
class Walk:
    """What was found: the states with a way to come back to each, and the edges out of a halt."""

    nodes: dict[State, Node] = field(default_factory=dict)
    paths: dict[State, tuple[str, ...]] = field(default_factory=dict)
    edges: int = 0
    out_of_halt: set[str] = field(default_factory=set)
    recovered: set[int] = field(default_factory=set)  # how many recoveries there had been before each

    def go(self, at: World, acts: tuple[str, ...]) -> None:
        first = at.look()
        self.nodes[first], self.paths[first] = at.save(), ()
        waiting = deque([first])
        while waiting:
            before = waiting.popleft()
            node = self.nodes[before]
            self._permits(at, before, node)
            for act in acts:
                at.load(node)
                waits = at.waits()
                ACTS[act](at)
                after = at.look()
                self._edge(before, act, after, waits)
                if after not in self.nodes:
                    self.nodes[after], self.paths[after] = at.save(), (*self.paths[before], act)
                    waiting.append(after)
            self._jumps(at, before, node)
            self._restart(at, before, node)

    def _where(self, before: State, act: str) -> str:
        return f"{' → '.join((*self.paths[before], act))}, from {before}"

    def _permits(self, at: World, state: State, node: Node) -> None:
        at.load(node)
        assert at.permits_entry() == state.entries, self._where(state, "an entry")
        at.load(node)
        assert at.permits_protection(), self._where(state, "a stop")

    def _edge(self, before: State, act: str, after: State, waits: tuple[int, int | None, tuple[int, ...]]) -> None:
        self.edges += 1
        said = f"{self._where(before, act)} to {after}"
        for name, scope in before.latches - after.latches:
            assert act in TABLE[name], f"{name.value} {scope} is gone: {said}"
            if act in SEEN:
                self._by_itself(before, act, after, (name, scope), waits, said)
            if name is LatchName.ESS_COOLING and act == "ess reset":
                assert before.cooled, said
        assert not before.halt_file or after.halt_file or act in CLEARED, f"the halt file is gone: {said}"
        if before.system is SystemState.HALTED and after.entries:
            self.out_of_halt.add(act)
            assert act in OUT_OF_HALT, said

    def _by_itself(
        self, before: State, act: str, after: State, gone: tuple[LatchName, str],
        waits: tuple[int, int | None, tuple[int, ...]], said: str,
    ) -> None:  # fmt: skip
        name, scope = gone
        if name is LatchName.ESS_TRIPPED:
            assert after.ess is EssState.COOLING_DOWN and (LatchName.ESS_COOLING, "") in after.latches, said
        if name is LatchName.DEGRADED:
            assert scope in before.fading, f"its condition was not gone for a full cycle: {said}"
        if name is not LatchName.HALT:
            return
        passed_ms = {"five minutes": FIVE_MS, "a day": DAY_MS}.get(act, 0)
        _, stood_ms, ages_ms = waits
        lately = sum(age + passed_ms < DAY_MS for age in ages_ms)
        assert act in RECOVERING, said
        assert before.latches == {MARGIN} and not before.halt_file and not before.in_doubt, said
        assert stood_ms is not None and stood_ms + passed_ms >= FIVE_MS, f"it had not stood long enough: {said}"
        assert lately < 2, f"it had recovered twice in 24 hours: {said}"
        self.recovered.add(lately)

    def _jumps(self, at: World, before: State, node: Node) -> None:
        """What follows a jump is what would have followed without it, or stricter; no wait is nearer to its end."""
        at.load(node)
        at.sees(at.calm)
        plain, waited = at.look(), at.waits()
        for jump, (venue_ms, machine_ms) in JUMPS.items():
            at.load(node)
            at.hands.venue_ms += venue_ms
            at.hands.machine_ms += machine_ms
            at.sees(at.calm)
            after, waits, said = at.look(), at.waits(), self._where(before, f"{jump}, calm")
            self.edges += 1
            assert not plain.latches - after.latches, f"a latch went with a clock: {said} to {after}"
            assert waits[0] <= waited[0], f"the cooldown got shorter: {said}"
            assert (waits[1] or 0) <= (waited[1] or 0), f"the halt's wait got shorter: {said}"
            assert after.recoveries >= plain.recoveries, f"a recovery is forgotten: {said}"

    def _restart(self, at: World, before: State, node: Node) -> None:
        """Only an order in doubt is resolved by a start; everything else is as it was, also with a clock set ahead."""
        at.load(node)
        waited = at.waits()
        at.hands.machine_ms += DAY_MS
        at.restart()
        after, said = at.look(), self._where(before, "restart")
        self.edges += 1
        gone = before.latches - after.latches
        assert not {one for one in gone if one[0] is not LatchName.UNKNOWN_ORDER}, f"{gone} went with a restart: {said}"
        assert after.latches <= before.latches and after.halt_file == before.halt_file, said
        assert (after.ess, after.cooled, after.recoveries) == (before.ess, before.cooled, before.recoveries), said
        assert at.waits() == waited, said
        _later(at, FIVE_MS)  # the first look after it, with a machine's clock a day ahead
        assert at.waits()[0] <= waited[0] + FIVE_MS, f"the cooldown got shorter: {said}"
        assert before.recoveries < 2 or MARGIN not in before.latches or MARGIN in at.look().latches, said


@pytest.mark.parametrize("part", PARTS)
def test_no_way_leads_from_halted_to_entries_but_those_of_the_table(
    tmp_path: Path, part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", lambda _: None)  # nobody pulls the plug here
    walk, acts = Walk(), set(PARTS[part])
    with world(tmp_path) as at:
        orders = at.desk.embedded.host.state.next_order
        walk.go(at, PARTS[part])
        assert at.desk.embedded.host.state.next_order == orders, "the exchange has stood still"
    timed = bool(acts & {"five minutes", "a day"})  # without time nothing recovers by itself
    assert walk.out_of_halt == (OUT_OF_HALT if timed else CLEARED | RESET) & acts, "every edge of the table is walked"
    assert walk.recovered == ({0, 1} if timed else set()), "by itself it has recovered twice, and not a third time"


def _latch_lost(bot: Bot) -> None:
    with bot.db.transaction() as conn:
        latches.clear(conn, LatchName.HALT, MARGIN[1], by="bot", reason="a new start", at_ms=0)
    recover.restore(bot)


def _by_the_wall(now: Emergency, _: int, wall_ms: int, *__: object, **___: object) -> Emergency:
    return replace(now, cooled_ms=now.cooled_ms + max(wall_ms - now.wall_ms, 0), wall_ms=wall_ms)


def _set_clocks(venue_ms: int, wall_ms: int, *_: object, **__: object) -> int:
    return max(wall_ms, 0)


def _any_halt(facts: Facts, rules: AutoRecovery) -> tuple[str, ...]:
    return REFUSALS(facts, rules.model_copy(update={"reasons": ("MARGIN_CRITICAL", "UNADMITTED_ORDER")}))


def _uncounted(facts: Facts, rules: AutoRecovery) -> tuple[str, ...]:
    return REFUSALS(replace(facts, recovered_ms=()), rules)


def _beside_others(facts: Facts, rules: AutoRecovery) -> tuple[str, ...]:
    halts = [one for one in facts.latches if one.name is LatchName.HALT]
    return REFUSALS(replace(facts, latches=halts), rules)


def _at_once(bot: Bot, ess: Emergency) -> None:
    with bot.db.transaction() as conn:
        latches.clear(conn, LatchName.ESS_TRIPPED, "", by="bot", reason="swept", at_ms=0)


REFUSALS, RULES = recovery.refusals, "tradectl.engine.guarding.recovery.refusals"
# What is broken on purpose: where, what stands there instead, in which part it shows, and the words it shows in.
FAULTS: dict[str, tuple[str, object, str, str]] = {
    "a start drops a halt": ("bot_kit.restore", _latch_lost, "margin", "went with a restart"),
    "the wall cools": ("tradectl.engine.guarding.cool", _by_the_wall, "emergency stop", "cooldown got shorter"),
    "the wall recovers": ("tradectl.domain.seen_time.passed_ms", _set_clocks, "margin", "wait got shorter"),
    "any halt recovers": (RULES, _any_halt, "jump", "no_flip"),
    "recoveries are not counted": (
        RULES,
        _uncounted,
        "margin",
        "twice in 24 hours",
    ),
    "other latches do not count": (RULES, _beside_others, "margin", "critical"),
    "no cooldown": ("tradectl.engine.guarding._begin_cooldown", _at_once, "emergency stop", "COOLING_DOWN"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_that_is_planted_is_found(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda _: None)
    place, fault, part, words = FAULTS[name]
    with world(tmp_path) as at:
        monkeypatch.setattr(place, fault)
        with pytest.raises(AssertionError, match=words):
            Walk().go(at, PARTS[part])


def test_the_table_is_the_one_of_the_house() -> None:
    """Each latch that can be set here has its line, and no state is left out of the permissions."""
    assert set(TABLE) == set(LATCH_RULES) - {LatchName.RECONCILE, LatchName.PREFLIGHT}, (
        "those two have tests of their own"
    )
    assert {act for acts in PARTS.values() for act in acts} == set(ACTS), "everything that can happen does somewhere"
    assert TABLE[LatchName.HALT] | TABLE[LatchName.KILL_SWITCH] >= OUT_OF_HALT
