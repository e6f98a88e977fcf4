"""The safety machine at work: invariants and the emergency stop are judged, latches set and cleared, a halt is swept.

Judged in every cycle, and in a pass of its own between cycles. Whatever is set or cleared commits with its evidence
and its alert; what nothing changes costs no commit. Nothing here blocks protection.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

from tradectl import logs
from tradectl.domain.emergency_stop import Emergency, EssEvent, EssState, advance
from tradectl.domain.intent import Purpose
from tradectl.domain.money import ZERO
from tradectl.domain.seen_time import SeenTime
from tradectl.domain.snapshot import Snapshot
from tradectl.domain.system_state import Latch, LatchName, SystemState, system_state
from tradectl.domain.tags import Tag
from tradectl.engine import state
from tradectl.engine.bot import Bot
from tradectl.engine.cycle_report import Judgement
from tradectl.errors import Busy, StoreUnwritable
from tradectl.execution.sweep import Hands, must_go, sweep
from tradectl.execution.whose import owner, purpose_of
from tradectl.safety import recovery
from tradectl.safety.breach import Breach, Level
from tradectl.safety.check import check
from tradectl.safety.emergency_stop import Trip, cool, evaluate, execution_errors
from tradectl.safety.invariants import equity_jump, protection, single_position
from tradectl.safety.recovery import DAY_MS, Facts
from tradectl.safety.view import SafetyView
from tradectl.store import halt, intents, latches, outbox, safety, seen_orders
from tradectl.store.connection import Connection
from tradectl.store.safety import Baseline

_log = logs.get("engine.guarding")
BOT = "bot"
SWEEP = "halted"
_NUMBER = re.compile(r"[\d.]+")


def judge(bot: Bot, snapshot: Snapshot, books: state.Books, *, cycle: int | None) -> Judgement:
    """cycle: its number; None between cycles, where conditions are seen to begin and never to have gone."""
    with bot.db.read() as conn:
        view = _view(bot, conn, snapshot, books)
        ess = safety.ess(conn)
        seen = _seen_time(bot, conn, bot.clock.wall_ms())
        recovered_ms = safety.recoveries(conn, seen.total_ms - DAY_MS)
    found = check(view)
    trips = evaluate(bot.config.ess, books.risk, snapshot, ess) if bot.config.ess.enabled else ()
    _say_findings(bot, found)
    steps = _Steps(bot, books.latches)
    steps.halts([one for one in found if one.level is Level.HALT])
    steps.degraded(_degrading(bot, found, cycle), [one for one in found if one.level is Level.HALT], cycle)
    steps.jump([one for one in found if one.level is Level.JUMP], view.unexplained)
    if trips and ess.state is EssState.ARMED:
        steps.trip(ess, trips[0])
    halted = any(latch.name is LatchName.HALT for latch in books.latches)
    if not halted:
        bot.memory.said_waiting = ""
    elif not steps.any:
        facts = _facts(bot, snapshot, books, found, seen, recovered_ms)
        if not (why := recovery.refusals(facts, bot.config.safety.auto_recovery)):
            steps.recover(facts, seen)
        else:
            _say_waiting(bot, why)
    if steps.any:
        steps.commit()
    return Judgement(found, trips, view.unexplained, steps.any)


async def sweep_if_halted(bot: Bot, snapshot: Snapshot) -> bool:
    """In a halt, what could add exposure and take-profits are cancelled, order by order. True when something changed.

    In a guard session others' take-profits stay: nobody here would put them back. An emergency stop that is swept cools
    down from then on.
    """
    with bot.db.read() as conn:
        active = latches.active(conn)
        ess = safety.ess(conn)
        whose = owner(conn, bot.db.identity.store_tag, snapshot.orders)
    by_file = bot.guard and halt.read(str(bot.db.path)) is not None  # no entry of ours waits for it to be obeyed
    if system_state(active) is not SystemState.HALTED and not by_file:
        bot.memory.swept = frozenset()
        return False
    due = [order for order in snapshot.orders if order.status.open and must_go(order)]
    if bot.guard:
        due = [order for order in due if order.can_add_exposure or whose.ours(order)]
    if due:
        tried = bot.memory.swept
        hands = Hands(bot.door, bot.emergency)
        done = await sweep(hands, replace(snapshot, orders=tuple(due)), reason=SWEEP, tried=tried)
        bot.memory.swept = tried | {one.order.order_id for one in done if one.result == "unknown"}
        if bot.guard and done:
            gone, others = sum(one.done for one in done), sum(not whose.ours(one.order) for one in done)
            said = f"halted: {gone} of {len(done)} resting orders cancelled, {others} of them placed by others"
            _log.emit(Tag.SAFETY_HALT, said, level=30)
        return bool(done)
    if ess.state is EssState.TRIPPED and not snapshot.doubts:
        _begin_cooldown(bot, ess)
        return True
    return False


def keep_time(bot: Bot, conn: Connection, wall_ms: int) -> None:
    """A completed cycle, in its transaction: the waits of a halt and of the emergency stop go on as far as time was
    seen to pass."""
    safety.forget_aborted(conn)
    safety.save_seen_time(conn, _seen_time(bot, conn, wall_ms))
    ess = safety.ess(conn)
    if ess.state is EssState.COOLING_DOWN:
        safety.save_ess(conn, cool(ess, bot.clock.now_ms(), wall_ms, _process_ms(bot), stepped=bot.stepped))
    bot.memory.kept_ms = bot.clock.monotonic_ms()


def _seen_time(bot: Bot, conn: Connection, wall_ms: int) -> SeenTime:
    before = safety.seen_time(conn)
    return before.later(bot.clock.now_ms(), wall_ms, _process_ms(bot), stepped=bot.stepped)


def _process_ms(bot: Bot) -> int | None:
    """What this process has lived through since time was last kept; None before it has kept any."""
    kept_ms = bot.memory.kept_ms
    return None if kept_ms is None else bot.clock.monotonic_ms() - kept_ms


def aborted(bot: Bot) -> None:
    """A cycle could not be completed. Counted where the store can be written; it may trip the emergency stop."""
    rules = bot.config.ess
    try:
        with bot.db.transaction() as conn:
            safety.count_aborted(conn)
            ess = safety.ess(conn)
            active = latches.active(conn)
        trips = execution_errors(rules, ess) if rules.enabled and ess.state is EssState.ARMED else ()
        if trips:
            steps = _Steps(bot, active)
            steps.trip(ess, trips[0])
            steps.commit()
    except (Busy, StoreUnwritable) as error:
        _log.emit(Tag.SAFETY_EXECUTION_ERROR, f"an aborted cycle was not counted: {error.what}", level=30)


def keep_baseline(conn: Connection, snapshot: Snapshot, books: state.Books, judged: Judgement) -> None:
    """The wallet that the next look is held against; it stays while a move is unexplained or the books differ."""
    latched = any(latch.name is LatchName.EQUITY_JUMP for latch in latches.active(conn))
    if books.disagreements:
        return
    if not latched and judged.unexplained is not None and not any(one.level is Level.JUMP for one in judged.breaches):
        safety.set_baseline(conn, Baseline(snapshot.account.wallet_balance, snapshot.event_seq))


def _view(bot: Bot, conn: Connection, snapshot: Snapshot, books: state.Books) -> SafetyView:
    whose = owner(conn, bot.db.identity.store_tag, snapshot.orders)
    ours = frozenset(order.order_id for order in snapshot.orders if whose.ours(order))
    listed = [order.order_id for order in snapshot.orders]
    return SafetyView(
        config=bot.config,
        snapshot=snapshot,
        risk=books.risk,
        ours=ours,
        entries=frozenset(
            order.order_id for order in snapshot.orders if order.order_id in ours and purpose_of(order) is Purpose.ENTRY
        ),
        recorded=seen_orders.among(conn, listed) if listed else frozenset(),
        managed=frozenset(books.managed),
        disagreements=books.disagreements,
        unexplained=_unexplained(conn, snapshot, books),
        clock_skew_ms=bot.clock.skew_ms(),
        guard=bot.guard,
    )


def _unexplained(conn: Connection, snapshot: Snapshot, books: state.Books) -> Decimal | None:
    """What the wallet moved by that the books do not have, and what open P&L is beside the positions' own marks."""
    if books.disagreements or snapshot.doubts or snapshot.flaw:
        return None
    before = safety.baseline(conn)
    if before is None or before.seq > snapshot.event_seq:
        return ZERO if before is None else None
    booked = safety.cash_between(conn, before.seq, snapshot.event_seq)
    open_pnl = sum(((one.mark_price - one.entry_price) * one.qty for one in snapshot.positions), ZERO)
    return snapshot.account.wallet_balance - before.wallet - booked + snapshot.account.unrealised - open_pnl


