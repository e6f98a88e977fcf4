"""The kill switch's fast path: latch or halt file, never a new store, never on a line it is unsure of (promise 2)."""

from __future__ import annotations

import os
import pwd
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from store_kit import OURS, create, locked_by_another_process

from tradectl.cli import context
from tradectl.domain.system_state import LatchName
from tradectl.store import actor, fence, halt, journal, latches, migrations, pointers, schema_v1
from tradectl.store.database import Database

LINE = ["killswitch", "activate"]
RUN = "import sys; from tradectl.store import fence; fence.fast_path(sys.argv[1:])"
NASTY = 'he said "stop"\\ now\n\tü 停 \x01'


@pytest.fixture(autouse=True)
def _own_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TRADECTL_STATE", "TRADECTL_OPERATOR", "SUDO_USER", "LOGNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("USER", "ann")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "xdg"))
    fence.REPORT = None


def kill_latch(path: Path) -> tuple[str, str] | None:
    with Database.open(path, expect=None) as db, db.read() as conn:
        latch = latches.get(conn, LatchName.KILL_SWITCH)
        assert journal.verify(conn).ok
        return None if latch is None else (latch.set_by, latch.reason)


def test_constants_are_those_of_the_schema() -> None:
    assert fence.APPLICATION_ID == schema_v1.APPLICATION_ID
    assert fence.SCHEMA_VERSION == migrations.CURRENT_VERSION
    assert LatchName(fence.LATCH) is LatchName.KILL_SWITCH


def test_latch_and_chained_row_are_committed_and_one_line_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    create(tmp_path).close()
    path = tmp_path / "store.db"
    report = fence.fast_path([*LINE, "--state", str(path), "--reason", NASTY])
    assert report is not None
    assert report.fenced
    assert fence.REPORT is report
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    assert out.startswith(f"FENCED main · sim · paper · {path}  (latch kill_switch set ")
    assert kill_latch(path) == ("ann", NASTY)
    with Database.open(path, expect=None) as db:
        body = journal.latest(db.conn, 1)[0].body
    assert body == {"latch": "kill_switch", "reason": NASTY, "result": "set", "scope": ""}
    assert not Path(halt.halt_path(str(path))).exists()


def test_second_activation_keeps_the_first_reason_and_is_journalled(tmp_path: Path) -> None:
    create(tmp_path).close()
    path = str(tmp_path / "store.db")
    first = fence.fence(path, by="ann", reason="first")
    again = fence.fence(path, by="bob", reason="second")
    assert (first.fenced, first.already) == (True, False)
    assert (again.fenced, again.already, again.by, again.reason) == (True, True, "ann", "first")
    assert again.at_ms == first.at_ms
    with Database.open(path, expect=None) as db:
        assert [(row.actor, row.body["result"]) for row in journal.page(db.conn)] == [
            ("ann", "set"),
            ("bob", "already set"),
        ]


def test_bytes_that_are_no_text_do_not_stop_the_fence(tmp_path: Path) -> None:
    create(tmp_path).close()
    path = tmp_path / "store.db"
    assert fence.fence(str(path), by="ann", reason=b"caf\xe9".decode("utf-8", "surrogateescape")).how == "latch"
    assert kill_latch(path) == ("ann", "caf?")


@pytest.mark.parametrize("name", ["no.db", "no/where.db"])
def test_never_creates_a_store(tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    report = fence.fast_path([*LINE, "--state", str(tmp_path / name)])
    assert report is not None
    assert not report.fenced
    assert list(tmp_path.iterdir()) == []
    assert capsys.readouterr().err.startswith("NOT FENCED ")


@pytest.mark.parametrize("how", ["BEGIN IMMEDIATE", "BEGIN EXCLUSIVE", "BEGIN"])
def test_locked_beyond_the_bound_leaves_a_halt_file_loudly(
    tmp_path: Path, how: str, capsys: pytest.CaptureFixture[str]
) -> None:
    create(tmp_path).close()
    path = tmp_path / "store.db"
    with locked_by_another_process(path, how):
        begun = time.monotonic()
        result = fence.fence(str(path), by="ann", reason=NASTY, wait_ms=60)
        assert time.monotonic() - begun < 1
    assert (result.how, result.fenced) == ("halt_file", True)
    text = halt.read(str(path))
    assert text is not None
    assert 'he said "stop"\\ now' in text
    assert "by=ann" in text
    assert result.line().startswith("FENCED BY HALT FILE ")
    assert kill_latch(path) is None, "the latch waited for a lock that never came"


def test_stopped_holder_does_not_stop_the_fence_within_its_real_bound(tmp_path: Path) -> None:
    create(tmp_path).close()
    path = tmp_path / "store.db"
    with locked_by_another_process(path) as holder:
        os.kill(holder.pid, signal.SIGSTOP)
        os.waitpid(holder.pid, os.WUNTRACED)
        begun = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-c", RUN, *LINE, "--state", str(path)],
            capture_output=True,
            text=True,
            check=True,
        )
        assert 1.9 < time.monotonic() - begun < 4
    assert done.stdout == ""
    assert done.stderr.startswith("FENCED BY HALT FILE main · sim · paper · ")
    assert halt.read(str(path)) is not None


