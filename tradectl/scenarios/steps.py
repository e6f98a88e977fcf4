"""What each word of `given` and `when` does in the world. `words.STEPS` says how they are written."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from decimal import Decimal
from typing import Any

from tradectl.domain.candle import MINUTE_MS
from tradectl.domain.money import percent, text
from tradectl.domain.order import OrderSide, OrderType
from tradectl.domain.position import Protection, coverage
from tradectl.domain.system_state import SystemState, system_state
from tradectl.scenarios import own_errors
from tradectl.scenarios.stage import (
    Fault,
    Stage,
    cancelled_unseen,
    fills_missing,
    forbidden_stop,
    lost,
    rate_limited,
    refused_stop,
    refused_target,
)
from tradectl.scenarios.story import Line
from tradectl.scenarios.wire import TIMEOUT_MS, Fate
from tradectl.scenarios.words import MAX_MS
from tradectl.sim.faults import Call
from tradectl.sim.ops import ApplyFunding, SetLeverage, SetSymbolStatus, Transfer
from tradectl.store import decisions, edited, latches
from tradectl.strategy.select import make

SETTLES_MS = 5_000  # after a candle has closed, for what it leads to
UNSEEN_MS = 20_000
LONGEST_MS = MAX_MS + MINUTE_MS  # of a move
_ENDS_S = 120.0  # for a bot that is told to end

# How an operator's words are called among the hands.
COMMANDS: Mapping[str, str] = {
    "killswitch activate": "killswitch", "killswitch clear": "clear", "ess trip": "ess_trip", "ess reset": "ess_reset",
    "pause": "pause", "resume": "resume", "flatten": "flatten", "positions close": "close",
    "stops place-missing": "place_missing", "reconcile": "reconcile", "reconcile --adopt": "adopt",
    "second bot": "second_bot",
}  # fmt: skip
_FATES: Mapping[str, Callable[[Call], Fate | None]] = {
    "refuse_stops": refused_stop, "forbid_stops": forbidden_stop, "refuse_first_target": refused_target,
    "cancels_not_found": cancelled_unseen, "rate_limit": rate_limited, "lose_answers": lost,
    "late_fills": fills_missing,
}  # fmt: skip


class Unreached(Exception):
    """A step that did not come to what it is for: from there on the scenario proves nothing."""


Doing = Callable[[Stage, Mapping[str, Any]], Coroutine[Any, Any, None]]


async def do(stage: Stage, line: Line) -> None:
    """Raises Unreached."""
    await DO[line.word](stage, line.args)


async def signal(stage: Stage, args: Mapping[str, Any]) -> None:
    """Whatever the strategy: its own `evaluate` is asked which candle would be one."""
    before = len(stage.entries)
    stage.feed.signal(stage.first, make(stage.config))
    await stage.until(lambda: not stage.feed.busy(stage.first), LONGEST_MS)
    closes_ms = stage.feed.closes_ms(stage.first)
    if args["until"] == "sent":
        if not await stage.until(lambda: len(stage.entries) > before, args["within"]):
            raise Unreached(f"the exchange took no entry on the strategy's signal: {last_decision(stage)}")
        return
    if not await stage.until(lambda: _decided(stage, closes_ms), args["within"]):
        raise Unreached(f"the bot decided nothing about {stage.first} within {args['within'] / 1000:g} s")
    said = last_decision(stage)
    if args["until"] == "enters":
        entered = await stage.until(lambda: len(stage.entries) > before and held(stage), args["within"])
        if not entered:
            raise Unreached(f"no entry on the strategy's signal: {said}")


def _decided(stage: Stage, closed_ms: int) -> bool:
    """Some cycle has looked at the candle that closed then; or, where no gate let it look, was done well after."""
    with stage.reading() as conn:
        found = decisions.last(conn, stage.first, 5) if conn is not None else []
    return any(
        one.decision.candle_open_ms == closed_ms - MINUTE_MS or one.at_ms >= closed_ms + UNSEEN_MS for one in found
    )


def last_decision(stage: Stage) -> str:
    with stage.reading() as conn:
        found = decisions.last(conn, stage.first) if conn is not None else []
    return f"{found[0].decision.outcome} ({found[0].decision.code}): {found[0].decision.sentence}" if found else "none"


def held(stage: Stage) -> bool:
    """A position in the first market that its stop covers."""
    position = stage.position(stage.first)
    return position is not None and coverage(position, stage.orders()).protection is Protection.COVERED


async def price(stage: Stage, args: Mapping[str, Any]) -> None:
    symbol = stage.market(args["market"])
    target = stage.feed.last(symbol) * (1 + args["by"])
    await _moved(stage, symbol, lambda: target, max(args["over"] // MINUTE_MS, 1))


async def price_past(stage: Stage, args: Mapping[str, Any]) -> None:
    position = stage.position(stage.first)
    orders = [one for one in stage.orders() if one.symbol == stage.first]
    found = [one for one in orders if (one.protective if args["what"] == "stop" else one.take_profit)]
    level = found[0].trigger_price or found[0].price if found else None
    if position is None or level is None:
        raise Unreached(f"there is no {args['what']} in {stage.first} for the price to go through")
    way = -position.side.sign if args["what"] == "stop" else position.side.sign
    await _moved(stage, stage.first, lambda: level * (1 + way * args["by"]), 1)


async def _moved(stage: Stage, symbol: str, target: Callable[[], Decimal], bars: int) -> None:
    stage.feed.move(symbol, target, bars)
    await stage.until(lambda: not stage.feed.busy(symbol), LONGEST_MS)
    await stage.world.until(stage.feed.closes_ms(symbol) + SETTLES_MS)


async def wait(stage: Stage, args: Mapping[str, Any]) -> None:
    await asyncio.sleep(args["for"] / 1000)


async def wait_for(stage: Stage, args: Mapping[str, Any]) -> None:
    so: dict[str, Callable[[], object]] = {
        "flat": lambda: not stage.positions(),
        "held": lambda: held(stage),
        "halted": lambda: state_of(stage) is SystemState.HALTED,
        "normal": lambda: state_of(stage) is SystemState.NORMAL,
    }
    if not await stage.until(so[args["what"]], args["within"]):
        raise Unreached(f"it was not {args['what']} within {args['within'] / 1000:g} s: {holding(stage)}")


def state_of(stage: Stage) -> SystemState:
    with stage.reading() as conn:
        return SystemState.NORMAL if conn is None else system_state(latches.active(conn))


def holding(stage: Stage) -> str:
    """The positions as the exchange has them."""
    found = [f"{one.symbol} {text(one.qty)} at {text(one.entry_price)}" for one in stage.positions()]
    return "; ".join(found) or "no position"


async def by_hand(stage: Stage, args: Mapping[str, Any]) -> None:
    symbol = stage.market(args["market"])
    usd = stage.equity() * args["size"]
    if args["do"] in ("buy", "sell"):
        state = stage.world.exchange.state
        instrument, last = state.instruments[symbol], state.prices[symbol].last
        qty = max(instrument.floor_qty(usd / last), instrument.min_qty)
        side = OrderSide.BUY if args["do"] == "buy" else OrderSide.SELL
        stage.hands.touched[symbol] = stage.world.now_ms()
        if args["leverage"] is not None:
            stage.world.exchange.execute(SetLeverage(symbol, Decimal(args["leverage"]), stage.world.now_ms()))
        name = f"web-{stage.world.now_ms()}"
        if stage.world.by_hand(symbol, side, OrderType.MARKET, qty, name) is None:
            raise Unreached(f"the exchange did not take {args['do']} {text(qty)} {symbol} by hand")
        return
    kind = {"close": "close_all", "cancel_stop": "cancel_stop", "rest_buy": "resting"}[args["do"]]
    await stage.happen(kind, "person", symbol, usd=usd)


async def operator(stage: Stage, args: Mapping[str, Any]) -> None:
    kind = COMMANDS[args["do"]]
    before = len(stage.hands.claims)
    symbol = stage.first if stage.position(stage.first) else next((p.symbol for p in stage.positions()), stage.first)
    await stage.happen(kind, "operator", stage.market(args["market"]) if args["market"] is not None else symbol)
    if len(stage.hands.claims) == before:
        raise Unreached(f"{args['do']} came to no end")


async def while_entering(stage: Stage, args: Mapping[str, Any]) -> None:
    """Lies in wait for the next entry, which a later step brings about."""
    then = COMMANDS[args["do"]]
    await stage.happen(
        "ambush", "machine", stage.first, then=then, stall_ms=args["frozen"], abandon_ms=TIMEOUT_MS, entries_first=0
    )


async def dies_entering(stage: Stage, args: Mapping[str, Any]) -> None:
    """Lies in wait for the next entry, which a later step brings about: its request outlives its sender."""
    await stage.happen(
        "ambush", "machine", stage.first, then="kill", out_ms=args["late"], abandon_ms=TIMEOUT_MS, entries_first=0
    )


async def bot(stage: Stage, args: Mapping[str, Any]) -> None:
    running = stage.hands.bot
    if args["do"] == "start":
        if running is not None and running.running:
            raise Unreached("the bot runs already")
        cycle = stage.cycle()
        stage.hands.start_bot()
        if not await stage.until(lambda: stage.cycle() > cycle or not _runs(stage), 120_000) or not _runs(stage):
            raise Unreached(f"the bot did not come to a cycle: {ending(stage)}")
    elif running is None or running.task is None or not running.running:
        raise Unreached(f"no bot runs: {ending(stage)}")
    elif args["do"] == "kill":
        await stage.world.kill(running)
    else:
        running.stop.tell("the scenario stops it")
        done, _ = await asyncio.wait([running.task], timeout=_ENDS_S)
        if not done:
            raise Unreached("the bot did not end when it was told to")


def _runs(stage: Stage) -> bool:
    return stage.hands.bot is not None and stage.hands.bot.running


def ending(stage: Stage) -> str:
    running = stage.hands.bot
    if running is None or running.task is None:
        return "none was started"
    return running.task.result() if running.task.done() and not running.task.cancelled() else "it runs"


async def fault(stage: Stage, args: Mapping[str, Any]) -> None:
    """Goes on beside the next steps until its time is over."""
    until_ms = stage.world.now_ms() + args["for"]
    if args["kind"] == "outage":
        stage.hands.weather.outage = True
        stage.world.carry(_end_outage(stage, args["for"]))
        return
    stage.hands.faults.append(Fault(until_ms, _FATES[args["kind"]]))


async def _end_outage(stage: Stage, after_ms: int) -> None:
    await asyncio.sleep(after_ms / 1000)
    stage.hands.weather.outage = False


async def edit_store(stage: Stage, args: Mapping[str, Any]) -> None:
    """With a tool of their own, as operators have been told to: "edit the SQL by hand"."""
    if not edited.delete(stage.world.store, args["delete"]):
        raise Unreached("there was nothing in the store to delete")


async def own_error(stage: Stage, args: Mapping[str, Any]) -> None:
    """Goes on beside the next steps until its time is over."""
    running = stage.hands.bot
    if running is None or running.assembled is None or not running.running:
        raise Unreached(f"no bot runs: {ending(stage)}")
    mend = own_errors.begin(stage, running.assembled.bot, args["in"])
    stage.world.carry(own_errors.mend_after(mend, args["for"]))


async def disk(stage: Stage, args: Mapping[str, Any]) -> None:
    """Goes on beside the next steps."""
    stage.world.carry(stage.happen("disk", "machine", stage.first, disk=args["state"], for_ms=args["for"]))
    await asyncio.sleep(0)


async def clock(stage: Stage, args: Mapping[str, Any]) -> None:
    await stage.happen("clock", "machine", stage.first, offset_ms=args["by"])


async def transfer(stage: Stage, args: Mapping[str, Any]) -> None:
    amount = (stage.equity() * args["share"]).quantize(Decimal("0.01"))
    stage.world.exchange.execute(Transfer(amount, stage.world.now_ms()))


async def venue(stage: Stage, args: Mapping[str, Any]) -> None:
    stage.world.exchange.execute(SetSymbolStatus(stage.market(args["market"]), args["status"], stage.world.now_ms()))


async def funding(stage: Stage, args: Mapping[str, Any]) -> None:
    symbol = stage.market(args["market"])
    if stage.position(symbol) is None:
        raise Unreached(f"funding of {percent(args['rate'])} would charge nobody: no position in {symbol}")
    stage.world.exchange.execute(ApplyFunding(stage.world.now_ms(), ((symbol, args["rate"]),)))


DO: Mapping[str, Doing] = {
    "signal": signal, "price": price, "price_past": price_past, "wait": wait, "wait_for": wait_for, "by_hand": by_hand,
    "operator": operator, "while_entering": while_entering, "dies_entering": dies_entering, "bot": bot, "fault": fault,
    "disk": disk, "edit_store": edit_store, "own_error": own_error, "clock": clock, "transfer": transfer,
    "venue": venue, "funding": funding,
}  # fmt: skip
