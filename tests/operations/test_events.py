"""`events`: the journal, filtered and followed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from desk import Account
from page_kit import VENUE_MS, create, hold_lease, one_cycle, refusal, tradectl, wall_ms

from tradectl.domain.system_state import Latch, LatchName
from tradectl.errors import UsageError
from tradectl.operations import events
from tradectl.operations.times import parse_since
from tradectl.store import journal, latches
from tradectl.store.database import Database


def _append(db: Database, at_ms: int, kind: str = "operator", subject: str = "note", symbol: str = "") -> int:
    with db.transaction() as conn:
        return journal.append(conn, at_ms=at_ms, kind=kind, actor="ada", subject=subject, symbol=symbol, body={"n": 1})


def _kinds(db: Database, **asked: str | None) -> list[str]:
    given: dict[str, str | None] = {"kind": None, "tag": None, "since": None, "symbol": None, **asked}
    chosen = events.make_filter(
        db, kind=given["kind"], tag=given["tag"], since=given["since"], symbol=given["symbol"], now_ms=wall_ms()
    )
    return [event.subject for event in events.last(db, chosen, 50)]


def test_it_shows_the_newest_rows_last_with_their_words(tmp_path: Path) -> None:
    with create(tmp_path) as db:
        hold_lease(db)
        one_cycle(db, decided=(refusal(),))
    ran = tradectl("--state", db.path, "events", "--limit", "1")
    assert ran.code == 0, ran.err
    assert len(ran.out.splitlines()) == 1
    assert "refusal  bot BTCUSDT: daily_loss: Daily loss limit exceeded: 6.20% (limit=5.00%)" in ran.out


def test_rows_are_told_in_words_and_a_row_of_another_version_by_its_fields(tmp_path: Path) -> None:
    fill = {"reason": "stop", "side": "sell", "qty": "0.5", "price": "59000", "fee": "1", "realised": "-500"}
    rows: list[tuple[str, dict[str, object]]] = [("fill", {**fill}), ("fill", {"side": "sell", "qty": None})]
    rows += [("outcome", {"sentence": "the venue has it", "detail": "late"}), ("operator", {"after": {"peak": "1"}})]
    changed = {"before": {"peak": "2"}, "after": {"peak": "1"}, "reason": "why not", "override": True}
    rows.append(("operator", {**changed}))
    with create(tmp_path) as db:
        for kind, body in rows:
            with db.transaction() as conn:
                journal.append(conn, at_ms=1, kind=kind, actor="bot", subject="it", body=body)
        told = [event.sentence for event in events.last(db, events.Filter(), 9)]
    assert told == [
        "it: stop sell 0.5 at 59000, fee 1, realised -500",
        "it: side=sell",
        "it: the venue has it (late)",
        "it: after=(peak: 1)",
        "it AGAINST A CAUSE THAT STILL HELD (why not): peak: 2 → 1",
    ]


def test_json_is_one_document_per_line(tmp_path: Path) -> None:
    with create(tmp_path) as db:
        hold_lease(db)
        _append(db, 5)
    lines = [json.loads(line) for line in tradectl("--state", db.path, "events", "--json").out.splitlines()]
    assert [(line["schema"], line["seq"], line["kind"]) for line in lines] == [
        ("tradectl/events/1", 1, "state"),
        ("tradectl/events/1", 2, "operator"),
    ]


def test_filters_by_kind_tag_and_symbol(tmp_path: Path) -> None:
    with create(tmp_path) as db:
        hold_lease(db)
        one_cycle(db, decided=(refusal("ETHUSDT"),))
        with db.transaction() as conn:
            latches.set_latch(conn, Latch(LatchName.KILL_SWITCH, "", "ada", 5, "why not"))
        assert _kinds(db, kind="session") == ["session:1"]
        assert _kinds(db, tag="SAFETY_DAILY_LOSS") == ["daily_loss"]
        assert _kinds(db, tag="SAFETY_KILL_SWITCH") == ["latch:kill_switch"]
        assert _kinds(db, symbol="eth") == ["daily_loss"]
        assert _kinds(db, tag="latch", symbol="eth") == []


def test_since_counts_back_from_the_venues_own_present_where_it_is_simulated(tmp_path: Path) -> None:
    with create(tmp_path) as db:
        one_cycle(db)
        _append(db, VENUE_MS - 7_200_001, subject="long ago")
        _append(db, VENUE_MS - 3_600_000, subject="an hour ago")
        assert _kinds(db, since="2h", kind="operator") == ["an hour ago"]
        assert _kinds(db, since="2025-10-10T20:15:00", kind="operator") == ["an hour ago"]


def test_the_newest_rows_are_kept_across_pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "PAGE_ROWS", 3)
    with create(tmp_path) as db:
        for number in range(10):
            _append(db, number, subject=f"note {number}")
        chosen = events.make_filter(db, kind=None, tag="note", since=None, symbol=None, now_ms=wall_ms())
        assert [event.seq for event in events.last(db, chosen, 4)] == [7, 8, 9, 10]


def test_following_yields_each_new_row_once_and_survives_a_busy_store(tmp_path: Path) -> None:
    with create(tmp_path) as db, Database.open(db.path, expect=None, readonly=True, lock_wait_ms=0) as reader:
        _append(db, 1, subject="before")
        after = events.newest_seq(reader)
        acts = iter([lambda: _append(db, 2, subject="first"), lambda: db.conn.execute("BEGIN EXCLUSIVE"),
                     lambda: db.conn.execute("ROLLBACK"), lambda: None,
                     lambda: _append(db, 3, subject="second")])  # fmt: skip

        def sleep(_seconds: float) -> None:
            next(acts)()

        chosen = events.Filter()
        stream = events.follow(reader, chosen, after, sleep)
        assert [next(stream).subject, next(stream).subject] == ["first", "second"]


def test_ctrl_c_ends_following_with_130_and_no_noise(tmp_path: Path) -> None:
    with create(tmp_path) as db:
        _append(db, 1, subject="hello")
    process = subprocess.Popen(
        [sys.executable, "-m", "tradectl", "--state", str(db.path), "events", "--follow"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert "hello" in process.stdout.readline()
    with Database.open(db.path, expect=None, lock_wait_ms=2_000) as writer:
        _append(writer, 2, subject="live")
    assert "live" in process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (130, "")


def test_a_reader_that_goes_away_ends_following_quietly(tmp_path: Path) -> None:
    with create(tmp_path) as db:
        _append(db, 1)
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "tradectl", "--state", str(db.path), "events", "--follow"]
    done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, text=True, timeout=20)
    os.close(write)
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.parametrize(
    ("typed", "ms"),
    [
        ("90s", 1_000_000_000_000 - 90_000),
        ("1d12h", 1_000_000_000_000 - 36 * 3_600_000),
        ("2001-09-09", 999_993_600_000),
        ("2001-09-09T02:00+02:00", 999_993_600_000),
    ],
)
def test_a_time_may_be_a_span_or_a_date(typed: str, ms: int) -> None:
    assert parse_since(typed, 1_000_000_000_000) == ms


def test_a_time_that_is_none_says_how_to_write_one() -> None:
    with pytest.raises(UsageError) as refused:
        parse_since("yesterday-ish", 0)
    assert "2h" in refused.value.hint


def test_an_unknown_kind_lists_the_known_ones(tmp_path: Path) -> None:
    with create(tmp_path) as db:
        pass
    ran = tradectl("--state", db.path, "events", "--kind", "gossip")
    assert ran.code == 3
    assert "operator" in ran.err


def test_a_cancel_says_which_order_it_ends_and_not_how_it_would_trade(acct: Account) -> None:
    acct.long(bracket=False)
    stop = acct.stop()
    ran = acct.tradectl("orders", "cancel", stop.order_id, "--override", "--reason", "x", "--yes")
    assert ran.code == 0, ran.all
    row = next(line for line in acct.tradectl("events", "--kind", "intent").out.splitlines() if "cancel" in line)
    assert f"cancels={stop.order_id}" in row and "side=" not in row and "type=" not in row