def test_halt_file_that_is_there_keeps_its_reason(tmp_path: Path) -> None:
    create(tmp_path).close()
    path = tmp_path / "store.db"
    halt.write(str(path), "the first")
    with locked_by_another_process(path):
        result = fence.fence(str(path), by="ann", reason="the second", wait_ms=0)
    assert (result.how, result.already) == ("halt_file", True)
    assert halt.read(str(path)) == "the first"


@pytest.mark.parametrize("spoil", ["empty", "text", "newer", "no_tables"])
def test_store_that_cannot_take_the_latch_gets_a_halt_file(tmp_path: Path, spoil: str) -> None:
    path = tmp_path / "store.db"
    if spoil == "empty":
        path.touch()
    elif spoil == "text":
        path.write_text("no database at all " * 400)
    else:
        with create(tmp_path) as db:
            db.conn.execute("PRAGMA user_version = 99" if spoil == "newer" else "DROP TABLE latches")
    result = fence.fence(str(path), by="ann", reason="stop")
    assert result.how == "halt_file"
    assert result.why
    assert halt.read(str(path)) is not None


def test_another_programs_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    conn = sqlite3.connect(path)
    conn.execute("PRAGMA application_id = 7")
    conn.execute("CREATE TABLE other (a)")
    conn.close()
    before = path.read_bytes()
    result = fence.fence(str(path), by="ann", reason="stop")
    assert not result.fenced
    assert "not a tradectl store" in result.why
    assert [item.name for item in tmp_path.iterdir()] == ["other.db"]
    assert path.read_bytes() == before


def test_halt_file_is_beside_the_store_itself_when_it_is_reached_by_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    create(tmp_path / "real").close()
    link = tmp_path / "link.db"
    link.symlink_to(tmp_path / "real" / "store.db")
    with locked_by_another_process(link):
        fence.fence(str(link), by="ann", reason="stop", wait_ms=0)
    with Database.open(link, expect=OURS) as db:
        assert halt.read(str(db.path)) is not None


