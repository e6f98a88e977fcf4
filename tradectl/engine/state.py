"""What the bot knows at one moment: the venue's picture and the books, brought to the same event, in one short read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from tradectl.config.in_force import in_force
from tradectl.config.schema import Config
from tradectl.domain.candle import day_start_ms
from tradectl.domain.intent import Intent, Purpose
from tradectl.domain.ledger import OpenTrade
from tradectl.domain.lifecycle import Managed, PositionState
from tradectl.domain.money import ZERO, divide
from tradectl.domain.risk_state import RiskState, first_state, observe_equity
from tradectl.domain.snapshot import Snapshot
from tradectl.domain.system_state import Latch
from tradectl.engine import policies
from tradectl.engine.bot import Bot
from tradectl.execution.ingest import Ingested, ingest, read_over
from tradectl.execution.observe import compare_books
from tradectl.execution.protect_blind import Remembered
from tradectl.risk.context import AccountContext, Costs, Reserved, reserve
from tradectl.store import cycles, halt, intents, invented, latches, ledger, positions, risk, session
from tradectl.store.connection import Connection
from tradectl.store.intents import EntryPlan

CATCH_UP_TRIES = 3
NOTHING_BOUND: Mapping[str, str] = {}
FRESH_DAY_MS = 60_000  # a first look this soon after midnight still shows midnight's equity


@dataclass(frozen=True, slots=True)
class Doubtful:
    """An entry without an outcome: what of it is not in the books yet (signed), and what the whole was sized to."""

    symbol: str
    qty: Decimal
    plan: EntryPlan


@dataclass(frozen=True, slots=True)
class Books:
    """Our side of the picture, from one read of the store."""

    risk: RiskState
    open_trades: dict[str, OpenTrade]
    latches: tuple[Latch, ...]
    halt_reason: str | None
    in_doubt: tuple[Intent, ...]
    doubtful_entries: tuple[Doubtful, ...]
    disagreements: Mapping[str, str]
    managed: Mapping[str, Managed]
    processed: Mapping[str, int]
    partially_closed: Mapping[str, int]  # symbol → when, of those that the cooldown still counts
    session: session.Session
    config: Config  # in force: the strictest of configuration and policy
    bound: Mapping[str, str]  # limit → whose it is, where it is not the configuration's own


async def take_in(bot: Bot, snapshot: Snapshot) -> tuple[Snapshot, Ingested]:
    """Ingests what the venue booked up to the snapshot, and reads the snapshot again while the two do not agree.

    The cursor moves with what was taken in and never with what a picture promises: a list of fills can lag behind.
    """
    memory = bot.memory
    if bot.door.limited is not None:
        bot.door.limited.observe(snapshot)
    due_ms = bot.config.engine.closed_trades_seconds * 1000
    merged = Ingested(memory.cursor)
    over = _read_over_due(bot, snapshot)
    for attempt in range(CATCH_UP_TRIES):
        last = memory.last_ingest_ms
        if (
            not over
            and snapshot.event_seq <= memory.settled_seq
            and last is not None
            and snapshot.at_ms - last < due_ms
        ):
            break
        # A fill that came late into the list stands before the cursor: now and then, and with the last try.
        over = over or attempt + 1 == CATCH_UP_TRIES
        after = read_over(memory.cursor) if over else memory.cursor
        taken = await ingest(bot.db, bot.venue, bot.venue.currency, after)
        if over:
            memory.read_over_ms, over = snapshot.at_ms, False
        memory.last_ingest_ms = snapshot.at_ms
        memory.cursor = max(memory.cursor, taken.cursor)
        merged = joined(merged, taken)
        differing = _differing(bot, snapshot)
        if memory.cursor <= snapshot.event_seq and not differing:
            memory.settled_seq = snapshot.event_seq
            break
        if memory.cursor <= snapshot.event_seq and differing == memory.differing:
            break  # as before: nothing new is to be learnt by asking again at once
        if attempt + 1 < CATCH_UP_TRIES:
            snapshot = await bot.venue.snapshot()
            if bot.door.limited is not None:
                bot.door.limited.observe(snapshot)
    memory.differing = _differing(bot, snapshot) if memory.settled_seq < snapshot.event_seq else {}
    return snapshot, merged


def _read_over_due(bot: Bot, snapshot: Snapshot) -> bool:
    """Whether to look behind the cursor again: something may have come late into the list, and a while has passed."""
    last = bot.memory.read_over_ms
    if last is not None and 0 <= snapshot.at_ms - last < bot.config.engine.reconcile_seconds * 1000:
        return False
    if bot.memory.differing:
        return True
    with bot.db.read() as conn:
        return invented.waiting(conn)


def _differing(bot: Bot, snapshot: Snapshot) -> Mapping[str, str]:
    with bot.db.read() as conn:
        return compare_books(snapshot, ledger.open_trades(conn))


def load_books(bot: Bot, snapshot: Snapshot) -> Books:
    """Everything the gates need from the store, as of now; risk counters moved on to this snapshot's equity."""
    with bot.db.read() as conn:
        stored = risk.load(conn)
        doubtful = intents.in_doubt(conn)
        realised = ledger.realised_since(conn, day_start_ms(snapshot.at_ms)) if _new_day(stored, snapshot) else ZERO
        trades = ledger.open_trades(conn)
        managed = positions.alive(conn)
        bot.memory.books = Remembered(managed, trades, positions.flying(conn))
        running = session.current(conn)
        assert running is not None, "a session is started before the first cycle"
        # a policy limits entries, and a guard session makes none
        config, bound = bot.config, NOTHING_BOUND
        if not bot.guard:
            config, bound = in_force(bot.config, policies.look(bot, conn), bot.limited)
        return Books(
            risk=moved_on(stored, snapshot, realised),
            open_trades=trades,
            latches=latches.active(conn),
            halt_reason=halt.read(str(bot.db.path)),
            in_doubt=doubtful,
            doubtful_entries=_entries(conn, doubtful),
            disagreements=compare_books(snapshot, trades),
            managed=managed,
            processed=cycles.processed(conn),
            partially_closed=_partially_closed(conn, config, snapshot.at_ms),
            session=running,
            config=config,
            bound=bound,
        )


