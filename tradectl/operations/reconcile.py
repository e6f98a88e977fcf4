"""`tradectl reconcile`: venue against books, what differs, and what is to be done about it; the bot's own code.

The plan that was shown is the plan that is carried out: before anything is done the world is read again, and where
positions, orders or books have moved since, it is refused (their fingerprint differs).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tradectl.domain.finding import Severity
from tradectl.errors import ExitCode, Refused, UsageError, VenueUnreachable
from tradectl.execution.reconcile import Plan
from tradectl.execution.reconcile_apply import Done, Reconciler
from tradectl.execution.reconcile_read import find
from tradectl.execution.resolve import adopt_doubt, resolve
from tradectl.execution.submit import Door
from tradectl.operations import act_record, symbols
from tradectl.operations.killswitch_venue import Books
from tradectl.operations.opening import Desk, wall_ms
from tradectl.operations.stop_rules import StopRules
from tradectl.store.identity import Identity

SUBJECT = "reconcile"
_LISTED = 40
SCHEMA = "tradectl/reconcile-plan/1"
_CODES = {
    Severity.AGREES: ExitCode.OK,
    Severity.DRIFT: ExitCode.DRIFT,
    Severity.PERSON: ExitCode.REFUSED,
    Severity.UNREADABLE: ExitCode.BUSY,
}


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """`adopt`: symbols in which an operator takes the venue's picture over the books.

    in_doubt: client ids of requests whose outcome is not known; a bot that is alive settles them, else `apply` does.
    """

    identity: Identity
    path: Path
    plan: Plan
    adopt: frozenset[str]
    in_doubt: tuple[str, ...] = ()
    bot_alive: bool = False

    @property
    def severity(self) -> Severity:
        return max(self.plan.severity, Severity.DRIFT if self.in_doubt else Severity.AGREES)

    @property
    def exit_code(self) -> ExitCode:
        return _CODES[self.severity]

    @property
    def anything_to_do(self) -> bool:
        return bool(self.plan.actions) or (bool(self.in_doubt) and not self.bot_alive)


@dataclass(frozen=True, slots=True)
class Applied:
    """`after` is a fresh plan, of the world as it is now: its severity is what is left."""

    before: Reconciliation
    done: tuple[Done, ...]
    after: Reconciliation
    notes: tuple[str, ...] = ()

    @property
    def exit_code(self) -> ExitCode:
        if any(one.failed for one in self.done) and self.after.exit_code is ExitCode.OK:
            return ExitCode.DRIFT
        return self.after.exit_code


async def symbols_of(desk: Desk, typed: Sequence[str]) -> frozenset[str]:
    """Symbols as an operator types them, as the venue knows them. Raises UsageError, VenueUnreachable."""
    if not typed:
        return frozenset()
    listed = await desk.venue.instruments()
    return frozenset(symbols.match(one, listed, desk.venue.currency, whose="the venue") for one in typed)


async def plan(books: Books, desk: Desk, rules: StopRules, adopt: frozenset[str]) -> Reconciliation:
    """Reads both sides; changes nothing. Raises VenueUnreachable, StoreBusy and its kin."""
    db = books.db
    assert db is not None, "reconciliation needs the store"
    report_only, guard = not rules.protection.unexplained, books.guard()
    found = await find(db, desk.venue, sides=rules.sides, adopt=adopt, report_only=report_only, guard=guard)
    unknown = sorted(adopt - {one.symbol for one in found.findings})
    if unknown:
        raise UsageError(
            f"there is nothing to adopt in {', '.join(unknown)}",
            why="neither the venue nor the books hold it",
            hint="tradectl reconcile lists what differs",
        )
    doubtful = tuple(intent.client_id for intent in books.in_doubt() or ())
    return Reconciliation(db.identity, books.path, found, adopt, doubtful, books.bot_alive(wall_ms()))


async def apply(
    books: Books, desk: Desk, rules: StopRules, shown: Reconciliation, *, reason: str, actor: str
) -> Applied:
    """Carries out what was shown, and reads both sides again. Raises Refused when the world has moved since."""
    db = books.db
    assert db is not None
    now = await plan(books, desk, rules, shown.adopt)
    _same_world(shown, now)
    if now.in_doubt and not now.bot_alive:
        # Nobody else will ask what became of a dead bot's orders.
        adopt_doubt(db, desk.clock, reason="left in doubt by a bot that is gone")
        await resolve(db, desk.venue, desk.clock, max_skew_ms=rules.protection.max_skew_ms, actor=actor)
        now = await plan(books, desk, rules, shown.adopt)
    window_ms = books.windows().recv_window_ms
    door = Door(db, desk.venue, desk.clock, epoch=0, actor=actor, recv_window_ms=window_ms)
    instruments = await desk.venue.instruments()
    hands = Reconciler(db, desk.venue, desk.clock, door, instruments, rules.protection, actor=actor)
    done = await hands.apply(now.plan)
    differing = [one for one in shown.plan.findings if one.severity is not Severity.AGREES]
    body: dict[str, object] = {
        "reason": reason,
        "adopt": sorted(shown.adopt),
        "before": [f"{one.kind.value} {one.symbol}: {one.evidence}" for one in differing][:_LISTED],
        "done": [f"{one.action.kind.value} {one.action.scope}: {one.sentence}" for one in done][:_LISTED],
    }
    with suppress(VenueUnreachable):  # only the picture for `state show`, which says how old it is
        books.seen = await desk.venue.snapshot()
    short = f"{len(differing)} findings, {len(done)} steps: {reason}"
    saved = act_record.save(books, SUBJECT, body, short, actor=actor, at_ms=wall_ms())
    after = await plan(books, desk, rules, frozenset())
    return Applied(shown, done, after, (saved.trouble,) if saved.trouble else ())


def _same_world(shown: Reconciliation, now: Reconciliation) -> None:
    if shown.plan.fingerprint != now.plan.fingerprint:
        raise Refused(
            "the world has moved since this plan was made: nothing was done",
            where=str(now.path),
            why="positions, orders or books are not what they were then",
            hint="look again: tradectl reconcile",
        )


def save(shown: Reconciliation, file: Path) -> None:
    """Writes the plan to a file that `load` takes. Raises Refused when it cannot be written."""
    body = {
        "schema": SCHEMA,
        "account": shown.identity.account,
        "venue": shown.identity.venue,
        "environment": shown.identity.environment,
        "store": str(shown.path),
        "at_ms": shown.plan.at_ms,
        "fingerprint": shown.plan.fingerprint,
        "adopt": sorted(shown.adopt),
        "findings": [
            [one.kind.value, one.symbol, one.evidence, one.automatic, one.person] for one in shown.plan.findings
        ],
    }
    try:
        file.write_text(json.dumps(body, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise Refused("the plan could not be saved", where=str(file), why=str(error.strerror)) from error


@dataclass(frozen=True, slots=True)
class Saved:
    """A plan from a file: which world it is of, and what it adopts."""

    fingerprint: str
    adopt: frozenset[str]


def load(file: Path, identity: Identity) -> Saved:
    """Raises UsageError for a file that is no plan, Refused for one of another account."""
    try:
        body: Mapping[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        if body["schema"] != SCHEMA:
            raise KeyError("schema")
        whose = (body["account"], body["venue"], body["environment"])
        saved = Saved(str(body["fingerprint"]), frozenset(str(symbol) for symbol in body["adopt"]))
    except OSError as error:
        raise UsageError("the plan cannot be read", where=str(file), why=str(error.strerror)) from error
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(
            "that file is not a plan of tradectl reconcile", where=str(file), hint="tradectl reconcile --save FILE"
        ) from error
    if whose != (identity.account, identity.venue, identity.environment):
        raise Refused(
            f"the plan is of {' · '.join(whose)}, the store of {identity}",
            where=str(file),
            hint="name the plan's own store with --state",
        )
    return saved


def of_saved(saved: Saved, now: Reconciliation) -> Reconciliation:
    """The world as it is, if it is still the one that the saved plan was made of. Raises Refused."""
    if saved.fingerprint != now.plan.fingerprint:
        raise Refused(
            "the world has moved since this plan was saved: nothing was done",
            where=str(now.path),
            why="positions, orders or books are not what they were then",
            hint="make a new one: tradectl reconcile --save FILE",
        )
    return now
