"""The emergency journal of promise 1: protection is recorded here where the store cannot be written; imported later.

A file beside the store (`<store>.emergency`), allocated in full while all is well, so that a full disk cannot refuse
it. Only reduce-only orders and cancels may be recorded here; entries need the store. Each record is written and synced
before its request leaves. `absorb` journals each record once, however often it is called; `clear` then voids what was
absorbed, and nothing that came after. What cannot be read is skipped, kept, and told of. Its header says whose store
it lies beside and how long that bot's requests live, for a kill switch that cannot read the store.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from tradectl.errors import StoreDamaged, StoreUnwritable
from tradectl.store import emergency_file, emergency_intents, encoding, files, journal
from tradectl.store.emergency_file import CAPACITY, SIZE_BYTES, Block, Content
from tradectl.store.identity import Identity

__all__ = [
    "CAPACITY", "SIZE_BYTES", "Absorbed", "Facts", "Found", "absorb", "clear", "look", "path_of", "prepare", "record",
    "waiting",
]  # fmt: skip

_FIELDS = {"at_ms": int, "kind": str, "actor": str, "symbol": str, "body": dict}
_NAME_CHARS = 64  # of an actor or symbol
_SHORTEST_CHARS = 40  # a value of the body is not cut below this
_EXCERPTS = 5  # of damaged places, in the row that tells of them


@dataclass(frozen=True, slots=True)
class Facts:
    """The header: whose store this is, the bot's receive window, its bound on the difference of clocks, and whether
    it only guards the account."""

    identity: Identity
    recv_window_ms: int
    max_clock_skew_ms: int
    guard: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """What the file holds now. `damaged`: a sentence for each thing that is wrong with it; nothing of it is raised.

    `unreadable`: why not even the file can be read; then the rest is empty and means nothing (promise 4).
    """

    records: tuple[dict[str, Any], ...] = ()
    damaged: tuple[str, ...] = ()
    facts: Facts | None = None
    unreadable: str = ""

    @property
    def troubles(self) -> tuple[str, ...]:
        return (*self.damaged, *((self.unreadable,) if self.unreadable else ()))


@dataclass(frozen=True, slots=True)
class Absorbed:
    """What one `absorb` took in: `new` rows of the journal; for `clear`: the last number seen, the damaged places."""

    new: int = 0
    upto: int = 0
    bad: tuple[tuple[int, bytes], ...] = ()
    troubles: tuple[str, ...] = ()


def path_of(store_path: Path | str) -> Path:
    return _beside(Path(store_path).absolute())


@lru_cache(maxsize=32)
def _beside(absolute: Path) -> Path:
    """Resolved once in a process: it is looked at in every cycle, and stays beside the store that was opened."""
    store = absolute.resolve()
    return store.with_name(store.name + ".emergency")


def prepare(store_path: Path | str, facts: Facts | None = None) -> Path:
    """Allocates the file (mode 0600) unless it is there, and writes its header. Raises StoreUnwritable."""
    path = path_of(store_path)
    try:
        with emergency_file.opened(path, write=True, create=True) as handle:
            changed = emergency_file.allocate(handle)
            content = emergency_file.parse(emergency_file.read(handle))
            header = _header_text(facts) if facts is not None else content.header
            if header is not None and header != content.header:
                emergency_file.write_header(handle, header)
                changed = True
            if content.mark is None and not content.live and not content.bad:
                emergency_file.write_mark(handle, 0)
                changed = True
            if changed:
                os.fsync(handle)
        if changed:
            files.sync_folder(str(path))
    except (OSError, ValueError) as error:
        raise StoreUnwritable(
            "The emergency journal beside the store cannot be made ready",
            where=str(path),
            why=_why(error),
            hint="it must be writable for whoever runs the bot, and its 64 KiB must fit on the disk",
        ) from error
    return path


def record(
    store_path: Path | str, *, at_ms: int, kind: str, actor: str, body: Mapping[str, object], symbol: str = ""
) -> None:
    """Appends one record, durably, before its request leaves. Raises StoreUnwritable when even this cannot be done.

    `kind` is a journal kind; body and the rest are what the journal will get. Long texts of the body are cut to fit.
    """
    if kind not in journal.KINDS:
        raise ValueError(f"{kind!r} is no kind of the journal")
    entry = {"at_ms": at_ms, "kind": kind, "actor": actor[:_NAME_CHARS], "symbol": symbol[:_NAME_CHARS]}
    path = path_of(store_path)
    try:
        text = _fitting(entry, body)
        with emergency_file.opened(path, write=True, create=True) as handle:
            content = emergency_file.parse(emergency_file.read(handle))
            if not content.free:
                raise StoreUnwritable(
                    "The store cannot be written and its emergency journal is full",
                    where=str(path),
                    why=f"{len(content.live)} records wait for their import",
                    hint="make the store writable, then: tradectl killswitch activate (it imports them and goes on)",
                )
            emergency_file.write(handle, emergency_file.pack(text, content.last_number + 1), content.free[0])
            os.fsync(handle)
            made_now = content.mark is None and content.header is None
        if made_now:
            files.sync_folder(str(path))
    except (OSError, ValueError) as error:
        raise StoreUnwritable(
            "Neither the store nor its emergency journal can be written",
            where=str(path),
            why=_why(error),
            hint="free space or restore the disk; until then orders can be sent only at the venue itself",
        ) from error


def look(store_path: Path | str) -> Found:
    """Everything that can be read of it, and what cannot. Never raises."""
    found, _ = _read(path_of(store_path))
    return found


def waiting(store_path: Path | str) -> list[dict[str, Any]]:
    """The records that were not cleared yet, oldest first. Raises StoreDamaged when the file cannot be read."""
    found = look(store_path)
    if found.unreadable:
        raise StoreDamaged(
            "The emergency journal cannot be read",
            where=str(path_of(store_path)),
            why=found.unreadable,
            hint="keep a copy of it for the record, then move it away",
        )
    return list(found.records)


def absorb(conn: sqlite3.Connection, store_path: Path | str, *, at_ms: int) -> Absorbed:
    """Journals every waiting record in the caller's transaction, each once, and once that something was damaged.

    Call `clear` with the answer after that transaction has committed; a crash in between imports nothing twice.
    Never raises for the file: what is wrong with it is in `troubles`, to be shown.
    """
    found, content = _read(path_of(store_path))
    if content is None:
        return Absorbed(troubles=found.troubles)
    rows = [(_subject(block), entry) for block, entry in _entries(content)[0]]
    records = {subject for subject, _ in rows}
    if content.bad or found.damaged:
        rows.append(_damage_row(content, found.damaged, at_ms))
    known = _known(conn, [subject for subject, _ in rows])
    fresh = [(subject, entry) for subject, entry in rows if subject not in known]
    for subject, entry in fresh:
        journal.append(
            conn,
            at_ms=entry["at_ms"],
            kind=entry["kind"],
            actor=entry["actor"],
            subject=subject,
            symbol=entry["symbol"],
            body=entry["body"],
        )
        if entry["kind"] == "emergency":
            emergency_intents.take_in(conn, entry)
    if fresh:
        emergency_intents.block_what_is_open(conn, at_ms)
    new = sum(subject in records for subject, _ in fresh)
    return Absorbed(new, content.last_number, content.bad, found.troubles)


def clear(store_path: Path | str, absorbed: Absorbed) -> str:
    """Voids what was absorbed, keeping the space; what was recorded since stays. '' or why it could not be done.

    A record that stays although it was imported costs its place only: it is not imported again.
    """
    if not absorbed.upto and not absorbed.bad:
        return ""
    try:
        with emergency_file.opened(path_of(store_path), write=True) as handle:
            before = emergency_file.read(handle).ljust(SIZE_BYTES, b"\0")
            # The mark first, alone: it voids them all at once, whatever becomes of the erasing.
            mark = max(absorbed.upto, emergency_file.parse(before).mark or 0)
            emergency_file.write_mark(handle, mark)
            os.fsync(handle)
            for offset, block in absorbed.bad:
                if before[offset : offset + len(block)] == block and emergency_file.place_of(offset) != "the mark":
                    emergency_file.erase(handle, offset)
            for place in range(emergency_file.FIRST, emergency_file.PLACES):
                offset = place * emergency_file.PLACE_BYTES
                read = before[offset : offset + emergency_file.PLACE_BYTES]
                known = emergency_file.unpack(read)
                if known is not None and known[0] <= mark:
                    emergency_file.erase(handle, offset)
            os.fsync(handle)
    except FileNotFoundError:
        return ""
    except OSError as error:
        return f"the emergency journal could not be emptied after its import: {_why(error)}"
    return ""


def _read(path: Path) -> tuple[Found, Content | None]:
    try:
        with emergency_file.opened(path, write=False) as handle:
            content = emergency_file.parse(emergency_file.read(handle))
    except FileNotFoundError:
        return Found(), emergency_file.parse(b"")
    except OSError as error:
        return Found(unreadable=f"the emergency journal {path} cannot be read: {_why(error)}"), None
    entries, odd = _entries(content)
    damaged = []
    unread = sorted([offset for offset, _ in content.bad] + [block.offset for block in odd])
    places = [emergency_file.place_of(offset) for offset in unread]
    if places:
        listed = ", ".join(places[:_EXCERPTS]) + (f" and {len(places) - _EXCERPTS} more" if places[_EXCERPTS:] else "")
        damaged.append(f"the emergency journal holds something unreadable, which is skipped: {listed}")
    if gaps := content.gaps():
        listed = ", ".join(str(number) for number in gaps[:_EXCERPTS])
        damaged.append(f"the emergency journal lacks {len(gaps)} of its records (number {listed}): they were lost")
    return Found(tuple(entry for _, entry in entries), tuple(damaged), _facts(content.header)), content


def _entries(content: Content) -> tuple[list[tuple[Block, dict[str, Any]]], list[Block]]:
    """The records, and those blocks that are whole but make no record of this version."""
    good: list[tuple[Block, dict[str, Any]]] = []
    odd: list[Block] = []
    for block in content.live:
        try:
            entry = encoding.load(block.text.decode())
            whole = isinstance(entry, dict) and all(isinstance(entry.get(key), is_a) for key, is_a in _FIELDS.items())
        except ValueError:
            whole = False
        if whole and entry["kind"] in journal.KINDS:
            good.append((block, entry))
        else:
            odd.append(block)
    return good, odd


def _subject(block: Block) -> str:
    return "emergency:" + hashlib.sha256(b"%d:%s" % (block.number, block.text)).hexdigest()[:32]


def _damage_row(content: Content, sentences: tuple[str, ...], at_ms: int) -> tuple[str, dict[str, Any]]:
    unread = [*content.bad, *((block.offset, block.text) for block in _entries(content)[1])]
    excerpts = {emergency_file.place_of(offset): _printable(block) for offset, block in unread[:_EXCERPTS]}
    digest = hashlib.sha256(repr((unread, sentences)).encode()).hexdigest()[:32]
    body = {"step": "damaged", "detail": "; ".join(sentences), "excerpts": excerpts}
    entry = {"at_ms": at_ms, "kind": "emergency", "actor": "tradectl", "symbol": "", "body": body}
    return f"emergency:{digest}", entry


def _printable(block: bytes) -> str:
    shown = block.strip(b"\0").decode("utf-8", "replace")
    return "".join(char if char.isprintable() else "·" for char in shown)[:240]


def _known(conn: sqlite3.Connection, subjects: list[str]) -> set[str]:
    if not subjects:
        return set()
    marks = ",".join("?" * len(subjects))
    return {row[0] for row in conn.execute(f"SELECT subject FROM journal WHERE subject IN ({marks})", subjects)}


def _fitting(entry: Mapping[str, object], body: Mapping[str, object]) -> bytes:
    """The record's text, the longest values of its body cut until it fits. Raises ValueError when it never does."""
    said = dict(body)
    while True:
        text = encoding.dump({**entry, "body": said}).encode("utf-8", "replace")
        over = len(text) - emergency_file.ROOM_BYTES
        if over <= 0:
            return text
        lengths = {key: len(value) for key, value in said.items() if isinstance(value, str)}
        longest = max(lengths, key=lengths.__getitem__, default="")
        value = str(said.get(longest, ""))
        if len(value) <= _SHORTEST_CHARS:
            raise ValueError(f"the record is {over} bytes too long")
        said[longest] = value[: max(_SHORTEST_CHARS - 1, len(value) - max(over // 6, 2))] + "…"


def _header_text(facts: Facts) -> bytes:
    return encoding.dump(asdict(facts)).encode("utf-8", "replace")


def _facts(header: bytes | None) -> Facts | None:
    if header is None:
        return None
    try:
        read = encoding.load(header.decode())
        return Facts(
            Identity(**read["identity"]),
            int(read["recv_window_ms"]),
            int(read["max_clock_skew_ms"]),
            guard=read.get("guard") is True,
        )
    except (ValueError, KeyError, TypeError):
        return None  # another version's: the kill switch does without, as where there is none


def _why(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)