def _partially_closed(conn: Connection, config: Config, now_ms: int) -> dict[str, int]:
    cooldown_ms = config.risk.partial_close_cooldown_seconds * 1000
    return ledger.partial_closes(conn, now_ms - cooldown_ms) if cooldown_ms else {}


def note_bare(bot: Bot, books: Books) -> None:
    """Time that an entry was without its stop, where the venue attaches none: kept with its trade."""
    spells, bot.memory.bare_ms = bot.memory.bare_ms, {}
    booked = [(books.open_trades[symbol].number, ms) for symbol, ms in spells.items() if symbol in books.open_trades]
    if booked:
        with bot.db.transaction() as conn:
            for number, ms in booked:
                ledger.add_naked(conn, number, ms)


def _new_day(stored: RiskState | None, snapshot: Snapshot) -> bool:
    return stored is not None and day_start_ms(stored.last_equity_ms) != day_start_ms(snapshot.at_ms)


def moved_on(stored: RiskState | None, snapshot: Snapshot, realised_since_midnight: Decimal) -> RiskState:
    """The stored counters after this snapshot's equity: the only place they are moved by an observation."""
    if stored is None:
        return first_state(snapshot.equity, snapshot.at_ms)
    return observe_equity(stored, snapshot.equity, snapshot.at_ms, realised_since_midnight, FRESH_DAY_MS)


def account_context(bot: Bot, snapshot: Snapshot, books: Books) -> AccountContext:
    """The account as the gates see it; entries in doubt count against the limits at once (promise 8)."""
    context = AccountContext(
        config=books.config,
        now_ms=snapshot.at_ms,
        snapshot=snapshot,
        risk=books.risk,
        costs=Costs.simulated(bot.config),
        session_started_ms=books.session.started_ms,
        session_entries=books.session.entries,
        recovered=bot.memory.recovered,
        recovery_reason=bot.memory.recovery_reason,
        latches=books.latches,
        halt_reason=books.halt_reason,
        disagreements=books.disagreements,
        unlisted=frozenset(books.open_trades) - {one.symbol for one in snapshot.positions if one.qty},
        signalled_ms=bot.memory.signalled_ms,
        partially_closed_ms=books.partially_closed,
        limited=bot.limited,
    )
    in_doubt: dict[str, int] = {}
    ahead = _ahead_of_books(snapshot, books)
    for entry in books.doubtful_entries:
        in_doubt[entry.symbol] = in_doubt.get(entry.symbol, 0) + 1
        if snapshot.position(entry.symbol) is None:
            context = replace(context, pending_symbols=context.pending_symbols | {entry.symbol})
        # What the venue shows beyond the books may be of this entry, and is in the venue's own numbers already.
        sign = 1 if entry.qty > 0 else -1
        shown = min(max(ahead.get(entry.symbol, ZERO) * sign, ZERO), abs(entry.qty))
        ahead[entry.symbol] = ahead.get(entry.symbol, ZERO) - shown * sign
        share, plan = divide(abs(entry.qty) - shown, entry.plan.qty), entry.plan
        context = reserve(
            context,
            Reserved.of(
                context.costs,
                notional=plan.notional * share,
                margin=plan.initial_margin * share,
                risk_amount=plan.risk_amount * share,
            ),
        )
    for symbol, ours in books.managed.items():
        if ours.state is PositionState.PENDING and snapshot.position(symbol) is None:
            context = replace(context, pending_symbols=context.pending_symbols | {symbol})
    unseen = len(context.pending_symbols)  # the ledger counts them once they fill
    return replace(context, in_doubt=in_doubt, session_entries=context.session_entries + unseen)


def _ahead_of_books(snapshot: Snapshot, books: Books) -> dict[str, Decimal]:
    """{symbol: signed quantity} that the venue shows beyond what the books hold."""
    ours = {symbol: trade.lot.qty for symbol, trade in books.open_trades.items()}
    return {position.symbol: position.qty - ours.get(position.symbol, ZERO) for position in snapshot.positions}


def _entries(conn: Connection, doubtful: tuple[Intent, ...]) -> tuple[Doubtful, ...]:
    """Each entry in doubt, without what the books have of it."""
    found = []
    for intent in doubtful:
        plan = intents.plan(conn, intent.number) if intent.purpose is Purpose.ENTRY else None
        if plan is not None and intent.qty is not None:
            left = max(intent.qty - positions.booked(conn, intent.client_id), ZERO)
            found.append(Doubtful(intent.symbol, left * intent.side.sign, plan))
    return tuple(found)


def joined(first: Ingested, second: Ingested) -> Ingested:
    return Ingested(
        cursor=second.cursor,
        fills=first.fills + second.fills,
        fundings=first.fundings + second.fundings,
        transfers=first.transfers + second.transfers,
        opened=first.opened + second.opened,
        closed=first.closed + second.closed,
    )