def _degrading(bot: Bot, found: Sequence[Breach], cycle: int | None) -> list[Breach]:
    """What degrades now: what says so, and a position that is too large for the second cycle in a row."""
    large = [one for one in found if one.invariant == single_position.ID]
    if cycle is not None:
        bot.memory.large = {one.symbol: bot.memory.large.get(one.symbol, 0) + 1 for one in large}
    struck = [one for one in large if bot.memory.large.get(one.symbol, 0) >= single_position.STRIKES]
    return [*(one for one in found if one.level is Level.DEGRADE), *struck]


def _facts(
    bot: Bot, snapshot: Snapshot, books: state.Books, found: Sequence[Breach], seen: SeenTime,
    recovered_ms: Sequence[int],
) -> Facts:  # fmt: skip
    return Facts(
        now_ms=seen.total_ms,
        stood_ms=seen.total_ms - seen.halted_ms if seen.halted_ms is not None else 0,
        latches=books.latches,
        halt_file=books.halt_reason is not None,
        utilisation=snapshot.margin_utilisation,
        recovered_ms=recovered_ms,
        reconciled=not books.disagreements and not snapshot.doubts and bot.memory.recovered,
        covered=not any(one.invariant == protection.ID for one in found),
        in_doubt=bool(books.in_doubt),
        breached=any(one.level is Level.HALT for one in found),
    )


