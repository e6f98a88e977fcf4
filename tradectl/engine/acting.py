"""What a decision does at the venue: an entry with its bracket, or an early exit. Everything goes through the door."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal

from tradectl import logs
from tradectl.domain.intent import entry_drafts, exit_drafts, stop_draft
from tradectl.domain.lifecycle import PositionState
from tradectl.domain.limited import LIVE_LIMITED
from tradectl.domain.money import ZERO, amount, percent, text
from tradectl.domain.order import Confirmed, Unknown
from tradectl.domain.signal import Decision, NoSignal, Signal, Sized, Verdict
from tradectl.domain.tags import Tag
from tradectl.engine.bot import Bot
from tradectl.engine.market import View
from tradectl.engine.state import Books
from tradectl.errors import EntryRefused, VenueUnreachable
from tradectl.execution.submit import Submitted

_log = logs.get("engine.acting")
BOOKS_DIFFER = "books_differ"  # from the venue: an early exit waits for them


async def enter(bot: Bot, sized: Sized) -> Decision:
    """Confirms leverage and margin mode, then sends the entry slice by slice, each with its stop and target attached.

    Where the venue attaches none, the stop of each slice is the very next request; its targets follow with the next
    look, as those of any position do.
    The first slice that is not confirmed ends it: what filled keeps its size, and nothing is resent (promise 1).
    """
    symbol = sized.admitted.signal.symbol
    for cap in sized.caps:
        _log.emit(Tag.SAFETY_SIZE_CAPPED, cap.sentence, symbol=symbol, cap=cap.name)
    problem = await _prepare(bot, sized)
    if problem:
        return _decision(sized, "not_sent", "leverage", problem)
    sent: list[Submitted] = []
    attached = bot.venue.attaches_brackets
    for draft in entry_drafts(sized, bot.protection.trigger_by, attached=attached):
        try:
            sent.append(await bot.door.submit(draft))
        except EntryRefused as refusal:
            # The fence came down between the gates and the commit: nothing was recorded for this slice.
            return _fenced(sized, refusal, sent)
        bot.memory.signalled_ms[symbol] = sent[-1].intent.created_ms
        if not sent[-1].confirmed or not (attached or await _protected(bot, sized, sent[-1])):
            break
    return _entered(bot, sized, sent)


async def _protected(bot: Bot, sized: Sized, entry: Submitted) -> bool:
    """The stop of a slice that has been filled, or may be. False: it does not stand, and nothing is added to that."""
    assert isinstance(entry.outcome, Confirmed)
    order, symbol = entry.outcome.order, sized.admitted.signal.symbol
    qty = order.qty if order.status.open else order.filled_qty
    if not qty:
        return True
    reason = f"the stop of entry {entry.intent.client_id}"
    draft = stop_draft(symbol, sized.side, qty, sized.stop_price, bot.protection.trigger_by, reason)
    stop = await bot.door.submit(draft)
    if isinstance(stop.outcome, Confirmed):
        spell_ms = max(stop.outcome.order.created_ms - order.created_ms, 0)
        bot.memory.bare_ms[symbol] = bot.memory.bare_ms.get(symbol, 0) + spell_ms
        _log.emit(Tag.SAFETY_STOP_PLACED, reason, level=20, symbol=symbol, naked_ms=spell_ms)
        return True
    sentence = f"{reason} does not stand: {stop.sentence()}; it is looked at again at once"
    _log.emit(Tag.SAFETY_NAKED_POSITION, sentence, level=40, symbol=symbol)
    return False


def _fenced(sized: Sized, refusal: EntryRefused, sent: list[Submitted]) -> Decision:
    symbol = sized.admitted.signal.symbol
    how = f"cut short after {len(sent)} of {len(sized.slices)} orders" if sent else "refused at the door"
    _log.emit(Tag.ENTRY, f"entry {how}: {refusal.what}", level=30, symbol=symbol, code=refusal.code, why=refusal.why)
    tag = Tag.SAFETY_LIMITED_REFUSED if refusal.code == LIVE_LIMITED else None
    context = (("symbol", symbol), ("code", refusal.code))
    verdict = Verdict("intent", False, refusal.what, tag=tag, context=context)
    outcome = ("entered" if _may_hold(sent) else "not_filled") if sent else "refused"
    return _decision(sized, outcome, refusal.code, refusal.what, verdict)


async def _prepare(bot: Bot, sized: Sized) -> str:
    """Leverage and margin mode as the size assumed them; '' when they are. Never reached while a position is held.

    Asked anew for each entry: somebody may have changed them at the venue, and the stop's distance to liquidation with
    them."""
    symbol = sized.admitted.signal.symbol
    try:
        failed = await bot.door.prepare_symbol(symbol, sized.leverage, bot.config.perps.margin_mode)
    except VenueUnreachable as error:
        return f"leverage could not be confirmed: {error.what}"
    if failed is not None:
        return f"leverage could not be set: {failed.reason if isinstance(failed, Unknown) else failed.message}"
    return ""


def _entered(bot: Bot, sized: Sized, sent: list[Submitted]) -> Decision:
    symbol = sized.admitted.signal.symbol
    confirmed = [item for item in sent if item.confirmed]
    last = sent[-1]
    if not _may_hold(sent):
        if confirmed and not isinstance(last.outcome, Unknown):
            ended = ", ".join(_ending(item) for item in confirmed)
            sentence = f"entry {last.intent.client_id}: confirmed, but 0 of {text(sized.qty)} filled ({ended})"
            return _decision(sized, "not_filled", "not_filled", sentence)
        outcome = "unknown" if isinstance(last.outcome, Unknown) else "not_sent"
        return _decision(sized, outcome, "venue", f"entry {last.intent.client_id}: {last.sentence()}")
    filled = _filled(sent)
    of_asked = "" if filled == sized.qty else f" of {text(sized.qty)}"
    target = f", target {text(sized.target_price)}" if sized.target_price is not None else ""
    sentence = (
        f"entered {sized.side.value} {text(filled)}{of_asked} {symbol} near {text(sized.reference_price)}, "
        f"stop {text(sized.stop_price)}{target}"
    )
    distance = percent(abs(sized.reference_price - sized.stop_price) / sized.reference_price)
    _log.emit(
        Tag.ENTRY,
        sentence,
        level=30 if of_asked else None,
        symbol=symbol,
        client_id=last.intent.client_id,
        notional=amount(sized.notional, bot.venue.currency),
        risk=amount(sized.risk_amount, bot.venue.currency),
        stop_distance=distance,
        leverage=text(sized.leverage),
    )
    return _decision(sized, "entered", "entered", sentence)


def _filled(sent: Iterable[Submitted]) -> Decimal:
    return sum((item.outcome.order.filled_qty for item in sent if isinstance(item.outcome, Confirmed)), ZERO)


def _may_hold(sent: Sequence[Submitted]) -> bool:
    """Whether confirmed orders have filled, or may fill yet: confirmed is not filled."""
    return bool(_filled(sent)) or any(
        item.outcome.order.status.open for item in sent if isinstance(item.outcome, Confirmed)
    )


def _ending(item: Submitted) -> str:
    assert isinstance(item.outcome, Confirmed)
    order = item.outcome.order
    return f"{order.status.value} {order.reason}".rstrip()


def _decision(sized: Sized, outcome: str, code: str, sentence: str, *fence: Verdict) -> Decision:
    signal = sized.admitted.signal
    if outcome in ("not_sent", "unknown", "not_filled"):
        _log.emit(Tag.ENTRY, f"entry not completed: {sentence}", level=30, symbol=signal.symbol)
    return Decision(
        symbol=signal.symbol,
        outcome=outcome,
        code=code,
        sentence=sentence,
        candle_open_ms=signal.candle_open_ms,
        signal=signal,
        verdicts=(*sized.verdicts, *fence),
        facts=(
            ("qty", text(sized.qty)),
            ("notional", text(sized.notional)),
            ("stop", text(sized.stop_price)),
            ("target", text(sized.target_price) if sized.target_price is not None else ""),
            ("risk", text(sized.risk_amount)),
            ("caps", ", ".join(cap.name for cap in sized.caps)),
        ),
    )


def wants_early_exit(bot: Bot, view: View, books: Books, opinion: Signal | NoSignal) -> bool:
    """The strategy's reverse cross on a position of ours, where the operator has asked for early exits.

    Ours, and nothing else (promise 6): managed here, filled, and on that side.
    """
    if not bot.config.perps.early_exit_on_cross or view.ctx is None or not isinstance(opinion, NoSignal):
        return False
    position, ours = view.ctx.account.snapshot.position(view.symbol), books.managed.get(view.symbol)
    if position is None or ours is None or ours.state is PositionState.PENDING or ours.side is not position.side:
        return False
    return opinion.exit_long if position.qty > 0 else opinion.exit_short


async def early_exit(bot: Bot, view: View, books: Books, opinion: NoSignal) -> Decision:
    """Reduce-only market orders for the whole position, as few as the venue takes; its bracket ends with it.

    Where venue and books do not agree on how much is held, it is reconciliation's turn: nothing is closed.
    """
    assert view.ctx is not None
    position, trade = view.ctx.account.snapshot.position(view.symbol), books.open_trades.get(view.symbol)
    assert position is not None, "wants_early_exit has seen it"
    reason = ", ".join(opinion.reasons)
    if trade is None or trade.lot.qty != position.qty:
        held = text(trade.lot.qty) if trade is not None else "none"
        sentence = f"early exit waits: the venue shows {text(position.qty)} and the books show {held}"
        _log.emit(Tag.EXIT, sentence, level=30, symbol=view.symbol)
        return Decision(view.symbol, "refused", BOOKS_DIFFER, sentence, opinion.candle_open_ms, verdicts=view.verdicts)
    try:
        instrument = bot.instruments[view.symbol]
        drafts = exit_drafts(view.symbol, position.side, abs(position.qty), instrument, f"early exit: {reason}")
        sent = await bot.door.submit_slices(drafts)
    except EntryRefused as refusal:
        sentence = f"early exit refused: {refusal.what}"
        return Decision(view.symbol, "refused", refusal.code, sentence, opinion.candle_open_ms, verdicts=view.verdicts)
    submitted = sent[-1]
    asked, filled = abs(position.qty), _filled(sent)
    sentence = f"early exit of {text(asked)} {view.symbol} ({reason}): {submitted.sentence()}"
    if submitted.confirmed and filled < asked:
        sentence += f", {text(filled)} of {text(asked)} filled"
    level = None if submitted.confirmed and filled >= asked else 30
    _log.emit(Tag.EXIT, sentence, level=level, symbol=view.symbol, client_id=submitted.intent.client_id)
    outcome = "not_filled" if submitted.confirmed else "unknown" if submitted.intent.state.in_doubt else "not_sent"
    if _may_hold(sent):
        outcome = "exit"
    return Decision(view.symbol, outcome, "early_exit", sentence, opinion.candle_open_ms, verdicts=view.verdicts)