def test_other_account_is_not_fenced(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    create(tmp_path).close()
    path = tmp_path / "store.db"
    report = fence.fast_path([*LINE, "--state", str(path), "--account", "second"])
    assert report is not None
    assert not report.fenced
    assert "belongs to account 'main'" in capsys.readouterr().err
    assert kill_latch(path) is None
    assert halt.read(str(path)) is None


def test_environment_names_the_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    create(tmp_path).close()
    monkeypatch.setenv("TRADECTL_STATE", str(tmp_path / "store.db"))
    report = fence.fast_path(LINE)
    assert report is not None
    assert report.fenced


def test_json_prints_nothing_and_options_are_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    create(tmp_path).close()
    report = fence.fast_path(
        ["--json", f"--state={tmp_path / 'store.db'}", *LINE, "--flatten", "--yes", "--reason=x=y"]
    )
    assert report is not None
    assert (report.as_json, report.flatten, report.yes, report.reason) == (True, True, True, "x=y")
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    "argv",
    [
        [],
        ["killswitch"],
        ["killswitch", "status"],
        ["activate", "killswitch"],
        [*LINE, "--help"],
        [*LINE, "-h"],
        ["--help", *LINE],
        [*LINE, "now"],
        [*LINE, "--flaten"],
        [*LINE, "--"],
        [*LINE, "--reason"],
        [*LINE, "--reason="],
        [*LINE, "--reason", "--help"],
        [*LINE, "--reason", "a", "--reason", "b"],
        [*LINE, "--config", "c.toml"],
        ["killswitch", "activate", "activate"],
        ["killswitch", "clear"],
    ],
)
def test_anything_unsure_is_left_untouched(
    tmp_path: Path, argv: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    create(tmp_path).close()
    monkeypatch.setenv("TRADECTL_STATE", str(tmp_path / "store.db"))
    assert fence.fast_path(argv) is None
    assert fence.REPORT is None
    assert kill_latch(tmp_path / "store.db") is None
    assert capsys.readouterr() == ("", "")


@given(st.lists(st.sampled_from([*LINE, "--state", "--reason", "--yes", "-h", "--help", "--x", "x", "--state=a", ""])))
def test_help_anywhere_is_never_a_fence(argv: list[str]) -> None:
    options = fence.parse(argv)
    if "--help" in argv or "-h" in argv:
        assert options is None
    if options is not None:
        assert [word for word in argv if word in LINE][:2] or not argv


def test_one_running_bot_is_found_by_its_pointer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    create(tmp_path).close()
    assert fence.fast_path(LINE) is None, "nobody said which store"
    (tmp_path / "dead").mkdir()
    create(tmp_path / "dead").close()
    point(tmp_path / "dead" / "store.db", alive=False)
    point(tmp_path / "store.db")
    report = fence.fast_path(LINE)
    assert report is not None
    assert [result.path for result in report.results] == [str(tmp_path / "store.db")]
    assert kill_latch(tmp_path / "dead" / "store.db") is None
    assert capsys.readouterr().out.count("FENCED") == 1


def test_several_running_bots_are_all_fenced_and_a_locked_one_keeps_none_waiting(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / name).mkdir()
        create(tmp_path / name).close()
        point(tmp_path / name / "store.db")
    with locked_by_another_process(tmp_path / "a" / "store.db"):
        report = fence.fast_path(LINE)
    assert report is not None
    assert report.fenced
    ways = {Path(result.path).parent.name: result.how for result in report.results}
    assert ways == {"a": "halt_file", "b": "latch", "c": "latch"}
    assert [Path(result.path).parent.name for result in report.results] == ["b", "c", "a"]
    captured = capsys.readouterr()
    assert captured.out.count("\n") == 2
    assert captured.err.count("\n") == 1


def test_the_only_pointer_counts_even_when_its_bot_is_dead(tmp_path: Path) -> None:
    create(tmp_path).close()
    point(tmp_path / "store.db", alive=False)
    report = fence.fast_path(LINE)
    assert report is not None
    assert report.fenced


def test_several_dead_pointers_are_ambiguous(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        create(tmp_path / name).close()
        point(tmp_path / name / "store.db", alive=False)
    assert fence.fast_path(LINE) is None
    assert kill_latch(tmp_path / "a" / "store.db") is None


def test_account_chooses_among_pointers(tmp_path: Path) -> None:
    create(tmp_path).close()
    point(tmp_path / "store.db")
    point(tmp_path / "other.db", account="second")
    report = fence.fast_path([*LINE, "--account", "main"])
    assert report is not None
    assert [result.account for result in report.results] == ["main"]
    assert fence.fast_path([*LINE, "--account", "third"]) is None


def test_only_what_is_cheap_is_imported() -> None:
    """Everything the fence adds to a bare interpreter, by name."""
    code = (
        "import sys; before = set(sys.modules)\n"
        "from tradectl.store import fence\n"
        "print(*sorted(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    heavy = {"argparse", "logging", "pathlib", "json", "typing", "dataclasses", "enum", "hashlib", "datetime", "re"}
    assert not loaded & heavy
    assert {name for name in loaded if name.startswith("tradectl")} == {
        "tradectl",
        "tradectl.store",
        "tradectl.store.actor",
        "tradectl.store.chain",
        "tradectl.store.fence",
        "tradectl.store.files",
        "tradectl.store.guard",
        "tradectl.store.halt",
        "tradectl.store.pointers",
    }


def test_the_fence_and_the_commands_name_the_operator_by_one_rule() -> None:
    assert fence.who is context.operator_name is actor.operator_name


def test_the_operator_is_the_one_named_then_the_one_behind_sudo_then_the_login(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {"TRADECTL_OPERATOR": " night\n desk ", "SUDO_USER": "zoe", "LOGNAME": "bob", "USER": "ann"}
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    said = []
    for name in given:
        said.append(fence.who())
        monkeypatch.setenv(name, " ")
    assert said == ["night desk", "zoe", "bob", "ann"]


def test_without_any_variable_the_machine_tells_the_account(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("USER")
    assert fence.who() == pwd.getpwuid(os.getuid()).pw_name
    monkeypatch.setattr(os, "getuid", lambda: 4_000_000_001)  # nobody's
    assert fence.who() == "uid-4000000001"


def test_a_name_that_is_no_text_is_written_as_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRADECTL_OPERATOR", b"caf\xe9".decode("utf-8", "surrogateescape"))
    assert fence.who() == "caf?"


def point(path: Path, account: str = "main", alive: bool = True) -> None:
    pid, started = (0, "") if alive else (os.getpid(), "1")  # a start tick that this process does not have
    pointers.write(account=account, venue="sim", environment="paper", path=str(path), pid=pid, started=started)


@pytest.mark.parametrize("kind", ["text", "database"])
def test_a_file_that_is_no_store_is_fenced_with_the_question_whether_it_is_the_right_one(
    tmp_path: Path, kind: str
) -> None:
    path = tmp_path / "notes.db"
    if kind == "text":
        path.write_text("bread, milk and a good night's sleep\n" * 40)
    else:
        conn = sqlite3.connect(path)
        conn.execute("CREATE TABLE notes (id)")
        conn.close()
    pointers.write(account="main", venue="sim", environment="paper", path=str(tmp_path / "real.db"))
    result = fence.fence(str(path), by="ann", reason="stop")
    assert result.how == "halt_file" and halt.read(str(path)) is not None
    first, second = result.line().splitlines()
    assert first.startswith("FENCED BY HALT FILE")
    assert second.startswith("NO BOT MAY BE FENCED BY THIS") and "is it your bot's?" in second
    assert f"{tmp_path / 'real.db'} (runs)" in second
    pointers.write(account="other", venue="sim", environment="paper", path=str(path))
    assert "\n" not in result.line(), "a bot is known by it"
