"""Is the bot alive: its lease, its process and its heartbeat, in one word and one sentence."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from tradectl.operations.times import ago, span
from tradectl.store import files, lease
from tradectl.store.cycles import Progress

STALE_AFTER_MS = 60_000  # four default cycles without one being completed


class Life(StrEnum):
    RUNNING = "RUNNING"
    STALE = "STALE"
    NOT_RUNNING = "NOT RUNNING"


class BotLife(NamedTuple):
    """Wall times in ms; None where there is nothing to say."""

    status: Life
    sentence: str
    pid: int | None
    host: str | None
    epoch: int | None
    since_ms: int | None
    heartbeat_ms: int | None
    cycle: int | None
    cycle_wall_ms: int | None
    cycle_venue_ms: int | None


def judge(row: lease.LeaseRow | None, done: Progress, now_ms: int) -> BotLife:
    """`row` and `done` as stored; the process table is asked where the holder is of this host."""
    status, sentence = _status(row, now_ms)
    if done.cycle:
        sentence += f"; last cycle {done.cycle}, {ago(done.wall_ms, now_ms)}"
    else:
        sentence += "; no cycle completed yet"
    return BotLife(
        status=status,
        sentence=sentence,
        pid=row.holder.pid if row else None,
        host=row.holder.host if row else None,
        epoch=row.epoch if row else None,
        since_ms=row.acquired_ms if row else None,
        heartbeat_ms=row.heartbeat_ms if row else None,
        cycle=done.cycle or None,
        cycle_wall_ms=done.wall_ms if done.cycle else None,
        cycle_venue_ms=done.venue_ms if done.cycle else None,
    )


def _status(row: lease.LeaseRow | None, now_ms: int) -> tuple[Life, str]:
    if row is None:
        return Life.NOT_RUNNING, "no bot has run on this store yet"
    if row.released_ms is not None:
        return Life.NOT_RUNNING, f"it ended {ago(row.released_ms, now_ms)} ({row.holder})"
    silent_ms = now_ms - row.heartbeat_ms
    heartbeat = f"heartbeat {ago(row.heartbeat_ms, now_ms)}"
    if not lease.holder_alive(row, now_ms):
        if row.holder.host != lease.this_holder().host:
            return Life.NOT_RUNNING, f"{row.holder} is silent; {heartbeat}"
        return Life.NOT_RUNNING, f"{row.holder} is gone without ending properly; {heartbeat}"
    up = f"{row.holder}, up {span(now_ms - row.acquired_ms)}, {heartbeat}"
    if _stopped(row.holder):
        return Life.STALE, f"{row.holder} is stopped (kill -CONT {row.holder.pid} lets it go on); {heartbeat}"
    if silent_ms > STALE_AFTER_MS:
        return Life.STALE, f"{row.holder} is there, but completes no cycle; {heartbeat}"
    return Life.RUNNING, up


def _stopped(holder: lease.Holder) -> bool:
    """True for a process of this host that was stopped (SIGSTOP, Ctrl-Z), where the system says so."""
    if holder.host != lease.this_holder().host:
        return False
    try:
        fields = files.read_text(f"/proc/{holder.pid}/stat").rpartition(")")[2].split()
    except OSError:
        return False
    return fields[:1] == ["T"]
