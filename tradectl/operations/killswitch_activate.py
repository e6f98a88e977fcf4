"""`killswitch activate` after its fence: drain, sweep, flatten where asked, verify, and the record of it all.

In a guard session the latch stops nobody's entries: the sweep goes on until it stays clean, and NOT FENCED is the
answer whatever came of it.

The fence stands before any of this begins, so nothing here may end the command early: what fails is reported, with
how to finish by hand, and the rest goes on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from tradectl.domain.money import text
from tradectl.domain.position import PositionFact
from tradectl.domain.system_state import Latch, LatchName
from tradectl.errors import Busy, ExitCode, NotAvailable, StoreRefused, ToolError, TradectlError, VenueUnreachable
from tradectl.execution.closing import Reduced, cancel_left_behind, reduce_to
from tradectl.execution.drain import Drained, drain
from tradectl.execution.resolve import adopt_doubt, resolve
from tradectl.execution.sweep import Hands, Swept, sweep
from tradectl.operations import act_record
from tradectl.operations.act_record import Recorded
from tradectl.operations.killswitch_check import Check, check, describe, ways_out
from tradectl.operations.killswitch_guard import CLEAN_WINDOWS, Watch, sweep_until_clean
from tradectl.operations.killswitch_record import LISTED, SUBJECT
from tradectl.operations.killswitch_venue import Books, hands
from tradectl.operations.opening import Desk, open_venue, wall_ms
from tradectl.store import halt, latches
from tradectl.store.fence import FenceResult

REASON = "kill switch"
_ZERO = Decimal(0)
LOOKS = 2  # before anything is called verified
PASSES = 3  # a sweep is repeated when the fresh read shows something that came up meanwhile

LIFTED = "the kill switch was cleared by somebody else while this ran: entries may go again"

AskFlatten = Callable[[tuple[PositionFact, ...]], bool]


@dataclass(frozen=True, slots=True)
class Activation:
    """One store's activation. `left`: what is not as it should be; `next`: commands, or words where there is none."""

    fence: FenceResult
    drained: Drained | None
    swept: tuple[Swept, ...]
    closed: tuple[Reduced, ...]
    check: Check | None
    verified: bool
    left: tuple[str, ...]
    next: tuple[str, ...]
    recorded: Recorded
    trouble: str  # why the venue could not be worked on; '' when it could
    watch: Watch | None = None  # of a guard session, whose account nothing fences
    lifted: bool = False  # another operator cleared the fence while this ran

    @property
    def guard(self) -> bool:
        return self.watch is not None

    @property
    def exit_code(self) -> ExitCode:
        if not self.fence.fenced or self.lifted:
            return ExitCode.REFUSED
        return ExitCode.OK if self.verified and not self.guard else ExitCode.DRIFT


async def apply(fenced: FenceResult, *, flatten: bool, ask_flatten: AskFlatten, actor: str) -> Activation:
    """Everything after the fence, for one store. Never raises for store or venue."""

    books = Books.open(Path(fenced.path))
    try:
        run = _Run(fenced, books, flatten=flatten, ask_flatten=ask_flatten, actor=actor)
        try:
            await run.go()
        except (VenueUnreachable, NotAvailable) as error:
            run.trouble = "; ".join(part for part in (error.what, error.why, error.hint) if part)
        return run.finish()
    finally:
        books.close()


def not_fenced(fenced: FenceResult) -> Activation:
    """Nothing is touched behind a fence that does not stand: a swept account would be filled again."""
    stop = "stop the bot's process itself, and disable the API key at the venue: nothing here fences it"
    again = f"tradectl killswitch activate --state {fenced.path}   # once the cause is gone"
    return Activation(fenced, None, (), (), None, False, (fenced.why,), (stop, again), Recorded(""), fenced.why)


