"""One page of what the store says: is it trading, may it, what is open, what covers it, what is left of each limit.

Needs neither the configuration nor the venue: everything comes from one short read of the store, and says how old it
is. Works while the bot runs, and after it was killed.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING

from tradectl.domain.emergency_stop import Emergency, EssState
from tradectl.domain.position import PositionFact, Protection, coverage
from tradectl.domain.snapshot import Snapshot
from tradectl.domain.system_state import PERMISSIONS, Latch, LatchName, SystemState, speaking, system_state
from tradectl.operations import backups, bot_life, limit_lines
from tradectl.operations.bot_life import BotLife, Life
from tradectl.operations.state_page import AccountLine, DoubtLine, LatchLine, OverrideLine, PositionLine, StatePage
from tradectl.operations.times import ago, when
from tradectl.store import cycles, facts, halt, journal, latches, lease, limits, risk, safety, session, views
from tradectl.store.database import Database
from tradectl.store.facts import StoreFacts

if TYPE_CHECKING:
    from tradectl.domain.intent import Intent
    from tradectl.domain.ledger import OpenTrade
    from tradectl.store.connection import Connection

CLEAR_HALT = "tradectl killswitch clear --approver NAME --reason TEXT"
OVERRIDES_SHOWN_MS = 24 * 3_600_000
OUTDATED_MS = 45_000  # three default cycles
_OPERATOR_ROWS = 50  # how far back an override is looked for


def read(db: Database, now_ms: int) -> StatePage:
    """One short read, ended before anything is computed. `now_ms` is wall time. Raises StoreBusy, StoreDamaged."""
    with db.read() as conn:
        active = latches.active(conn)
        lease_row = lease.current(conn)
        done = cycles.progress(conn)
        limit_rows = limits.load(conn)
        counters = risk.load(conn)
        seen = views.load_account(conn)
        newest_session = session.last(conn)
        emergency = safety.ess(conn)
        acts = journal.latest(conn, _OPERATOR_ROWS, kind="operator")
        store = facts.facts(conn, db.path)
        doubts = _in_doubt(conn) if store.in_doubt else ()
        trades = _open_trades(conn) if store.open_trades else {}
    halt_reason = halt.read(str(db.path))
    currency = db.identity.currency
    life = bot_life.judge(lease_row, done, now_ms)
    state = SystemState.HALTED if halt_reason is not None else system_state(active)
    lines = tuple(limit_lines.line(row, currency) for row in limit_rows)
    positions = _positions(seen, trades)
    shown = {line.symbol for line in positions}
    books_only = {symbol: trade.lot.qty for symbol, trade in trades.items() if symbol not in shown}
    breached = [line.name for line in lines if line.breached]
    age_ms = max(now_ms - done.wall_ms, 0) if done.cycle else None
    guards = newest_session is not None and newest_session.guard
    return StatePage(
        answer=_answer(state, active, halt_reason, life, breached, now_ms, guard=guards),
        state=state,
        entries_allowed=PERMISSIONS[state].entries and not breached and not guards and life.status is Life.RUNNING,
        now_ms=now_ms,
        identity=db.identity,
        latches=tuple(_latch_line(latch, guard=guards) for latch in active),
        halt_file=halt.halt_path(str(db.path)) if halt_reason is not None else None,
        halt_reason=halt_reason,
        bot=life,
        age_ms=age_ms,
        account=_account(seen),
        by_operator=seen is not None and seen.at_ms > done.venue_ms,
        outdated=life.status is not Life.RUNNING or age_ms is None or age_ms > OUTDATED_MS,
        positions=positions,
        books_only=books_only,
        limits=lines,
        counters=counters,
        doubts=tuple(_doubt_line(intent) for intent in doubts),
        session=newest_session,
        overrides=_overrides(acts, now_ms),
        store=store,
        last_backup=backups.newest(db.path),
        warnings=(
            *_without_ess(emergency, now_ms),
            *_warnings(store, positions, books_only, seen is not None),
        ),
        guard=guards,
    )


def _in_doubt(conn: Connection) -> tuple[Intent, ...]:
    from tradectl.store import intents  # loaded only when there are some: this page has to be there at once

    return intents.in_doubt(conn)


def _open_trades(conn: Connection) -> dict[str, OpenTrade]:
    from tradectl.store import ledger

    return ledger.open_trades(conn)


def _answer(
    state: SystemState,
    active: tuple[Latch, ...],
    halt_reason: str | None,
    life: BotLife,
    breached: list[str],
    now_ms: int,
    *,
    guard: bool,
) -> str:
    if halt_reason is not None:
        return f"HALTED by a halt file: {halt_reason.splitlines()[0]} — clear with: {CLEAR_HALT}"
    if state is not SystemState.NORMAL:
        latch = speaking(active, state)
        assert latch is not None, "a state comes from a latch"
        since = f"{when(latch.set_at_ms)} ({ago(latch.set_at_ms, now_ms)})"
        return (
            f"{state.value} since {since} by {latch.set_by}: {latch.reason or 'no reason given'}"
            f" — clear with: {latch.cleared_by}"
        )
    if life.status is not Life.RUNNING:
        does = "guards nothing now: it" if guard else "no latch forbids entries, but the bot"
        # What a session has used up ends with it; the rest waits for the next one.
        waits = [] if guard else [name for name in breached if not name.startswith("session_")]
        then = f"; by its last figures it would refuse entries: {', '.join(waits)} (see the limits)" if waits else ""
        return f"NORMAL: {'the guard session ' if guard else ''}{does} is {life.status.value}{then}"
    if guard:
        return "NORMAL: a guard session without a latch; it makes no entries"
    if breached:
        return f"NORMAL: no latch, but entries are refused by {', '.join(breached)} (see the limits)"
    blocked = sorted({latch.scope for latch in active if latch.rule.state is None})
    if blocked:
        where = ", ".join(scope or "every symbol" for scope in blocked)
        return f"NORMAL: entries allowed, except on {where} (see the latches)"
    return "NORMAL: entries allowed"


def _latch_line(latch: Latch, *, guard: bool) -> LatchLine:
    state = latch.rule.state
    return LatchLine(
        name=latch.name.value,
        scope=latch.scope,
        state=state.value if state is not None else None,
        since_ms=latch.set_at_ms,
        by=latch.set_by,
        reason=latch.reason,
        effect=latch.effect(guard=guard),
        cleared_by=latch.cleared_by
        if latch.name is not LatchName.UNKNOWN_ORDER
        else f"{latch.cleared_by} (by hand: tradectl state reset --scope latch:{latch.name.value}:{latch.scope})",
    )


def _positions(seen: Snapshot | None, trades: Mapping[str, OpenTrade]) -> tuple[PositionLine, ...]:
    if seen is None:
        return ()
    return tuple(_position_line(position, seen, trades.get(position.symbol)) for position in seen.positions)


def _position_line(position: PositionFact, seen: Snapshot, trade: OpenTrade | None) -> PositionLine:
    cover = coverage(position, seen.orders)
    return PositionLine(
        symbol=position.symbol,
        side=position.side.value,
        qty=abs(position.qty),
        entry_price=position.entry_price,
        mark_price=position.mark_price,
        unrealised=position.unrealised,
        leverage=position.leverage,
        liquidation_price=position.liquidation_price,
        protection=cover.protection.value,
        covered_qty=cover.covered_qty,
        stop_price=cover.stop_price,
        naked_since_ms=trade.naked_since_ms if trade is not None else None,
        books_qty=trade.lot.qty if trade is not None else Decimal(0),
        stops_why=cover.why,
    )


def _account(seen: Snapshot | None) -> AccountLine | None:
    if seen is None:
        return None
    money = seen.account
    return AccountLine(money.currency, seen.equity, money.wallet_balance, money.unrealised, money.available, seen.at_ms)


def _doubt_line(intent: Intent) -> DoubtLine:
    return DoubtLine(
        client_id=intent.client_id,
        symbol=intent.symbol,
        purpose=intent.purpose.value,
        side=intent.side.value,
        qty=intent.qty,
        state=intent.state.value,
        created_ms=intent.created_ms,
        searches=intent.searches,
        detail=intent.detail,
    )


def _overrides(acts: list[journal.Entry], now_ms: int) -> tuple[OverrideLine, ...]:
    """Resets that went against a cause that still held stay visible (promise 9)."""
    return tuple(
        OverrideLine(act.at_ms, act.actor, _overridden(act), str(act.body.get("reason", "")))
        for act in acts
        if act.body.get("override") is True and now_ms - act.at_ms <= OVERRIDES_SHOWN_MS
    )


def _overridden(act: journal.Entry) -> str:
    """The command, and which order or symbol it was about."""
    about = str(act.body.get("order_id") or "")
    return " ".join(part for part in (act.subject, about, act.symbol) if part)


def _without_ess(now: Emergency, now_ms: int) -> list[str]:
    """What is out of service is said on the one page: nothing else shows that an account has one guard less."""
    if now.state is not EssState.DISABLED:
        return []
    since = f" ({ago(now.since_ms, now_ms)})" if now.since_ms else ""
    return [
        f"the emergency stop is DISABLED{since}, by {now.by or 'nobody'}: {now.evidence or 'no reason given'};"
        " in service again with: tradectl ess reset --approver NAME --reason TEXT"
    ]


def _warnings(
    store: StoreFacts, positions: tuple[PositionLine, ...], books_only: Mapping[str, Decimal], seen: bool
) -> list[str]:
    said = []
    for line in positions:
        if line.protection != Protection.COVERED.value:
            covered = "no stop covers it" if line.protection == Protection.NAKED.value else "its stops cover only part"
            said.append(f"{line.symbol} is not protected: {covered}{f' ({line.stops_why})' if line.stops_why else ''}")
        signed = line.qty if line.side == "long" else -line.qty
        if line.books_qty != signed:
            said.append(f"{line.symbol}: the books hold {line.books_qty}, the venue showed {signed}")
    if seen:
        said += [f"{symbol}: the books hold {qty}, the venue showed none" for symbol, qty in books_only.items()]
    if store.mode & 0o077:
        said.append(f"the store's file mode is {store.mode:04o}; others can read it: chmod 600 {store.path}")
    return said