def _begin_cooldown(bot: Bot, ess: Emergency) -> None:
    """It is swept: entries stay out, what is open is managed again, and time begins to count."""
    after = advance(ess.state, EssEvent.SWEPT)
    assert after is not None
    wall_ms, venue_ms = bot.clock.wall_ms(), bot.clock.now_ms()
    now = replace(ess, state=after, since_ms=wall_ms, by=BOT, cooled_ms=0, venue_ms=venue_ms, wall_ms=wall_ms)
    minutes = bot.config.ess.cooldown_minutes
    sentence = f"swept; the emergency stop cools down for {minutes} min, then an operator may re-arm it"
    with bot.db.transaction() as conn:
        safety.save_ess(conn, now)
        safety.say_ess(conn, ess.state, now, venue_ms, reason="swept")
        latches.clear(conn, LatchName.ESS_TRIPPED, "", by=BOT, reason="swept", at_ms=wall_ms)
        latch = Latch(LatchName.ESS_COOLING, "", BOT, wall_ms, f"{ess.evaluator}: {ess.evidence}")
        latches.set_latch(conn, latch)
        _alert(conn, bot, Tag.SAFETY_ESS_COOLING, sentence, latch.told)
    _log.emit(Tag.SAFETY_ESS_COOLING, sentence, latch.told)