class _Run:
    """The state of one activation, step by step."""

    def __init__(
        self, fenced: FenceResult, books: Books, *, flatten: bool, ask_flatten: AskFlatten, actor: str
    ) -> None:
        self.fenced = fenced
        self.books = books
        self.flatten = flatten
        self.ask_flatten = ask_flatten
        self.actor = actor
        self.trouble = ""
        self.drained: Drained | None = None
        self.swept: list[Swept] = []
        self.closed: list[Reduced] = []
        self.check: Check | None = None
        self.declined = ""
        need_ms = CLEAN_WINDOWS * books.windows().recv_window_ms
        self.watch = Watch(need_ms) if fenced.guard or books.guard() else None

    async def go(self) -> None:
        desk = open_venue(self.books.path, self.books.identity(), self.books.db, for_exit=True)
        try:
            await self._drain(desk)
            own = hands(self.books, desk, actor=self.actor)
            await self._sweep(desk, own)
            if self.flatten:
                await self._flatten(desk, own)
            await self._verify(desk)
        finally:
            await desk.venue.close()

    async def _verify(self, desk: Desk) -> None:
        """Good news is looked at twice: one list that lags lacks a position that has just come up."""
        for _ in range(LOOKS):
            self.books.seen = await desk.venue.snapshot()
            self.check = check(self.books.seen)
            if not self.check.clean:
                break

    async def _drain(self, desk: Desk) -> None:
        windows = self.books.windows()
        blind = "" if self.fenced.how == "latch" else "fenced without the store: an entry may be under way unseen"
        self.drained = await drain(self.books.entries_in_doubt, desk.venue, desk.clock, windows, blind=blind)
        now_ms = desk.clock.now_ms()
        doubtful = self.books.in_doubt()
        expired = all(one.expires_ms + windows.max_skew_ms < now_ms for one in doubtful or ())
        if doubtful and expired and self.books.db is not None and not self.books.bot_alive(wall_ms()):
            # Nobody else will: a dead bot's orders are settled here, with the evidence just gathered.
            try:
                adopt_doubt(self.books.db, desk.clock, reason="left in doubt by a bot that is gone")
                await resolve(self.books.db, desk.venue, desk.clock, max_skew_ms=windows.max_skew_ms, actor=self.actor)
            except (Busy, StoreRefused, ToolError) as error:  # ToolError: another operator settled it meanwhile
                self.books.trouble = error.what

    async def _sweep(self, desk: Desk, own: Hands) -> None:
        """Sweeps, looks again, and sweeps what has come up meanwhile, at most PASSES times."""
        latest: dict[str, Swept] = {}
        if self.watch is not None:
            window_ms = self.books.windows().recv_window_ms
            try:
                await sweep_until_clean(
                    own, desk.venue, desk.clock, self.watch, latest, window_ms=window_ms, reason=REASON
                )
            finally:
                self._swept(latest, own)
            return
        for _ in range(PASSES):
            snapshot = await desk.venue.snapshot()
            for one in await sweep(own, snapshot, reason=REASON, tried=frozenset(latest)):
                latest[one.order.order_id] = one
            seen = check(await desk.venue.snapshot())
            if all(order.order_id in latest for order in (*seen.adding, *seen.targets)):
                break
        self._swept(latest, own)

    def _swept(self, latest: dict[str, Swept], own: Hands) -> None:
        self.swept = list(latest.values())
        if own.store_trouble:
            self.books.trouble = own.store_trouble

    async def _flatten(self, desk: Desk, own: Hands) -> None:
        snapshot = await desk.venue.snapshot()
        held = tuple(position for position in snapshot.positions if position.qty)
        if not held:
            return
        if not self.ask_flatten(held):
            counts = Counter(
                "kept" if one.result == "kept" else "cancelled" if one.done else "FAILED" for one in self.swept
            )
            swept = ", ".join(f"{count} {word}" for word, count in sorted(counts.items())) or "nothing rested"
            self.declined = f"the fence stands, swept: {swept}; positions stay open: --flatten was not confirmed"
            return
        listed = await desk.venue.instruments()
        tag = self.books.identity().store_tag
        legs = Counter(position.symbol for position in held)
        for position in held:
            instrument = listed.get(position.symbol)
            if instrument is None or legs[position.symbol] > 1:
                why = "the venue does not list its contract" if instrument is None else "it has two legs (hedge mode)"
                qty = abs(position.qty)
                by_hand = f"{why}: it cannot be closed from here, close it on the venue's own site"
                self.closed.append(Reduced(position.symbol, qty, qty, (), by_hand))
                continue
            most = instrument.max_market_qty
            done = await reduce_to(
                own, desk.venue, position, leave=_ZERO, max_market_qty=most, reason=f"{REASON}: flatten"
            )
            self.closed.append(done)
            if done.gone:
                self.swept += await cancel_left_behind(own, desk.venue, position.symbol, tag)

    def finish(self) -> Activation:
        lifted = self._lifted()
        left = ((LIFTED,) if lifted else ()) + tuple(self._left())
        verified = self.check is not None and not left
        at_ms = wall_ms()
        recorded = act_record.save(
            self.books,
            SUBJECT,
            self._body(verified, left),
            self._short(verified, lifted),
            actor=self.actor,
            at_ms=at_ms,
        )
        if recorded.where == "store" and self.fenced.how == "halt_file" and not lifted:
            self._also_latch()
        return Activation(
            fence=self.fenced,
            drained=self.drained,
            swept=tuple(self.swept),
            closed=tuple(self.closed),
            check=self.check,
            verified=verified,
            left=left,
            next=tuple(self._next(verified)),
            recorded=recorded,
            trouble=self.trouble,
            watch=self.watch,
            lifted=lifted,
        )

    def _lifted(self) -> bool:
        """Whether somebody has cleared the fence since. One that cannot be read stands, as it was committed."""
        try:
            if halt.read(str(self.fenced.path)) is not None:
                return False
            if self.books.db is None:
                return self.fenced.how == "halt_file"
            with self.books.db.read() as conn:
                standing = {latch.name for latch in latches.active(conn)}
        except TradectlError as error:
            self.books.trouble = error.what
            return False
        return LatchName.KILL_SWITCH not in standing

    def _also_latch(self) -> None:
        """The store can be written again: the latch is set beside the halt file, so that either alone still fences."""
        assert self.books.db is not None
        reason = f"{self.fenced.reason} (halt file: {halt.halt_path(self.fenced.path)})"
        with self.books.db.transaction() as conn:
            latches.set_latch(conn, Latch(LatchName.KILL_SWITCH, "", self.fenced.by, self.fenced.at_ms, reason))

    def _left(self) -> list[str]:
        said = []
        if self.trouble:
            said.append(f"the venue could not be read to the end: {self.trouble}")
        if self.watch is not None and not self.watch.clean and not self.trouble:
            said.append(
                f"orders that can add exposure keep coming: {self.watch.came_up} since the first look, none for only "
                f"{self.watch.clean_ms / 1000:.1f} s"
            )
        if self.drained is not None and not self.drained.complete:
            unsettled = [one.client_id for one in self.drained.entries if not one.settled]
            said.append(f"entries are still in doubt: {', '.join(unsettled) or self.drained.why}")
        said += [
            f"order {one.order.order_id} ({describe(one.order)}) was not cancelled: {one.detail}"
            for one in self.swept
            if not one.done and (self.check is None or self._still_open(one))
        ]
        if self.check is not None:
            if self.check.flaw:
                said.append(f"the venue's picture cannot be believed yet: {self.check.flaw}")
            known = {one.order.order_id for one in self.swept}
            said += [
                f"order {order.order_id} ({describe(order)}) is still open"
                for order in (*self.check.adding, *self.check.targets)
                if order.order_id not in known
            ]
            said += [one.sentence() for one in self.check.naked]
        said += [f"{one.symbol}: {text(one.left_qty)} left of {text(one.before_qty)}: {one.problem}"
                 for one in self.closed if one.problem]  # fmt: skip
        if self.declined:
            said.append(self.declined)
        return said

    def _still_open(self, one: Swept) -> bool:
        assert self.check is not None
        return any(one.order.order_id == order.order_id for order in (*self.check.adding, *self.check.targets))

    def _next(self, verified: bool) -> list[str]:
        store = str(self.fenced.path)
        rows = []
        if self.watch is not None:
            rows.append("disable the API key of whatever else trades this account, at the venue, or stop it:")
            rows.append("nothing here can; then again, it is safe to repeat")
        if self.check is not None:
            rows += [command for one in self.check.naked for command in ways_out(one.symbol, store)]
        if not verified:
            rows.append(f"tradectl killswitch activate --state {store}   # again; it is safe to repeat")
            if self.check is None:
                rows.append(
                    "or by hand: look at the venue's own open-orders page, and cancel there, one by one, what could"
                )
                rows.append("open or add; do not use cancel-all, it takes protective stops with it")
            elif self.check.adding:
                rows.append("or by hand at the venue: cancel what is listed above, one by one; do not use cancel-all,")
                rows.append("it takes protective stops with it")
        rows.append(f"tradectl killswitch status --state {store}")
        rows.append(f"tradectl killswitch clear --approver NAME --reason TEXT --state {store}   # when it is over")
        return rows

    def _body(self, verified: bool, left: tuple[str, ...]) -> dict[str, object]:
        cancelled = [one for one in self.swept if one.result in ("cancelled", "gone")]
        kept = [one for one in self.swept if one.result == "kept"]
        failed = [one for one in self.swept if not one.done]
        drained = self.drained
        return {
            "how": self.fenced.how,
            "guard": self.watch is not None,
            "clean_ms": self.watch.clean_ms if self.watch is not None else None,
            "came_up": self.watch.came_up if self.watch is not None else None,
            "reason": self.fenced.reason,
            "fenced_by": self.fenced.by,
            "verified": verified,
            "drained_ms": drained.waited_ms if drained is not None else None,
            "drained": drained.complete if drained is not None else False,
            "entries": [f"{one.client_id}: {one.sentence}" for one in (drained.entries if drained else ())][:LISTED],
            "cancelled": [_row(one) for one in cancelled][:LISTED],
            "cancelled_count": len(cancelled),
            "kept": [_row(one) for one in kept][:LISTED],
            "kept_count": len(kept),
            "failed": [_row(one) for one in failed][:LISTED],
            "closed": [f"{one.symbol} {text(one.before_qty)} → {text(one.left_qty)}" for one in self.closed][:LISTED],
            "left": list(left)[:LISTED],
        }

    def _short(self, verified: bool, lifted: bool) -> str:
        gone = sum(one.result in ("cancelled", "gone") for one in self.swept)
        kept = sum(one.result == "kept" for one in self.swept)
        fenced = "NOT FENCED (cleared meanwhile), " if lifted else ""
        if self.watch is not None:
            fenced = "NOT FENCED (guard session), "
        return f"{fenced}cancelled {gone}, kept {kept}, {'verified' if verified else 'not verified'}"


def _row(one: Swept) -> str:
    return f"{one.order.order_id}: {describe(one.order)} ({one.why})"
