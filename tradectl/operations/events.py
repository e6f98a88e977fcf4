"""The journal, filtered and followed: what was intended, what came of it, who changed what."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from tradectl.domain.tags import Tag
from tradectl.errors import StoreBusy, UsageError
from tradectl.operations import symbols
from tradectl.operations.times import parse_since
from tradectl.operations.why import known_symbols
from tradectl.store import cycles, journal
from tradectl.store.cycles import Progress
from tradectl.store.database import Database
from tradectl.store.journal import Entry

PAGE_ROWS = 1000  # read at a time, so that no read holds the lock for long
POLL_SECONDS = 0.5
_SAME_CLOCK_MS = 120_000  # a venue's clock further from this machine's than this is a simulated one
_WORDS: dict[str, tuple[tuple[str, ...], str]] = {
    "fill": (
        ("reason", "side", "qty", "price", "fee", "realised"),
        "{reason} {side} {qty} at {price}, fee {fee}, realised {realised}",
    ),
    "trade": (
        ("side", "reason", "net", "gross", "fees", "funding"),
        "{side} closed by {reason}, net {net} (gross {gross}, fees {fees}, funding {funding})",
    ),
    "funding": (("amount", "rate"), "{amount} at rate {rate}"),
}
_OF_ORDERS = ("side", "type", "qty")
_PREFIXES = ("safety_", "signal_rejected_", "signal_")


@dataclass(frozen=True, slots=True)
class Event:
    """One journal row. `at_ms` is the venue's clock for what happened there, wall time for what was done here."""

    seq: int
    at_ms: int
    kind: str
    actor: str
    subject: str
    symbol: str
    sentence: str
    body: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Filter:
    kind: str | None = None
    tag: str | None = None
    since_ms: int | None = None
    symbol: str | None = None


def make_filter(
    db: Database, *, kind: str | None, tag: str | None, since: str | None, symbol: str | None, now_ms: int
) -> Filter:
    """From what was typed. A span ('2h') counts back from now, on a simulated venue from its own present.

    Raises UsageError for an unknown kind, tag, time or symbol.
    """
    if kind is not None and kind not in journal.KINDS:
        raise UsageError(f"there is no kind '{kind}'", hint=f"one of: {', '.join(journal.KINDS)}")
    with db.read() as conn:
        done = cycles.progress(conn)
        known = known_symbols(conn) if symbol is not None else set()
    return Filter(
        kind=kind,
        tag=None if tag is None else _tag(tag),
        since_ms=None if since is None else parse_since(since, _present_ms(done, now_ms)),
        symbol=None if symbol is None else symbols.match(symbol, known, db.identity.currency),
    )


def last(db: Database, chosen: Filter, limit: int) -> list[Event]:
    """The last `limit` rows that pass, oldest first."""
    if chosen.tag is None and chosen.since_ms is None:
        with db.read() as conn:
            newest = journal.latest(conn, limit, kind=chosen.kind, symbol=chosen.symbol)
        return [_event(entry) for entry in reversed(newest)]
    kept: deque[Entry] = deque(maxlen=limit)
    for entry in _entries(db, chosen, 0):
        kept.append(entry)
    return [_event(entry) for entry in kept]


def follow(db: Database, chosen: Filter, after: int, sleep: Callable[[float], None]) -> Iterator[Event]:
    """Every row after number `after` as it is written, for ever. A busy store is asked again."""
    while True:
        try:
            for entry in _entries(db, chosen, after):
                after = entry.seq
                yield _event(entry)
        except StoreBusy:
            sleep(POLL_SECONDS)  # somebody holds the lock for long: nothing is lost, the rows come with the next look
        sleep(POLL_SECONDS)


def newest_seq(db: Database) -> int:
    with db.read() as conn:
        return journal.head(conn)[0]


def _entries(db: Database, chosen: Filter, after: int) -> Iterator[Entry]:
    """Page by page, each in a read of its own."""
    while True:
        with db.read() as conn:
            rows = journal.page(conn, after, PAGE_ROWS, chosen.kind, chosen.since_ms, chosen.symbol)
        yield from (entry for entry in rows if chosen.tag is None or _has_tag(entry, chosen.tag))
        if len(rows) < PAGE_ROWS:
            return
        after = rows[-1].seq


def _present_ms(done: Progress, now_ms: int) -> int:
    simulated = done.cycle and abs(done.venue_ms - done.wall_ms) > _SAME_CLOCK_MS
    return done.venue_ms if simulated else now_ms


def _tag(typed: str) -> str:
    """A tag of the log (SAFETY_DAILY_LOSS), or what it tells of (daily_loss, latch, kill_switch)."""
    lowered = typed.strip().lower().replace("-", "_")
    if not lowered:
        raise UsageError("no tag was named", hint=f"for example {Tag.SAFETY_DAILY_LOSS}")
    for prefix in _PREFIXES:
        if lowered.startswith(prefix) and lowered != prefix:
            return lowered.removeprefix(prefix)
    return lowered


def _has_tag(entry: Entry, tag: str) -> bool:
    haystack = [entry.kind, entry.subject.lower().replace("-", "_"), str(entry.body.get("latch", ""))]
    return any(tag in part for part in haystack)


def _event(entry: Entry) -> Event:
    return Event(
        entry.seq,
        entry.at_ms,
        entry.kind,
        entry.actor,
        entry.subject,
        entry.symbol,
        _sentence(entry),
        entry.body,
    )


def _sentence(entry: Entry) -> str:
    """A row in words: its own sentence where it has one, else its kind's, else its fields."""
    body = entry.body
    if "sentence" in body:
        detail = f" ({body['detail']})" if body.get("detail") else ""
        return f"{entry.subject}: {body['sentence']}{detail}"
    before, after = body.get("before"), body.get("after")
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        return _change(entry, before, after)
    needed, words = _WORDS.get(entry.kind, ((), ""))
    if words and all(name in body for name in needed):  # a row of another version is told by its fields
        return f"{entry.subject}: {words.format_map(body)}"
    if "cancels_order_id" in body:  # of a cancel, side and type say nothing: only which order it ends
        body = {"cancels" if key == "cancels_order_id" else key: body[key] for key in body if key not in _OF_ORDERS}
    parts = [f"{key}={_field(value)}" for key, value in body.items() if value not in (None, "", [], {})]
    return f"{entry.subject}: {' '.join(parts)}" if parts else entry.subject


def _change(entry: Entry, before: Mapping[str, object], after: Mapping[str, object]) -> str:
    """An operator's change: what, why, before and after (promise 11)."""
    steps = "; ".join(f"{name}: {was} → {after.get(name, '')}" for name, was in before.items())
    against = " AGAINST A CAUSE THAT STILL HELD" if entry.body.get("override") is True else ""
    return f"{entry.subject}{against} ({entry.body.get('reason', 'no reason given')}): {steps}"


def _field(value: object) -> str:
    if isinstance(value, Mapping):
        return "(" + ", ".join(f"{name}: {part}" for name, part in value.items()) + ")"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return "(" + "; ".join(_field(part) for part in value) + ")"
    return str(value)
