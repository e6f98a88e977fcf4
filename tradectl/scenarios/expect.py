"""What each expectation looks at, and the evidence it leaves. `words.EXPECTATIONS` says how they are written."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any

from tradectl.domain.candle import utc_text
from tradectl.domain.intent import ClientId, Intent, IntentState, Purpose
from tradectl.domain.money import ZERO, percent, text
from tradectl.domain.order import OrderFact
from tradectl.domain.position import Protection, coverage
from tradectl.domain.system_state import LatchName
from tradectl.scenarios.stage import Entry, Heard, Stage
from tradectl.scenarios.steps import COMMANDS, ending, holding, last_decision, state_of
from tradectl.scenarios.story import Line
from tradectl.scenarios.words import ENDINGS
from tradectl.store import decisions, intents, latches

_TARGETS: Mapping[str, frozenset[Purpose]] = {
    "none": frozenset(),
    "tp1": frozenset({Purpose.TP1}),
    "tp2": frozenset({Purpose.TP2}),
    "both": frozenset({Purpose.TP1, Purpose.TP2}),
}
_MANY = 1000  # intents: more than a scenario makes


@dataclass(frozen=True, slots=True)
class Seen:
    """`evidence`: the log's line or the exchange's books, as they are."""

    expected: str
    met: bool
    evidence: str


Looking = Callable[[Stage, Mapping[str, Any]], Coroutine[Any, Any, tuple[bool, str]]]


async def look(stage: Stage, line: Line) -> Seen:
    met, evidence = await LOOK[line.word](stage, line.args)
    return Seen(line.text, met, evidence)


def _first(stage: Stage, so: Callable[[Heard], bool]) -> Heard | None:
    return next((heard for heard in stage.since_mark() if so(heard)), None)


async def _heard(stage: Stage, so: Callable[[Heard], bool], what: str, within_ms: int) -> tuple[bool, str]:
    await stage.until(lambda: _first(stage, so), within_ms)
    found = _first(stage, so)
    if found is not None:
        return True, found.text
    safety = [heard.text for heard in stage.since_mark() if heard.tag.startswith("SAFETY_")]
    said = f"; the last line of safety: {safety[-1]}" if safety else "; nothing of safety was logged"
    return False, f"no {what} within {within_ms / 1000:g} s{said}"


async def log(stage: Stage, args: Mapping[str, Any]) -> tuple[bool, str]:
    def so(heard: Heard) -> bool:
        return heard.tag == args["tag"] and args["says"].lower() in heard.text.lower()

    return await _heard(stage, so, args["tag"], args["within"])


async def alert(stage: Stage, args: Mapping[str, Any]) -> tuple[bool, str]:
    return await _heard(stage, lambda heard: heard.alert == args["type"], f"ALERT[{args['type']}]", args["within"])


async def no_log(stage: Stage, args: Mapping[str, Any]) -> tuple[bool, str]:
    await stage.world.until(stage.world.now_ms() + args["for"])
    found = _first(stage, lambda heard: heard.tag == args["tag"])
    return found is None, found.text if found else f"no line with {args['tag']}"


async def state(stage: Stage, args: Mapping[str, Any]) -> tuple[bool, str]:
    met = await stage.until(lambda: state_of(stage).value == args["is"], args["within"])
    return met, f"the store says {state_of(stage).value}{_standing(stage)}"


def _standing(stage: Stage) -> str:
    with stage.reading() as conn:
        found = () if conn is None else latches.active(conn)
    return "".join(f"; {latch.title}, set by {latch.set_by}: {latch.reason}" for latch in found)


def _latch(stage: Stage, name: str, says: str = "") -> bool:
    with stage.reading() as conn:
        found = () if conn is None else latches.active(conn)
    return any(one.name is LatchName(name) and says.lower() in one.reason.lower() for one in found)


async def latch(stage: Stage, args: Mapping[str, Any]) -> tuple[bool, str]:
    met = await stage.until(lambda: _latch(stage, args["name"], args["says"]), args["within"])
    return met, (_standing(stage) or "; no latch stands").removeprefix("; ")


async def no_latch(stage: Stage, args: Mapping[str, Any]) -> tuple[bool, str]:
    met = await stage.until(lambda: not _latch(stage, args["name"]), args["within"])
    return met, (_standing(stage) or "; no latch stands").removeprefix("; ")


async def refused(stage: Stage, args: Mapping[str, Any]) -> tuple[bool, str]:
    def found() -> str:
        with stage.reading() as conn:
            last = decisions.last(conn, stage.first, 20) if conn is not None else []
        for one in last:
            said = one.decision
            if one.at_ms < stage.mark_ms or said.outcome != "refused" or said.code != args["gate"]:
                continue
            if args["says"].lower() in said.sentence.lower():
                return f"why {stage.first}: {said.code}: {said.sentence}"
        return ""

    met = await stage.until(found, args["within"])
    return met, found() or f"why {stage.first}: {last_decision(stage)}"


async def decision(stage: Stage, args: Mapping[str, Any]) -> tuple[bool, str]:
    """Also one that was counted on an older row: it is as new as the last time it was taken."""

    def found() -> str:
        with stage.reading() as conn:
            last = decisions.last(conn, stage.first, 20) if conn is not None else []
        for one in last:
            said = one.decision
            if one.at_ms >= stage.mark_ms and said.outcome == args["outcome"]:
                if args["says"].lower() in said.sentence.lower():
                    return f"why {stage.first}: {said.outcome}: {said.sentence}"
        return ""

    met = await stage.until(found, args["within"])
    return met, found() or f"why {stage.first}: {last_decision(stage)}"


async def recorded(stage: Stage, args: Mapping[str, Any]) -> tuple[bool, str]:
    met = await stage.until(lambda: _recorded(stage, args["kind"])[0], args["within"])
    return met, _recorded(stage, args["kind"])[1]


def _recorded(stage: Stage, kind: str) -> tuple[bool, str]:
    """Every order of that kind that the exchange has taken against its intent; of what acts on orders, the other way.

    An order that is attached to an entry has no id of ours: it is on record with the entry.
    """
    purpose = Purpose(kind)
    taken = {event.order.order_id: event.order for event in stage.accepted()}
    with stage.reading() as conn:
        known = {} if conn is None else {one.client_id: one for one in intents.latest(conn, None, _MANY)}
    if purpose in (Purpose.CANCEL, Purpose.AMEND):
        acted = [one for one in known.values() if one.purpose is purpose and one.state is IntentState.CONFIRMED]
        told = [f"{one.client_id}: {kind} of {one.cancels_order_id} ({one.reason})" for one in acted]
        lost = [one.client_id for one in acted if one.cancels_order_id not in taken]
    else:
        ours = [one for one in taken.values() if (own := ClientId.parse(one.client_id)) and own.purpose is purpose]
        told = [f"{one.client_id}: {one.side.value} {text(one.qty)} {one.symbol} is {one.order_id}" for one in ours]
        lost = [str(one.client_id) for one in ours if not _same(one, known.get(str(one.client_id)))]
    if lost:
        return False, f"on record otherwise than the exchange has it: {', '.join(lost)}"
    return bool(told), "; ".join(told[-3:]) or f"no {kind} is on record, of {len(known)} actions"


def _same(order: OrderFact, intent: Intent | None) -> bool:
    return intent is not None and (
        (order.order_id, order.symbol, order.side, order.type, order.qty, order.price, order.trigger_price)
        == (intent.order_id, intent.symbol, intent.side, intent.type, intent.qty or ZERO, intent.price,
            intent.trigger_price)
    )  # fmt: skip


async def targets(stage: Stage, args: Mapping[str, Any]) -> tuple[bool, str]:
    wanted = _TARGETS[args["resting"]]

    def resting() -> dict[Purpose, str]:
        found = {}
        for order in stage.orders():
            own = ClientId.parse(order.client_id)
            if order.symbol == stage.first and order.take_profit and own is not None:
                found[own.purpose] = f"{own.purpose.value} of {text(order.remaining_qty)} at {order.price}"
        return found

    met = await stage.until(lambda: resting().keys() == wanted, args["within"])
    return met, f"resting in {stage.first}: {'; '.join(resting().values()) or 'no target'}"


async def no_entry(stage: Stage, args: Mapping[str, Any]) -> tuple[bool, str]:
    await asyncio.sleep(args["for"] / 1000)
    found = [one for one in stage.entries if one.at_ms >= stage.mark_ms]
    return not found, _told(found) or f"the exchange took no entry order since {utc_text(stage.mark_ms)}"


async def entries(stage: Stage, args: Mapping[str, Any]) -> tuple[bool, str]:
    await asyncio.sleep(args["for"] / 1000)
    found = [one for index, one in enumerate(stage.entries) if not _goes_on(stage, index)]
    return len(found) == args["count"], _told(stage.entries) or "the exchange took no entry order"


def _goes_on(stage: Stage, index: int) -> bool:
    """A slice after the first of an entry that is too large for one order: the one before it is as large as may be."""
    if not index:
        return False
    before, this = stage.entries[index - 1 : index + 1]
    return before.symbol == this.symbol and before.qty == stage.world.instruments[this.symbol].max_market_qty


def _told(found: list[Entry]) -> str:
    said = [f"{utc_text(one.at_ms)[11:19]} {one.symbol} {text(one.qty)} ({one.client_id})" for one in found]
    return f"entry orders at the exchange: {'; '.join(said)}" if said else ""


async def stops(stage: Stage, args: Mapping[str, Any]) -> tuple[bool, str]:
    if args["are"] == "kept":
        await asyncio.sleep(args["within"] / 1000)
        there = {order.order_id for order in stage.orders()}
        gone = [f"{one.symbol} at {one.trigger_price}" for key, one in stage.mark_stops.items() if key not in there]
        if not stage.mark_stops:
            return False, "there was no stop to keep"
        kept = "; ".join(f"{one.symbol} at {one.trigger_price}" for one in stage.mark_stops.values())
        return not gone, f"gone: {'; '.join(gone)}" if gone else f"still open at the exchange: {kept}"
    met = await stage.until(lambda: bool(stage.positions()) and not _bare(stage), args["within"])
    covered = [
        f"{one.symbol} {text(one.qty)}: stop at {coverage(one, stage.orders()).stop_price}" for one in stage.positions()
    ]
    return met, f"not covered: {', '.join(_bare(stage))}" if _bare(stage) else "; ".join(covered) or "no position"


def _bare(stage: Stage) -> list[str]:
    orders = stage.orders()
    return [one.symbol for one in stage.positions() if coverage(one, orders).protection is not Protection.COVERED]


async def position(stage: Stage, args: Mapping[str, Any]) -> tuple[bool, str]:
    symbol, wanted = stage.market(args["market"]), args["is"] == "held"
    met = await stage.until(lambda: (stage.position(symbol) is not None) == wanted, args["within"])
    return met, f"the exchange holds {holding(stage)}"


async def worth(stage: Stage, args: Mapping[str, Any]) -> tuple[bool, str]:
    """By the position as it stands: one entry of several slices is looked at whole."""
    held = stage.position(stage.first)
    share = held.notional / stage.equity() if held is not None else ZERO
    return args["at_least"] <= share <= args["at_most"], f"{holding(stage)}: {percent(share)} of equity"


async def orders(stage: Stage, args: Mapping[str, Any]) -> tuple[bool, str]:
    symbol = stage.market(args["market"])

    def resting() -> list[str]:
        return [f"{one.side.value} {one.type.value}" for one in stage.orders() if one.symbol == symbol]

    met = await stage.until(lambda: not resting(), args["within"])
    return met, f"resting in {symbol}: {', '.join(resting()) or 'nothing'}"


async def calls(stage: Stage, args: Mapping[str, Any]) -> tuple[bool, str]:
    asked = stage.hands.asked - stage.mark_asked
    return asked <= args["at_most"], f"{asked} requests in {(stage.world.now_ms() - stage.mark_ms) // 1000} s"


async def answered(stage: Stage, args: Mapping[str, Any]) -> tuple[bool, str]:
    claims = stage.claims(COMMANDS[args["do"]])
    if not claims:
        return False, f"{args['do']} was not called"
    last = claims[-1]
    said = last.code.name.lower() if last.code is not None else "no answer: its process died"
    number = f" (exit {int(last.code)})" if last.code is not None else ""
    return last.code is ENDINGS[args["exit"]], f"{args['do']}: {said}{number}{': ' if last.detail else ''}{last.detail}"


async def bot(stage: Stage, args: Mapping[str, Any]) -> tuple[bool, str]:
    def so() -> bool:
        running = stage.hands.bot is not None and stage.hands.bot.running
        return running == (args["is"] == "running") and args["says"].lower() in ending(stage).lower()

    return await stage.until(so, args["within"]), f"the bot: {ending(stage)}, cycle {stage.cycle()}"


LOOK: Mapping[str, Looking] = {
    "log": log, "no_log": no_log, "alert": alert, "state": state, "latch": latch, "no_latch": no_latch,
    "refused": refused, "decision": decision, "recorded": recorded, "targets": targets, "no_entry": no_entry,
    "entries": entries, "stops": stops, "position": position,
    "worth": worth, "orders": orders, "calls": calls, "answered": answered, "bot": bot,
}  # fmt: skip
