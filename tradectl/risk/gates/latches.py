"""Persisted reasons why trading is restricted (promise 9), and start-up's own (promise 10). The strictest speaks.

The same latches and the halt file are checked once more in the transaction that records the intent (promise 2); this
gate is the early, explaining one.
"""

from __future__ import annotations

from tradectl.domain.signal import Verdict
from tradectl.domain.system_state import Latch, LatchName, first_blocking
from tradectl.domain.tags import Tag
from tradectl.risk.context import AccountContext

_TAGS = {
    LatchName.KILL_SWITCH: Tag.SAFETY_HALT,
    LatchName.HALT: Tag.SAFETY_HALT,
    LatchName.ESS_TRIPPED: Tag.SAFETY_HALT,
    LatchName.ESS_COOLING: Tag.SAFETY_ESS_COOLING,
    LatchName.DEGRADED: Tag.SAFETY_DEGRADED,
    LatchName.EQUITY_JUMP: Tag.SAFETY_DEGRADED,
    LatchName.PREFLIGHT: Tag.SAFETY_LIMITED_REFUSED,
    LatchName.PAUSE: Tag.SAFETY_PAUSED,
    LatchName.RECONCILE: Tag.SAFETY_RECON_BLOCK,
    LatchName.UNKNOWN_ORDER: Tag.SAFETY_UNKNOWN_ORDER,
}


def check(account: AccountContext, symbol: str) -> Verdict:
    if account.halt_reason is not None:
        sentence = f"a halt file forbids entries: {account.halt_reason or 'no reason given'}"
        return Verdict("latches", False, sentence, tag=Tag.SAFETY_HALT, context=(("symbol", symbol),))
    if account.latches:
        latch = first_blocking(account.latches, symbol)
        if latch is not None:
            return _latched(latch, symbol)
    if not account.recovered:
        why = account.recovery_reason or "start-up has not read every source yet"
        return _blocked(f"venue and store do not agree yet: {why}", symbol)
    if account.snapshot.doubts:
        return _blocked(f"the venue's lists are not complete: {account.snapshot.doubts[0]}", symbol)
    disagreement = account.disagreements.get(symbol)
    if disagreement is not None:
        return _blocked(f"the books disagree on {symbol}: {disagreement}", symbol)
    if account.unlisted:
        # Its notional and margin are not in the picture either: no limit of the account can be told from it.
        missing = min(account.unlisted)
        return _blocked(f"the venue's picture lacks a position, {missing}: {account.disagreements[missing]}", symbol)
    return Verdict("latches", True, "no latch, no halt file, and the books agree")


def _blocked(sentence: str, symbol: str) -> Verdict:
    return Verdict("latches", False, sentence, tag=Tag.SAFETY_RECON_BLOCK, context=(("symbol", symbol),))


def _latched(latch: Latch, symbol: str) -> Verdict:
    return Verdict(
        "latches",
        False,
        f"{latch.title} set by {latch.set_by}: {latch.reason}; cleared by: {latch.cleared_by}",
        tag=_TAGS[latch.name],
        context=(("symbol", symbol), ("latch", latch.name.value), ("set_at_ms", str(latch.set_at_ms))),
    )
