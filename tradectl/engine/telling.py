"""What the bot says: decisions and changes of state as tagged lines and alerts, each once when it begins.

A standing refusal (the daily limit for the rest of a day) is said when it begins and once an hour while it lasts; its
every repetition is counted in the decision records instead.
"""

from __future__ import annotations

from collections.abc import Mapping

from tradectl import logs
from tradectl.domain.candle import HOUR_MS, day_of, utc_text
from tradectl.domain.money import amount
from tradectl.domain.signal import Decision, NoSignal, SymbolRefusal, Verdict
from tradectl.domain.system_state import LatchName, SystemState, speaking
from tradectl.domain.system_state import system_state as strictest
from tradectl.domain.tags import Tag
from tradectl.engine import guard_session
from tradectl.engine.bot import Bot, PendingAlert
from tradectl.engine.cycle_report import CycleReport
from tradectl.risk.context import AccountContext, SymbolContext

_log = logs.get("engine.cycle")
REPEAT_MS = HOUR_MS
NEW_CANDLE = "new_candle"
ERROR = "error"
_STATE_TAGS = {SystemState.PAUSED: Tag.SAFETY_PAUSED, SystemState.DEGRADED: Tag.SAFETY_DEGRADED}
_LATCH_TAGS = {
    LatchName.ESS_TRIPPED: Tag.SAFETY_ESS_TRIPPED,
}
WAITING = "waiting"  # nothing was decided: the last decision stands until the next candle closes


def refused(bot: Bot, refusal: SymbolRefusal, ctx: SymbolContext | None = None) -> Decision:
    """The decision record of a refusal, its log line and its alert."""
    verdict = refusal.refused_by
    if verdict.gate == NEW_CANDLE:
        return Decision(refusal.symbol, WAITING, verdict.gate, verdict.sentence, _last_candle(ctx))
    _say_refusal(bot, refusal.symbol, verdict)
    candle_ms = refusal.signal.candle_open_ms if refusal.signal is not None else _last_candle(ctx)
    return Decision(
        symbol=refusal.symbol,
        outcome="refused",
        code=verdict.gate,
        sentence=verdict.sentence,
        candle_open_ms=candle_ms,
        signal=refusal.signal,
        verdicts=refusal.verdicts,
    )


def no_signal(bot: Bot, opinion: NoSignal, verdicts: tuple[Verdict, ...]) -> Decision:
    """No opinion is a decision too; its reasons are one DEBUG line."""
    reasons = ", ".join(opinion.reasons)
    _log.emit(Tag.SIGNAL, f"no signal: {reasons}", symbol=opinion.symbol, strategy=opinion.strategy)
    bot.memory.standing.pop(opinion.symbol, None)
    return Decision(
        symbol=opinion.symbol,
        outcome="no_signal",
        code=opinion.reasons[0],
        sentence=f"no signal: {reasons}",
        candle_open_ms=opinion.candle_open_ms,
        verdicts=verdicts,
    )


def failed(bot: Bot, symbol: str, error: Exception) -> Decision:
    """The decision record of an error of our own on one symbol; called while it is being handled.

    Each time is one line; the traceback and the alert come when it begins, when it changes and once an hour.
    """
    text = " ".join(str(error).split())
    sentence = f"{type(error).__name__}: {text}"
    standing = f"{ERROR}: {sentence}"
    began = bot.memory.standing.get(symbol) != standing
    bot.memory.standing[symbol] = standing
    if _due(bot, symbol, Tag.SAFETY_EXECUTION_ERROR, force=began):
        logs.trace("engine.cycle", f"no decision on {symbol}: {sentence}", symbol=symbol)
        context = {"symbol": symbol, "error": type(error).__name__}
        said = f"no decision on {symbol}, it is left alone: {sentence}"
        alert(bot, Tag.SAFETY_EXECUTION_ERROR.value.lower(), symbol, said, context)
    else:
        _log.emit(Tag.SAFETY_EXECUTION_ERROR, f"no decision on {symbol}, still: {sentence}", symbol=symbol)
    return Decision(symbol, ERROR, ERROR, sentence, None)


def _last_candle(ctx: SymbolContext | None) -> int | None:
    return ctx.candles[-1].open_ms if ctx is not None and ctx.candles else None


def _say_refusal(bot: Bot, symbol: str, verdict: Verdict) -> None:
    began = bot.memory.standing.get(symbol) != verdict.gate
    bot.memory.standing[symbol] = verdict.gate
    if verdict.tag is None:
        return
    _say(bot, symbol, verdict, force=began)


def warnings(bot: Bot, verdicts: tuple[Verdict, ...], symbol: str) -> None:
    """Gates that let a symbol pass and still have something to say; the daily warning once a day (it is stored)."""
    for verdict in verdicts:
        if not verdict.passed or verdict.tag is None:
            continue
        once_a_day = verdict.tag is Tag.SAFETY_DAILY_LOSS_WARNING
        if once_a_day:
            day = day_of(bot.clock.now_ms())
            if bot.memory.warned_day == day:
                continue
            bot.memory.warned_day = day
        _say(bot, symbol, verdict, force=once_a_day)


