"""The vocabulary of a scenario's file: each step and each expectation, what it is given, and what it says.

What the words do is in `steps.py` and `expect.py`; here is only how they are written, so that a file can be held
against it, with places, before anything runs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from tradectl.domain.intent import Purpose
from tradectl.domain.system_state import LatchName, SystemState
from tradectl.domain.tags import Tag
from tradectl.errors import ExitCode
from tradectl.store import edited

REQUIRED = object()
MAX_MS = 6 * 3_600_000  # of one duration: a scenario is short
_UNIT_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000}

OPERATIONS = (
    "killswitch activate", "killswitch clear", "ess trip", "ess reset", "pause", "resume", "flatten",
    "positions close", "stops place-missing", "reconcile", "reconcile --adopt", "second bot",
)  # fmt: skip
BY_HAND = ("buy", "sell", "close", "cancel_stop", "rest_buy")
FAULTS = (
    "outage", "refuse_stops", "forbid_stops", "refuse_first_target", "cancels_not_found", "rate_limit", "lose_answers",
    "late_fills",
)  # fmt: skip
ACTIONS = tuple(purpose.value for purpose in Purpose)
ENDINGS = {code.name.lower(): code for code in ExitCode}


@dataclass(frozen=True, slots=True)
class Arg:
    """One value of a step. `read` raises ValueError with a sentence. A default of REQUIRED: it must be there."""

    name: str
    read: Callable[[str], Any]
    default: Any = REQUIRED


@dataclass(frozen=True, slots=True)
class Word:
    """The first argument may be written bare: `wait: 3m` is `wait: {for: 3m}`."""

    name: str
    says: str
    args: tuple[Arg, ...] = ()

    def arg(self, name: str) -> Arg | None:
        return next((each for each in self.args if each.name == name), None)


def duration(text: str) -> int:
    """'90s', '5m', '1h' → ms."""
    found = re.fullmatch(r"(-?)(\d{1,6}(?:\.\d{1,3})?)(ms|s|m|h)", text)
    if found is None:
        raise ValueError("write a number with ms, s, m or h, like 90s or 5m")
    ms = int(Decimal(found[2]) * _UNIT_MS[found[3]])
    if ms > MAX_MS:
        raise ValueError("a scenario's times are six hours at most")
    return -ms if found[1] else ms


def share(text: str) -> Decimal:
    """'3%' or '0.03', signed; up to a hundredfold and a little more."""
    body = text.removesuffix("%").strip()
    try:
        value = Decimal(body) / (100 if text.endswith("%") else 1)
    except InvalidOperation as error:
        raise ValueError("write a percentage, like -3% or 0.03") from error
    if not value.is_finite() or abs(value) > 1000:
        raise ValueError("a share lies between -1000 and 1000")
    return value


def count(text: str) -> int:
    if not re.fullmatch(r"\d{1,4}", text):
        raise ValueError("write a whole number")
    return int(text)


def words(text: str) -> str:
    if not text.strip() or len(text) > 200:
        raise ValueError("write a text of 200 characters at most")
    return text


def one_of(*allowed: str, listed_by: str = "") -> Callable[[str], str]:
    """listed_by: the command that lists them, where they are too many for a message."""
    known = f"all of them: {listed_by}" if listed_by else f"it is one of {', '.join(allowed)}"

    def read(text: str) -> str:
        if text not in allowed:
            raise ValueError(f"{_near(text, allowed)}{known}")
        return text

    return read


def _near(text: str, allowed: tuple[str, ...]) -> str:
    from difflib import get_close_matches

    near = get_close_matches(text, allowed, 1, 0.6)
    return f"did you mean {near[0]}? " if near else ""


_TAGS = one_of(*(tag.value for tag in Tag), listed_by="tradectl explain")
_MARKET = Arg("market", one_of("first", "other"), "first")
_WITHIN = Arg("within", duration, 60_000)
_FOR = Arg("for", duration, 60_000)
_LATCH = one_of(*(name.value for name in LatchName))

STEPS: Mapping[str, Word] = {
    each.name: each
    for each in (
        Word(
            "signal",
            "prices make the configured strategy give a signal in the first market",
            (Arg("until", one_of("enters", "decided", "sent"), "enters"), Arg("within", duration, 180_000)),
        ),
        Word("price", "the price moves", (Arg("by", share), Arg("over", duration, 60_000), _MARKET)),
        Word(
            "price_past",
            "the price goes through the position's stop or target",
            (Arg("what", one_of("stop", "target")), Arg("by", share, Decimal("0.003"))),
        ),
        Word("wait", "time passes", (Arg("for", duration),)),
        Word(
            "wait_for",
            "until it is so",
            (Arg("what", one_of("flat", "held", "halted", "normal")), Arg("within", duration, 300_000)),
        ),
        Word(
            "by_hand",
            "somebody trades on the exchange's page; size: notional, of equity",
            (Arg("do", one_of(*BY_HAND)), Arg("size", share, Decimal("0.05")), Arg("leverage", count, None), _MARKET),
        ),
        Word(
            "operator",
            "an operator's command; market: where it has one, else that of the position",
            (Arg("do", one_of(*OPERATIONS)), Arg("market", one_of("first", "other"), None)),
        ),
        Word(
            "while_entering",
            "the bot freezes as it sends its next entry, and an operator's command is given meanwhile",
            (Arg("do", one_of("killswitch activate", "pause")), Arg("frozen", duration, 30_000)),
        ),
        Word(
            "dies_entering",
            "the bot is killed once its next entry has left, which arrives so much later",
            (Arg("late", duration, 2_000),),
        ),
        Word("bot", "the bot's process", (Arg("do", one_of("start", "kill", "stop")),)),
        Word(
            "fault",
            "something goes wrong at the venue",
            (Arg("kind", one_of(*FAULTS)), Arg("for", duration)),
        ),
        Word("disk", "the disk goes wrong", (Arg("state", one_of("full", "locked", "readonly")), Arg("for", duration))),
        Word("edit_store", "somebody deletes from the bot's store by hand", (
            Arg("delete", one_of(*edited.TABLES)),)),
        Word(
            "own_error",
            "the bot's own code fails there: what it reads from memory is incomplete",
            (Arg("in", one_of("sizing", "summary")), Arg("for", duration)),
        ),
        Word("clock", "this machine's clock is set", (Arg("by", duration),)),
        Word("transfer", "money comes (or, below 0, goes), of equity", (Arg("share", share),)),
        Word("venue", "what the venue allows in a market", (
            Arg("status", one_of("trading", "reduce_only", "halted")), _MARKET)),
        Word("funding", "funding is charged at this rate", (Arg("rate", share), _MARKET)),
    )
}  # fmt: skip

EXPECTATIONS: Mapping[str, Word] = {
    each.name: each
    for each in (
        Word("log", "this tag is logged", (Arg("tag", _TAGS), Arg("says", words, ""), _WITHIN)),
        Word("no_log", "this tag is not logged", (Arg("tag", _TAGS), _FOR)),
        Word("alert", "an alert of this type is delivered", (Arg("type", words), _WITHIN)),
        Word("state", "the system's state", (Arg("is", one_of(*(one.value for one in SystemState))), _WITHIN)),
        Word("latch", "this latch stands", (Arg("name", _LATCH), Arg("says", words, ""), _WITHIN)),
        Word("no_latch", "this latch does not stand", (Arg("name", _LATCH), _WITHIN)),
        Word("refused", "a gate refuses the first market", (Arg("gate", words), Arg("says", words, ""), _WITHIN)),
        Word("decision", "what `why` keeps of the first market's last decision", (
            Arg("outcome", one_of("entered", "refused", "error")), Arg("says", words, ""), _WITHIN)),
        Word("recorded", "the exchange's orders of this kind stand in the store as it took them, one at least", (
            Arg("kind", one_of(*ACTIONS)), _WITHIN)),
        Word("targets", "which targets rest at the exchange in the first market", (
            Arg("resting", one_of("none", "tp1", "tp2", "both")), _WITHIN)),
        Word("no_entry", "no entry order reaches the exchange, from the round's start", (_FOR,)),
        Word("entries", "so many entries in all, and no more after a while", (Arg("count", count), _FOR)),
        Word("stops", "every position is covered, or the same stops still stand", (
            Arg("are", one_of("covering", "kept")), _WITHIN)),
        Word("position", "what the exchange holds", (Arg("is", one_of("held", "flat")), _MARKET, _WITHIN)),
        Word("worth", "the first market's position at the exchange, notional, of equity", (
            Arg("at_least", share), Arg("at_most", share))),
        Word("orders", "what rests at the exchange in a market", (Arg("are", one_of("none")), _MARKET, _WITHIN)),
        Word("calls", "how often the bot asked the exchange since the round began", (Arg("at_most", count),)),
        Word("answered", "how the operator's last command of this name ended", (
            Arg("do", one_of(*OPERATIONS)), Arg("exit", one_of(*ENDINGS)))),
        Word("bot", "the bot's process", (Arg("is", one_of("running", "gone")), Arg("says", words, ""), _WITHIN)),
    )
}  # fmt: skip
