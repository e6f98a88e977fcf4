"""The emergency journal: written when the store cannot be, imported exactly once, whatever befalls it (promise 1)."""

from __future__ import annotations

import fcntl
import os
import resource
import signal
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from store_kit import OURS, create, locked_by_another_process

from tradectl.errors import StoreDamaged, StoreUnwritable
from tradectl.store import emergency, emergency_file, journal
from tradectl.store.database import Database
from tradectl.store.emergency import Absorbed, Facts

FACTS = Facts(OURS, 800, 200)
PLACE = emergency_file.PLACE_BYTES

# Records argv[2] entries named argv[3]-0, argv[3]-1 … as another process would, once it is told to begin.
WRITER = """
import sys
from tradectl.store import emergency
print("ready", flush=True)
sys.stdin.readline()
for number in range(int(sys.argv[2])):
    body = {"subject": f"{sys.argv[3]}-{number}"}
    emergency.record(sys.argv[1], at_ms=number, kind="emergency", actor="w", body=body)
    print(number, flush=True)
"""


def record(path: Path, number: int, **more: object) -> None:
    body: dict[str, object] = {"cancel": f"o-{number}", "why": "ü\n", **more}
    emergency.record(path, at_ms=number, kind="intent", actor="ann", symbol="BTCUSDT", body=body)


def absorb(db: Database) -> Absorbed:
    with db.transaction() as conn:
        return emergency.absorb(conn, db.path, at_ms=9)


def take_in(db: Database) -> int:
    absorbed = absorb(db)
    assert emergency.clear(db.path, absorbed) == ""
    return absorbed.new


def numbers(path: Path) -> list[int]:
    return [entry["at_ms"] for entry in emergency.waiting(path)]


def spoil(path: Path, place: int, data: bytes, offset: int = 0) -> None:
    """Overwrites part of a record's place (0 is the first record's)."""
    with emergency.path_of(path).open("r+b") as file:
        file.seek((emergency_file.FIRST + place) * PLACE + offset)
        file.write(data)


def test_recorded_while_the_store_is_locked_and_imported_once(db: Database) -> None:
    path = emergency.prepare(db.path)
    with locked_by_another_process(db.path, "BEGIN EXCLUSIVE"):
        record(db.path, 1)
        record(db.path, 2)
    assert [item["body"]["cancel"] for item in emergency.waiting(db.path)] == ["o-1", "o-2"]
    first = absorb(db)
    assert first.new == 2
    assert absorb(db).new == 0, "a crash before clear() must not import twice"
    assert emergency.clear(db.path, first) == ""
    assert emergency.waiting(db.path) == []
    record(db.path, 3)
    assert absorb(db).new == 1
    rows = journal.page(db.conn, kind="intent")
    assert [(row.actor, row.symbol, row.body["cancel"]) for row in rows] == [
        ("ann", "BTCUSDT", f"o-{number}") for number in (1, 2, 3)
    ]
    assert path.stat().st_size == emergency.SIZE_BYTES


def test_is_allocated_in_real_blocks_and_for_its_owner_alone(db: Database) -> None:
    path = emergency.prepare(db.path)
    status = path.stat()
    assert stat.S_IMODE(status.st_mode) == 0o600
    assert status.st_size == emergency.SIZE_BYTES == 64 * 1024
    assert status.st_blocks * 512 >= emergency.SIZE_BYTES


def test_a_sparse_or_short_file_is_filled_up_and_keeps_its_records(db: Database) -> None:
    path = emergency.prepare(db.path, FACTS)
    record(db.path, 1)
    kept = path.read_bytes()[: 5 * PLACE]
    path.write_bytes(kept)
    emergency.prepare(db.path)
    assert (path.stat().st_size, numbers(db.path)) == (emergency.SIZE_BYTES, [1])
    path.write_bytes(kept)
    os.truncate(path, emergency.SIZE_BYTES)
    emergency.prepare(db.path)
    assert path.stat().st_blocks * 512 >= emergency.SIZE_BYTES
    assert (numbers(db.path), emergency.look(db.path).facts) == ([1], FACTS)