def _say(bot: Bot, symbol: str, verdict: Verdict, *, force: bool) -> None:
    assert verdict.tag is not None
    if not _due(bot, symbol, verdict.tag, force=force):
        return
    _log.emit(verdict.tag, verdict.sentence, {"symbol": symbol, **dict(verdict.context)})
    if verdict.tag.safety:
        context = {"symbol": symbol, **dict(verdict.context)}
        alert(bot, verdict.tag.value.lower(), symbol, verdict.alert or verdict.sentence, context)


def _due(bot: Bot, symbol: str, tag: Tag, *, force: bool) -> bool:
    """Whether it is to be said now; then it counts as said."""
    now_ms = bot.clock.now_ms()
    last = bot.memory.said_ms.get((symbol, tag.value))
    if not force and last is not None and now_ms - last < REPEAT_MS:
        return False
    bot.memory.said_ms[(symbol, tag.value)] = now_ms
    return True


def alert(
    bot: Bot, kind: str, symbol: str, sentence: str, context: Mapping[str, object], *, urgent: bool = False
) -> None:
    """Queues an alert to commit with what this cycle records."""
    bot.memory.alerts.append(PendingAlert(bot.clock.now_ms(), kind, symbol, urgent, sentence, context))


def system_state(bot: Bot, account: AccountContext) -> str:
    """The state in force, said once whenever it changes."""
    state = SystemState.HALTED if account.halt_reason is not None else strictest(account.latches)
    if state.value != bot.memory.system_state:
        _say_change(bot, state, account)
        bot.memory.system_state = state.value
    return state.value


def _say_change(bot: Bot, state: SystemState, account: AccountContext) -> None:
    before = bot.memory.system_state
    if state is SystemState.NORMAL:
        if before:
            said = "no latch stands any more" if bot.guard else "trading is permitted again"
            _log.emit(Tag.SAFETY_RECOVERED, said, before=before)
        return
    tag = _STATE_TAGS.get(state, Tag.SAFETY_KILL_SWITCH)
    if account.halt_reason is not None:
        sentence = f"halted by a halt file: {account.halt_reason.strip()}"
        hint = "tradectl killswitch clear --approver NAME --reason TEXT"
    else:
        latch = speaking(account.latches, state)
        assert latch is not None, "a state comes from a latch"
        sentence = f"{latch.effect(guard=bot.guard)}; set {utc_text(latch.set_at_ms)} by {latch.set_by}: {latch.reason}"
        hint = latch.cleared_by
        tag = _LATCH_TAGS.get(latch.name, tag)
    _log.emit(tag, sentence, clear_with=hint)
    context = {"state": state.value, "clear_with": hint}
    alert(bot, tag.value.lower(), "", sentence, context, urgent=state is SystemState.HALTED)


def summary(bot: Bot, report: CycleReport) -> None:
    """One line per cycle. If it cannot be computed, that is said, and the cycle goes on (promise 12)."""
    if report.throttled_ms:
        sentence = f"requests were slowed down for {report.throttled_ms / 1000:.3f}s in this cycle"
        _log.emit(Tag.SAFETY_RATE_LIMIT, sentence, level=20, throttled_ms=report.throttled_ms)
    try:
        fields = guard_session.summary_fields(report) if bot.guard else summary_fields(bot, report)
        sentence = guard_session.in_words(bot, report) if bot.guard else _in_words(bot, report)
    except Exception as error:
        _log.emit(Tag.CYCLE_SUMMARY_FAILED, f"{type(error).__name__}: {error}", cycle=report.number)
        return
    _log.emit(Tag.CYCLE_SUMMARY, sentence, fields)


def summary_fields(bot: Bot, report: CycleReport) -> dict[str, object]:
    return {
        "cycle": report.number,
        "duration_ms": report.duration_ms,
        "positions": len(report.snapshot.positions),
        "universe": len(bot.symbols),
        "symbols_processed": len(report.decisions),
        "signals": report.signals,
        "system_state": report.system_state,
        "cooldowns_active": _cooling(bot),
        "throttled_ms": report.throttled_ms,
        "equity": f"{report.snapshot.equity:.2f}",
    }


def _cooling(bot: Bot) -> int:
    """Symbols whose last signal acted upon is younger than the cooldown."""
    since_ms = bot.clock.now_ms() - int(bot.config.risk.signal_cooldown_hours * HOUR_MS)
    return sum(1 for at_ms in bot.memory.signalled_ms.values() if at_ms > since_ms)


def _in_words(bot: Bot, report: CycleReport) -> str:
    """The decision and its reason in one sentence, as a person would say it."""
    if len(report.decisions) == 1:
        decision = report.decisions[0]
        said = decision.sentence
        word = decision.outcome.replace("_", " ")
        return f"{decision.symbol}: {said}" if said.startswith(word) else f"{decision.symbol} {word}: {said}"
    acted = [decision.symbol for decision in report.decisions if decision.outcome in ("entered", "exit")]
    broken = [decision.symbol for decision in report.decisions if decision.outcome == ERROR]
    money = amount(report.snapshot.equity, bot.venue.currency)
    failed_on = f"; no decision on {', '.join(broken)}: an error of the bot itself" if broken else ""
    return f"{', '.join(acted) or 'no orders'}; equity {money}{failed_on}"
