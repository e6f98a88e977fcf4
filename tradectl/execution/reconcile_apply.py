"""A reconciliation's plan, carried out step by step. Each step looks at the store again inside its own transaction,
so that a plan which the world has overtaken changes nothing twice; a step that fails leaves the others to be done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tradectl import logs
from tradectl.domain.fill import Fill, FillKind
from tradectl.domain.finding import FINDING_KINDS, Finding
from tradectl.domain.instrument import Instrument
from tradectl.domain.intent import cancel_draft
from tradectl.domain.lifecycle import Origin, PositionState
from tradectl.domain.money import ZERO, text
from tradectl.domain.order import OrderSide
from tradectl.domain.ports import Clock, Venue
from tradectl.domain.position import coverage
from tradectl.domain.system_state import Latch, LatchName
from tradectl.domain.tags import Tag
from tradectl.errors import VenueUnreachable
from tradectl.execution.booking import Booking
from tradectl.execution.ingest import ingest, read_over
from tradectl.execution.naked import UNLISTED
from tradectl.execution.protect import ProtectionRules, protect
from tradectl.execution.reconcile import Plan
from tradectl.execution.reconcile_sides import Action, ActionKind
from tradectl.execution.stop_level import stop_price
from tradectl.execution.submit import Door
from tradectl.store import invented, journal, latches, ledger, outbox, positions, seen_orders
from tradectl.store.connection import Connection
from tradectl.store.database import Database

_log = logs.get("execution.reconcile")
_K = ActionKind


@dataclass(frozen=True, slots=True)
class Done:
    """One step and what came of it. `failed`: it was tried and did not succeed; the next pass finds it again."""

    action: Action
    sentence: str
    failed: bool = False


class Reconciler:
    """Hands for plans: the bot's, or an operator's. `protect` steps are one pass over the positions, at the end."""

    def __init__(
        self,
        db: Database,
        venue: Venue,
        clock: Clock,
        door: Door,
        instruments: Mapping[str, Instrument],
        rules: ProtectionRules,
        *,
        actor: str,
    ) -> None:
        self._db = db
        self._venue = venue
        self._clock = clock
        self._door = door
        self._instruments = instruments
        self._rules = rules
        self._actor = actor

    async def apply(self, plan: Plan) -> tuple[Done, ...]:
        """Raises StoreBusy, StoreUnwritable and VenueUnreachable from what cannot be done at all."""
        done: list[Done] = []
        naked: list[Action] = []
        for action in plan.actions:
            if action.kind is _K.BOOK:
                with self._db.read() as conn:
                    after = read_over(ledger.cursor(conn))
                taken = await ingest(self._db, self._venue, self._venue.currency, after)
                done.append(Done(action, f"{len(taken.fills)} fills booked"))
            elif action.kind in (_K.STAND_IN, _K.ADJUST):
                done.append(await self._invent(action, plan.event_seq))
            elif action.kind in (_K.TAKE_OVER, _K.ADOPT):
                done.append(await self._take_over(action))
            elif action.kind is _K.CANCEL:
                done.append(await self._cancel(action))
            elif action.kind is _K.PROTECT:
                naked.append(action)
            else:
                done.append(self._record(action))
        if naked:
            done += await self._protect(naked)
        return tuple(done)

    async def _invent(self, action: Action, event_seq: int) -> Done:
        """A fill of our own making: one that stands in for real ones, or an operator's adjustment.

        event_seq: the last account event of the picture that the adjustment takes over.
        """
        assert action.qty is not None
        price = action.price
        if price is None:
            try:
                price = (await self._venue.ticker(action.scope)).mark
            except VenueUnreachable as error:
                return Done(action, f"no price to book it at: {error.what}", failed=True)
        kind = FillKind.SYNTHETIC if action.kind is _K.STAND_IN else FillKind.ADJUSTMENT
        with self._db.transaction() as conn:
            if kind is FillKind.SYNTHETIC and not _still_flies(conn, action):
                return Done(action, "its own fills have come meanwhile")
            seq = ledger.next_invented(conn)
            fill = Fill(
                execution_id=f"{kind.value}:{-seq}",
                seq=seq,
                order_id=action.client_id or invented.adjustment_id(event_seq),
                client_id=action.client_id,
                parent_id=None,
                symbol=action.scope,
                side=OrderSide.BUY if action.qty > 0 else OrderSide.SELL,
                qty=abs(action.qty),
                price=price,
                fee=ZERO,
                at_ms=self._clock.now_ms(),
                maker=False,
                kind=kind,
                reason=kind.value,
            )
            booking = Booking(conn, self._venue.currency)
            booking.take(fill)
            booking.finish(0)
            if kind is FillKind.ADJUSTMENT:
                self._journal(conn, action, f"books adjusted by {text(action.qty)} at {text(price)}")
        for line in booking.lines:
            _log.emit(*line)
        return Done(action, f"{text(action.qty)} {action.scope} at {text(price)} booked as {kind.value}")

    async def _take_over(self, action: Action) -> Done:
        """Quantity that is there becomes a position of ours to manage; at zero, one that is not there is closed."""
        at_ms = self._clock.now_ms()
        if not action.qty:
            with self._db.transaction() as conn:
                if ledger.open_trade(conn, action.scope) is None:
                    positions.close(conn, action.scope, at_ms)
            return Done(action, "closed here")
        picture = await self._venue.snapshot()
        with self._db.transaction() as conn:
            trade = ledger.open_trade(conn, action.scope)
            ours = positions.of(conn, action.scope)
            adopted = action.kind is _K.ADOPT
            if trade is None:
                return Done(action, "the books do not hold it", failed=adopted)
            if ours is not None and ours.state is PositionState.PENDING:
                return Done(action, "an entry of ours is in flight there", failed=True)
            if ours is not None:
                if adopted:
                    positions.adopt(conn, ours)
                    self._journal(conn, action, "managed already; it stays")
                return Done(action, "it is managed already")
            position = picture.position(action.scope)
            stop = trade.stop_price
            if stop is None and position is not None and position.side is trade.side:
                stop = coverage(position, picture.orders).loosest_price
            if stop is None and adopted and position is not None:
                # Its entry says nothing to us: the stop is measured from where the market is now.
                instrument = self._instruments.get(action.scope)
                if instrument is None:
                    return Done(action, UNLISTED, failed=True)
                stop = stop_price(instrument, trade.side, position.mark_price, self._rules.stop_loss_pct)
            positions.take_over(
                conn,
                action.scope,
                trade.side,
                Origin.ADOPTED if adopted else Origin.EXPLAINED,
                trade_number=trade.number,
                entry_qty=abs(trade.lot.qty),
                stop_price=stop,
                at_ms=at_ms,
            )
            self._journal(conn, action, f"{text(trade.lot.qty)} taken over")
        sentence = f"{action.scope}: {text(action.qty)} taken over: {action.reason}"
        _log.emit(Tag.SAFETY_RECON_ADOPT, sentence, symbol=action.scope)
        return Done(action, "taken over")

    async def _cancel(self, action: Action) -> Done:
        assert action.order_id is not None
        sent = await self._door.submit(cancel_draft(action.scope, OrderSide.SELL, action.order_id, action.reason))
        return Done(action, sent.sentence(), failed=not sent.confirmed)

    def _record(self, action: Action) -> Done:
        """Latches and records: the store alone."""
        wall_ms = self._clock.wall_ms()
        with self._db.transaction() as conn:
            if action.kind is _K.BLOCK:
                latches.set_latch(conn, Latch(LatchName.RECONCILE, action.scope, self._actor, wall_ms, action.reason))
                self._alert(conn, action)
            elif action.kind is _K.UNBLOCK:
                latches.clear(
                    conn, LatchName.RECONCILE, action.scope, by=self._actor, reason=action.reason, at_ms=wall_ms
                )
            else:
                assert action.order_id is not None
                seen_orders.note(
                    conn, action.order_id, action.scope, action.whose, action.client_id,
                    at_ms=self._clock.now_ms(), actor=self._actor,
                )  # fmt: skip
        where = action.scope or "the account"
        if action.kind is _K.BLOCK:
            said = (
                f"Reconciliation guard activated: {action.reason}. New entries will be blocked until an operator acts."
            )
            _log.emit(Tag.SAFETY_RECON_BLOCK, said, symbol=where)
            return Done(action, f"entries blocked on {where}")
        if action.kind is _K.UNBLOCK:
            _log.emit(Tag.SAFETY_RECON_BLOCK, f"the block on {where} is lifted: {action.reason}", level=20)
            return Done(action, f"the block on {where} is lifted")
        return Done(action, "on record")

    def _alert(self, conn: Connection, action: Action) -> None:
        outbox.put(
            conn,
            at_ms=self._clock.now_ms(),
            type=Tag.SAFETY_RECON_BLOCK.value.lower(),
            symbol=action.scope,
            urgent=False,
            text=f"entries are blocked on {action.scope or 'the account'}: {action.reason}",
            context={"symbol": action.scope},
        )

    async def _protect(self, wanted: list[Action]) -> list[Done]:
        picture = await self._venue.snapshot()
        with self._db.read() as conn:
            trades = ledger.open_trades(conn)
        now_ms = self._clock.now_ms()
        result = await protect(self._db, self._door, picture, trades, self._instruments, self._rules, now_ms)
        done = []
        for action in wanted:
            symbol = action.scope
            for what, failed in (
                (result.naked, True),
                (result.reported, True),
                (result.waiting, True),
                (result.closed, False),
                (result.gone, False),
            ):
                if symbol in what:
                    done.append(Done(action, what[symbol], failed=failed))
                    break
            else:
                placed = result.placed.get(symbol)
                done.append(Done(action, f"stop placed at {placed}" if placed else "its stops cover it by now"))
        return done

    def _journal(self, conn: Connection, action: Action, sentence: str) -> None:
        journal.append(
            conn,
            at_ms=self._clock.now_ms(),
            kind="state" if self._actor == "bot" else "operator",
            actor=self._actor,
            subject=f"reconcile:{action.kind.value}",
            symbol=action.scope,
            body={"sentence": sentence, "reason": action.reason},
        )


def say(finding: Finding) -> None:
    """The finding's log line."""
    tag = FINDING_KINDS[finding.kind].tag
    if tag is None:
        return
    done = finding.automatic or finding.person or "left alone"
    _log.emit(tag, f"{finding.evidence}; {done}", symbol=finding.symbol or "account", order=finding.order_id or "-")


def _still_flies(conn: Connection, action: Action) -> bool:
    assert action.qty is not None
    for symbol, client_id, qty in positions.flights(conn):
        if symbol == action.scope and client_id == action.client_id:
            return abs(qty) >= abs(action.qty) and (qty > 0) == (action.qty > 0)
    return False