def test_a_full_disk_does_not_refuse_it(db: Database) -> None:
    emergency.prepare(db.path)
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (emergency.SIZE_BYTES, limit[1]))
    try:
        record(db.path, 1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert numbers(db.path) == [1]


def test_the_header_says_whose_it_is_and_survives_records_and_clearing(db: Database) -> None:
    emergency.prepare(db.path, FACTS)
    record(db.path, 1)
    take_in(db)
    assert emergency.look(db.path).facts == FACTS
    changed = Facts(OURS, 60_000, 0)
    emergency.prepare(db.path, changed)
    emergency.prepare(db.path)
    assert emergency.look(db.path).facts == changed


def test_a_full_journal_is_refused_clearly_and_has_room_again_once_imported(db: Database) -> None:
    emergency.prepare(db.path)
    for number in range(emergency.CAPACITY):
        record(db.path, number)
    with pytest.raises(StoreUnwritable, match="is full") as caught:
        record(db.path, 999)
    assert "tradectl killswitch activate" in caught.value.hint
    assert numbers(db.path) == list(range(emergency.CAPACITY))
    assert take_in(db) == emergency.CAPACITY
    record(db.path, 999)
    assert take_in(db) == 1


@pytest.mark.parametrize("torn", [1, 17, 18, 60, 100])
def test_a_torn_record_is_skipped_with_a_report_and_not_written_over(db: Database, torn: int) -> None:
    emergency.prepare(db.path)
    for number in (1, 2, 3):
        record(db.path, number)
    spoil(db.path, 1, bytes(PLACE - torn), torn)
    record(db.path, 4)
    found = emergency.look(db.path)
    assert [entry["at_ms"] for entry in found.records] == [1, 3, 4]
    assert "holds something unreadable" in found.damaged[0] and "record place 2" in found.damaged[0]
    assert "lacks 1 of its records (number 2)" in found.damaged[1]
    absorbed = absorb(db)
    assert (absorbed.new, absorbed.troubles) == (3, found.damaged)
    assert absorb(db).new == 0
    told = [row for row in journal.page(db.conn, kind="emergency") if row.body["step"] == "damaged"]
    assert len(told) == 1 and "record place 2" in str(told[0].body["detail"])
    assert emergency.clear(db.path, absorbed) == ""
    assert emergency.look(db.path).troubles == ()


def test_what_is_left_of_a_torn_record_goes_into_the_report(db: Database) -> None:
    emergency.prepare(db.path)
    record(db.path, 7)
    spoil(db.path, 0, bytes(10), 90)
    absorb(db)
    (row,) = journal.page(db.conn, kind="emergency")
    assert '"cancel":"o-7"' in str(row.body["excerpts"])


def test_the_last_record_torn_before_its_request_left_is_followed_by_the_next(db: Database) -> None:
    emergency.prepare(db.path)
    record(db.path, 1)
    spoil(db.path, 1, b'tde1{"at_ms":2,"kind":"int' + b"x" * 300)
    record(db.path, 3)
    record(db.path, 4)
    assert numbers(db.path) == [1, 3, 4]
    assert take_in(db) == 3


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=2 * emergency.SIZE_BYTES // 32), st.integers(0, emergency.SIZE_BYTES), st.booleans())
def test_garbage_of_any_kind_never_raises_and_never_keeps_a_record_out(junk: bytes, at: int, cut: bool) -> None:
    with tempfile.TemporaryDirectory() as folder, create(Path(folder)) as db:
        path = emergency.prepare(db.path, FACTS)
        record(db.path, 1)
        with path.open("r+b") as file:
            file.seek(at)
            file.write(junk)
            if cut:
                file.truncate(at + len(junk) // 2)
        record(db.path, 2)
        found = emergency.look(db.path)
        assert 2 in [entry["at_ms"] for entry in found.records]
        assert found.facts in (FACTS, None)
        assert take_in(db) == len(found.records)
        assert emergency.look(db.path).troubles == ()
        assert absorb(db).new == 0
        assert journal.verify(db.conn).ok


def test_a_file_of_nothing_but_garbage_still_takes_records(db: Database) -> None:
    emergency.path_of(db.path).write_bytes(b"not json\n" * 20_000)
    record(db.path, 1)
    assert numbers(db.path) == [1]
    assert take_in(db) == 1
    assert emergency.look(db.path).troubles == ()


def test_what_is_recorded_between_import_and_clearing_stays(db: Database) -> None:
    emergency.prepare(db.path)
    record(db.path, 1)
    mine = absorb(db)
    record(db.path, 2)
    theirs = absorb(db)
    emergency.clear(db.path, theirs)
    record(db.path, 3)
    emergency.clear(db.path, mine)
    assert numbers(db.path) == [3]
    assert take_in(db) == 1
    assert len(journal.page(db.conn, kind="intent")) == 3


def test_the_same_act_twice_is_two_records_also_across_a_clearing(db: Database) -> None:
    emergency.prepare(db.path)
    record(db.path, 1)
    record(db.path, 1)
    assert take_in(db) == 2
    record(db.path, 1)
    assert take_in(db) == 1


@pytest.mark.parametrize("written", range(4))
def test_a_clearing_that_is_cut_short_anywhere_brings_nothing_back(db: Database, written: int) -> None:
    """The marks and the erased places of a clearing, up to the `written`-th, then power is lost."""
    path = emergency.prepare(db.path)
    for number in (1, 2, 3):
        record(db.path, number)
    before = path.read_bytes()
    absorbed = absorb(db)
    emergency.clear(db.path, absorbed)
    after = path.read_bytes()
    mark, first = 2 * PLACE, emergency_file.FIRST * PLACE
    cut = bytearray(before)
    for offset in [mark, first, first + PLACE, first + 2 * PLACE][:written]:
        cut[offset : offset + PLACE] = after[offset : offset + PLACE]
    path.write_bytes(bytes(cut))
    record(db.path, 4)
    assert absorb(db).new == 1
    assert [row.at_ms for row in journal.page(db.conn, kind="intent")] == [1, 2, 3, 4]


ACTS = st.lists(st.sampled_from(["record", "absorb", "crash", "absorb and clear", "tear"]), max_size=25)


@settings(max_examples=60, deadline=None)
@given(ACTS)
def test_whatever_order_it_is_used_in_each_record_is_imported_once(acts: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder, create(Path(folder)) as db:
        emergency.prepare(db.path, FACTS)
        expected: list[int] = []
        for step, act in enumerate(acts):
            if act == "record":
                record(db.path, step)
                expected.append(step)
            elif act == "tear":  # a record whose writer lost power: the next place in order holds half of it
                content = emergency_file.parse(emergency.path_of(db.path).read_bytes())
                spoil(db.path, content.free[0] // PLACE - emergency_file.FIRST, b"tde1 half a record")
            elif act == "crash":  # inside the transaction: nothing of it is kept
                with pytest.raises(KeyboardInterrupt), db.transaction() as conn:
                    emergency.absorb(conn, db.path, at_ms=9)
                    raise KeyboardInterrupt
            elif act == "absorb":
                absorb(db)
            else:
                take_in(db)
        take_in(db)
        assert [row.at_ms for row in journal.page(db.conn, limit=1000, kind="intent")] == expected
        assert emergency.look(db.path).troubles == ()


def writer(path: Path, count: int, name: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path), str(count), name],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    return process


def test_two_processes_at_once_never_write_over_each_other(db: Database) -> None:
    emergency.prepare(db.path)
    writers = [writer(db.path, 40, name) for name in ("a", "b")]
    for process in writers:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    assert [process.communicate(timeout=30)[0].count("\n") for process in writers] == [40, 40]
    names = [entry["body"]["subject"] for entry in emergency.waiting(db.path)]
    assert sorted(names) == sorted(f"{name}-{number}" for name in "ab" for number in range(40))
    for name in "ab":
        own = [int(one.partition("-")[2]) for one in names if one.startswith(name)]
        assert own == list(range(40)), "one writer's records keep their order"
    assert take_in(db) == 80


def test_a_writer_that_is_killed_loses_nothing_it_had_reported(db: Database) -> None:
    emergency.prepare(db.path)
    process = writer(db.path, 100, "k")
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write("go\n")
    process.stdin.flush()
    reported = [process.stdout.readline() for _ in range(7)][-1]
    process.send_signal(signal.SIGKILL)
    rest = process.communicate(timeout=30)[0].split()
    last = int(rest[-1] if rest else reported)
    names = [entry["body"]["subject"] for entry in emergency.waiting(db.path)]
    assert names[: last + 1] == [f"k-{number}" for number in range(last + 1)]
    record(db.path, 1)
    assert len(emergency.waiting(db.path)) == len(names) + 1


def test_waits_for_another_writer_only_so_long(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    path = emergency.prepare(db.path)
    monkeypatch.setattr(emergency_file, "WRITE_WAIT_MS", 30)
    monkeypatch.setattr(emergency_file, "READ_WAIT_MS", 30)
    with path.open("r+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(StoreUnwritable, match="Neither") as caught:
            record(db.path, 1)
        assert "another process has held it locked" in caught.value.why
        assert "held it locked" in emergency.look(db.path).unreadable
        with pytest.raises(StoreDamaged, match="cannot be read"):
            emergency.waiting(db.path)
        assert absorb(db).new == 0
    record(db.path, 1)
    assert take_in(db) == 1


def test_long_texts_are_cut_and_what_matters_is_kept(db: Database) -> None:
    emergency.prepare(db.path)
    body = {"step": "confirmed", "subject": "tdc.a1b2c3.cl.1700000000000001", "detail": "\x01ü" * 3_000}
    emergency.record(db.path, at_ms=1, kind="emergency", actor="a" * 900, symbol="BTCUSDT", body=body)
    (entry,) = emergency.waiting(db.path)
    assert (entry["body"]["step"], entry["body"]["subject"]) == (body["step"], body["subject"])
    assert entry["body"]["detail"].endswith("…") and entry["body"]["detail"].startswith("\x01ü")
    with pytest.raises(StoreUnwritable, match="Neither"):
        record(db.path, 1, **{f"key{number}": "x" * 30 for number in range(40)})
    assert len(emergency.waiting(db.path)) == 1


def test_bytes_that_are_no_text_do_not_stop_it(db: Database) -> None:
    emergency.prepare(db.path)
    record(db.path, 1, typed=b"caf\xe9".decode("utf-8", "surrogateescape"))
    assert emergency.waiting(db.path)[0]["body"]["typed"] == "caf?"


def test_nothing_there_is_nothing_to_import(db: Database) -> None:
    assert emergency.waiting(db.path) == []
    assert take_in(db) == 0
    assert not emergency.path_of(db.path).exists()


def test_it_is_made_when_it_is_needed_and_was_not_there(db: Database) -> None:
    record(db.path, 1)
    assert take_in(db) == 1


def test_where_even_this_fails_it_is_said(tmp_path: Path) -> None:
    store = tmp_path / "store.db"
    emergency.path_of(store).mkdir()
    with pytest.raises(StoreUnwritable, match="Neither"):
        record(store, 1)
    with pytest.raises(StoreUnwritable, match="made ready"):
        emergency.prepare(store, FACTS)
    assert "cannot be read" in emergency.look(store).unreadable
