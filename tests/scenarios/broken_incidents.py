"""The same as `broken`, for the incidents that came to this: what each bot of that time did, put back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import old_faults
from broken import BROKEN as BROKEN
from broken import Break as Break
from broken import breaks

from tradectl.domain import lifecycle
from tradectl.domain.intent import Purpose
from tradectl.domain.lifecycle import PositionEvent
from tradectl.domain.signal import Decision, Verdict
from tradectl.domain.tags import Tag
from tradectl.engine import reconciling, recover, state, telling
from tradectl.execution import protect, unprotectable
from tradectl.execution.booking import Booking
from tradectl.execution.reconcile import Plan
from tradectl.execution.reconcile_sides import Local
from tradectl.risk import pipeline
from tradectl.store import intents


@breaks("incident-04")
def a_cancel_has_no_side() -> Iterator[None]:
    """What acts on an order has no side of its own, and the record wants one."""
    real = intents.record

    def record(conn: Any, draft: Any, **more: Any) -> Any:
        if draft.purpose in (Purpose.CANCEL, Purpose.AMEND):
            nothing: dict[str, Any] = {"side": None}
            draft = replace(draft, **nothing)
        return real(conn, draft, **more)

    with patch.object(intents, "record", record):
        yield


BROKEN.setdefault("incident-05", []).append(old_faults.a_plan_is_placed_whole_or_not_at_all)
BROKEN.setdefault("incident-07", []).append(old_faults.cancel_and_place_share_one_block)


@breaks("incident-06")
def the_registry_alone_says_what_is_held() -> Iterator[None]:
    """What is registered with nothing in it is archived, and the exchange is not asked whether a market is taken."""

    async def archive(bot: Any, picture: Any) -> Plan:
        with bot.db.transaction() as conn:
            conn.execute("UPDATE positions SET state = 'closed' WHERE state = 'pending' AND entry_qty = '0'")
        bot.memory.reconciled_ms = bot.clock.now_ms()
        return Plan(picture.at_ms, (), (), "")

    def registered(ctx: Any, signal: Any) -> Verdict:
        free = not ctx.local_open and ctx.symbol not in ctx.account.pending_symbols
        return Verdict("occupied", free, "as the registry says")

    gates = tuple(gate for gate in pipeline.ON_SIGNAL if not gate.__module__.endswith("occupied"))
    with (
        patch.object(reconciling, "reconcile", archive),
        patch.object(recover, "reconcile", archive),
        patch.object(state, "compare_books", lambda snapshot, trades: {}),
        patch.object(pipeline, "ON_SIGNAL", (*gates, registered)),
    ):
        yield


@breaks("incident-07", "naked-position-strikes")
def the_first_refusal_is_an_emergency() -> Iterator[None]:
    with patch.object(protect, "TRIES", 1), patch.object(unprotectable, "borne", lambda *args: ""):
        yield


@breaks("naked-position-strikes")
def a_start_has_no_grace() -> Iterator[None]:
    real = unprotectable.borne

    def at_once(strikes: Any, rules: Any, position: Any, refusal: Any, now_ms: int) -> str:
        return real(strikes, replace(rules, grace_ms=0), position, refusal, now_ms)

    with patch.object(unprotectable, "borne", at_once):
        yield


@breaks("naked-position-strikes")
def one_strike_is_enough() -> Iterator[None]:
    real = unprotectable.borne

    def impatient(strikes: Any, rules: Any, position: Any, refusal: Any, now_ms: int) -> str:
        return real(strikes, replace(rules, strikes=1), position, refusal, now_ms)

    with patch.object(unprotectable, "borne", impatient):
        yield


@breaks("naked-position-strikes")
def a_refusal_is_borne_for_ever() -> Iterator[None]:
    real = unprotectable.borne
    with patch.object(unprotectable, "borne", lambda *args: real(*args) or "it is tried again"):
        yield


@breaks("incident-08")
def the_takeover_leads_to_a_state_that_does_not_exist() -> Iterator[None]:
    nowhere = (SimpleNamespace(value="active", alive=True), "taken over from the venue")
    with patch.dict(lifecycle._NEXT, {(None, PositionEvent.TAKEN_OVER): nowhere}):
        yield


@breaks("incident-09")
def a_market_that_fails_is_passed_over() -> Iterator[None]:
    """As with `except Exception: continue`."""

    def in_silence(bot: Any, symbol: str, error: Exception) -> Decision:
        return Decision(symbol, telling.WAITING, "passed_over", "", None)

    with patch.object(telling, "failed", in_silence):
        yield


@breaks("incident-09")
def a_market_that_fails_is_not_on_record() -> Iterator[None]:
    """It is logged, and `why` knows nothing of it."""
    real = telling.failed

    def unrecorded(bot: Any, symbol: str, error: Exception) -> Decision:
        return replace(real(bot, symbol, error), outcome=telling.WAITING)

    with patch.object(telling, "failed", unrecorded):
        yield


@breaks("incident-10")
def a_summary_fails_in_silence() -> Iterator[None]:
    real = telling.summary_fields

    def summary(bot: Any, report: Any) -> None:
        try:
            fields = real(bot, report)
        except TypeError:
            return
        telling._log.emit(Tag.CYCLE_SUMMARY, "a cycle", fields)

    with patch.object(telling, "summary", summary):
        yield


@breaks("incident-10")
def a_summary_that_fails_takes_its_cycle_with_it() -> Iterator[None]:
    """It is said, and then the cycle counts as failed: its candle is decided upon again and again."""
    real = telling.summary

    def summary(bot: Any, report: Any) -> None:
        real(bot, report)
        telling.summary_fields(bot, report)

    with patch.object(telling, "summary", summary):
        yield


@breaks("reconcile-adopt")
def fills_explain_nothing() -> Iterator[None]:
    """Only what it has heard of is the bot's, whatever the exchange's own fills say."""
    with (
        patch.object(Local, "held_by_us", lambda self, symbol: False),
        patch.object(Booking, "_entry_of", lambda self, fill: (None, False)),
    ):
        yield