class _Steps:
    """Changes of latches that belong into one transaction, with their lines for the log."""

    def __init__(self, bot: Bot, active: Sequence[Latch]) -> None:
        self._bot = bot
        self._active = {(latch.name, latch.scope): latch for latch in active}
        self._set: list[tuple[Latch, Tag, str, bool]] = []
        self._clear: list[tuple[Latch, Tag, str]] = []
        self._trip: tuple[Emergency, Trip] | None = None
        self._recovered: tuple[Facts, SeenTime] | None = None

    @property
    def any(self) -> bool:
        return bool(self._set or self._clear)

    def halts(self, breaches: Sequence[Breach]) -> None:
        for one in breaches:
            self._add(LatchName.HALT, one.invariant, f"{one.code}: {one.evidence}", Tag.SAFETY_HALT, urgent=True)

    def degraded(self, breaches: Sequence[Breach], halting: Sequence[Breach], cycle: int | None) -> None:
        """Set at once; cleared when its condition has been gone for a full cycle. What halts by now is not gone."""
        clean = self._bot.memory.clean
        now = {one.invariant for one in (*breaches, *halting)}
        for invariant in now:
            clean.pop(invariant, None)
        for one in breaches:
            self._add(LatchName.DEGRADED, one.invariant, one.evidence, Tag.SAFETY_DEGRADED)
        for (name, scope), latch in self._active.items():
            if name is not LatchName.DEGRADED or scope in now or cycle is None:
                continue
            if clean.setdefault(scope, cycle) < cycle:
                del clean[scope]
                self._clear.append((latch, Tag.SAFETY_RECOVERED, f"{scope}: its condition was gone for a full cycle"))

    def jump(self, breaches: Sequence[Breach], unexplained: Decimal | None) -> None:
        for one in breaches:
            self._add(LatchName.EQUITY_JUMP, "", one.evidence, Tag.SAFETY_DEGRADED, urgent=True)
        latch = self._active.get((LatchName.EQUITY_JUMP, ""))
        if latch is not None and not breaches and unexplained is not None:
            self._clear.append((latch, Tag.SAFETY_RECOVERED, f"{equity_jump.ID}: what explains the move was found"))

    def trip(self, ess: Emergency, trip: Trip) -> None:
        self._trip = (ess, trip)
        reason = f"{trip.evaluator}: {trip.evidence}"
        self._add(LatchName.ESS_TRIPPED, "", reason, Tag.SAFETY_ESS_TRIPPED, urgent=True)

    def recover(self, facts: Facts, seen: SeenTime) -> None:
        """Every halt that stands is one that may clear itself."""
        self._recovered = (facts, seen)
        for latch in self._halts():
            self._clear.append((latch, Tag.SAFETY_AUTO_RECOVERY, f"auto-recovery: {latch.title} cleared"))

    def _halts(self) -> list[Latch]:
        return [latch for (name, _), latch in self._active.items() if name is LatchName.HALT]

    def _may_still_recover(self, conn: Connection, facts: Facts) -> bool:
        """Asked where it is committed: an operator may have sent an order or set a latch since the books were read."""
        by_file = halt.read(str(self._bot.db.path)) is not None
        now = replace(facts, latches=latches.active(conn), halt_file=by_file, in_doubt=bool(intents.in_doubt(conn)))
        return not recovery.refusals(now, self._bot.config.safety.auto_recovery)

    def _add(self, name: LatchName, scope: str, reason: str, tag: Tag, *, urgent: bool = False) -> None:
        if (name, scope) not in self._active:
            self._set.append((Latch(name, scope, BOT, self._bot.clock.wall_ms(), reason), tag, reason, urgent))

    def commit(self) -> None:
        bot, wall_ms, venue_ms = self._bot, self._bot.clock.wall_ms(), self._bot.clock.now_ms()
        with bot.db.transaction() as conn:
            if self._recovered is not None and not self._may_still_recover(conn, self._recovered[0]):
                self._recovered = None
                self._clear.clear()  # nothing else is cleared or set together with a recovery
            for latch, tag, sentence, urgent in self._set:
                latches.set_latch(conn, latch)
                _alert(conn, bot, tag, sentence, latch.told, urgent=urgent)
            for latch, tag, sentence in self._clear:
                latches.clear(conn, latch.name, latch.scope, by=BOT, reason=sentence, at_ms=wall_ms)
                if tag is Tag.SAFETY_AUTO_RECOVERY:
                    _alert(conn, bot, tag, sentence, {"latch": latch.title}, urgent=True)
            if any(latch.name is LatchName.HALT for latch, *_ in self._set):
                safety.note_halt(conn)
            if self._recovered is not None:
                reasons = "; ".join(latch.reason for latch in self._halts())
                safety.add_recovery(conn, wall_ms, self._recovered[1].total_ms, reasons)
            if self._trip is not None:
                before, trip = self._trip
                now = replace(
                    before, state=EssState.TRIPPED, evaluator=trip.evaluator, evidence=trip.evidence, since_ms=wall_ms,
                    by=BOT,
                )  # fmt: skip
                safety.save_ess(conn, now)
                safety.say_ess(conn, before.state, now, venue_ms, reason=trip.evidence)
        for latch, tag, sentence, _ in self._set:
            _log.emit(tag, sentence, latch.told)
        for _, tag, sentence in self._clear:
            _log.emit(tag, sentence)


def _say_findings(bot: Bot, found: Sequence[Breach]) -> None:
    """What restricts nothing is said when it begins; naked positions and foreign orders are said where they are met."""
    now = frozenset((one.invariant, one.symbol) for one in found if one.invariant == single_position.ID)
    for one in found:
        if (one.invariant, one.symbol) in now - bot.memory.said_findings:
            _log.emit(Tag.SAFETY_DEGRADED, one.evidence, symbol=one.symbol, invariant=one.invariant)
    bot.memory.said_findings = now


def _say_waiting(bot: Bot, why: Sequence[str]) -> None:
    """When the reasons change, not when only their numbers do: margin moves in every pass."""
    said = "; ".join(one for one in why if "it has stood" not in one)
    if said and _NUMBER.sub("", said) != _NUMBER.sub("", bot.memory.said_waiting):
        _log.emit(Tag.SAFETY_AUTO_RECOVERY, f"no recovery by itself now: {said}")
        bot.memory.said_waiting = said


def _alert(
    conn: Connection, bot: Bot, tag: Tag, sentence: str, context: Mapping[str, object], *, urgent: bool = False
) -> None:
    outbox.put(
        conn, at_ms=bot.clock.now_ms(), type=tag.value.lower(), symbol="", urgent=urgent, text=sentence, context=context
    )
