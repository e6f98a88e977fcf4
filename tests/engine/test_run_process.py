"""The bot as a process: one per account, ended by signals, and refused with a reason instead of a traceback."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from books import compare
from bot_process import BotDesk

from tradectl.store import lease
from tradectl.store.database import Database
from tradectl.store.identity import Identity

SLOW = ("--speed", "3000")  # a cycle every tenth of a second
PAUSING = ("--speed", "30")  # ten seconds between two cycles


def test_an_account_that_is_named_is_meant_in_every_mode(tmp_path: Path) -> None:
    desk = BotDesk.make(tmp_path)
    before = sorted(path.name for path in tmp_path.iterdir())
    for mode in ("paper", "live_limited"):
        done = desk.run("--mode", mode, "--cycles", "1", "--speed", "max", "--confirm", "somebody")
        assert done.returncode == 3 and "--confirm names 'somebody'" in done.stderr
        assert "nothing was started" in done.stderr
        assert sorted(path.name for path in tmp_path.iterdir()) == before
    assert desk.run("--cycles", "1", "--speed", "max", "--confirm", "crash-desk").returncode == 0


def test_second_bot_on_the_account_is_refused_and_told_who_holds_it(tmp_path: Path) -> None:
    desk = BotDesk.make(tmp_path)
    with desk.start(*SLOW) as first:
        first.wait_for("CYCLE_SUMMARY")
        second = desk.run("--cycles", "1")
        assert second.returncode == 79
        assert f"pid {first.process.pid}" in second.stderr
        assert "Traceback" not in second.stderr
        first.wait_for("CYCLE_SUMMARY", 2)  # it goes on undisturbed
        first.tell(signal.SIGTERM)
        assert first.end() == 0
    assert compare(desk.store).differences == ()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_one_signal_finishes_the_cycle_reports_and_releases(tmp_path: Path, number: signal.Signals) -> None:
    desk = BotDesk.make(tmp_path)
    with desk.start(*PAUSING) as bot:
        bot.wait_for("CYCLE_SUMMARY")
        bot.tell(number)
        assert bot.end() == 0
        said = "".join(bot.lines)
    assert f"stopped by {number.name}: finishing the cycle" in said
    assert f"Session over: stopped by {number.name}" in said
    assert "Next" in said
    assert bot.said().count("Traceback") == 0
    with Database.open(desk.store, expect=None, readonly=True) as db, db.read() as conn:
        held = lease.current(conn)
        ended = conn.execute("SELECT end_reason FROM sessions ORDER BY number DESC LIMIT 1").fetchone()[0]
    assert held is not None and held.released_ms is not None
    assert ended == f"stopped by {number.name}"
    assert list((desk.folder / "xdg").rglob("*.pointer")) == []


def test_second_signal_ends_the_bot_at_once_and_the_next_one_goes_on(tmp_path: Path) -> None:
    desk = BotDesk.make(tmp_path)
    with desk.start(*PAUSING) as bot:
        bot.wait_for("CYCLE_SUMMARY")
        holder = sqlite3.connect(desk.store, isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")  # so that the end of the session cannot be written, and has to wait
        bot.tell(signal.SIGINT)
        bot.wait_for("finishing the cycle")
        bot.tell(signal.SIGINT)
        code = bot.end()
        holder.execute("ROLLBACK")
        holder.close()
    assert code in (75, 130)
    assert "Traceback" not in bot.said()
    assert "every source was read" in desk.run_well("--cycles", "2", "--speed", "max")


def test_lease_of_a_killed_bot_is_taken_over_at_once(tmp_path: Path) -> None:
    desk = BotDesk.make(tmp_path)
    with desk.start(*SLOW) as bot:
        bot.wait_for("CYCLE_SUMMARY")
        assert bot.kill()
    assert "epoch=2" in desk.run_well("--cycles", "1")


def refused(desk: BotDesk, code: int, *words: str, args: tuple[str, ...] = ("--cycles", "1")) -> None:
    done = desk.run(*args, "--speed", "max")
    assert done.returncode == code, done.stderr + done.stdout[-500:]
    for word in words:
        assert word in done.stderr, done.stderr
    assert "Traceback" not in done.stderr + done.stdout


def test_store_of_another_account_is_refused_with_both_names(tmp_path: Path) -> None:
    desk = BotDesk.make(tmp_path)
    Database.create(desk.store, Identity("somebody", "sim", "paper", "abc123", "USDT", "x.db"), 1).close()
    refused(desk, 2, "account", "somebody", "crash-desk")


def test_store_of_another_environment_is_refused(tmp_path: Path) -> None:
    desk = BotDesk.make(tmp_path)
    Database.create(desk.store, Identity("crash-desk", "sim", "live", "abc123", "USDT", "x.db"), 1).close()
    refused(desk, 2, "environment", "live", "paper")


def test_store_with_a_newer_schema_is_refused(tmp_path: Path) -> None:
    desk = BotDesk.make(tmp_path)
    desk.run_well("--cycles", "1", "--speed", "max")
    conn = sqlite3.connect(desk.store)
    conn.execute("PRAGMA user_version = 99")
    conn.close()
    refused(desk, 2, "99")


@pytest.mark.parametrize("keep", [0, 100, 6000, 70_000])
def test_truncated_store_is_refused_as_damaged(tmp_path: Path, keep: int) -> None:
    desk = BotDesk.make(tmp_path)
    desk.run_well("--cycles", "1", "--speed", "max")
    os.truncate(desk.store, keep)
    refused(desk, 2, "damaged", desk.store.name)
    assert desk.store.stat().st_size == keep, "what is damaged is left as it is found"


def test_store_that_is_something_else_is_refused(tmp_path: Path) -> None:
    desk = BotDesk.make(tmp_path)
    desk.store.write_text("these are my notes, not a database\n" * 100)
    refused(desk, 2, desk.store.name)
    assert desk.store.read_text().startswith("these are my notes")


def test_folder_in_the_stores_place_is_refused(tmp_path: Path) -> None:
    desk = BotDesk.make(tmp_path)
    desk.store.mkdir()
    refused(desk, 2, desk.store.name)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_read_only_store_is_refused(tmp_path: Path) -> None:
    desk = BotDesk.make(tmp_path)
    desk.run_well("--cycles", "1", "--speed", "max")
    desk.store.chmod(0o400)
    desk.folder.chmod(0o500)
    try:
        refused(desk, 2, desk.store.name)
    finally:
        desk.folder.chmod(0o700)


def test_store_locked_for_longer_than_the_bound_is_busy(tmp_path: Path) -> None:
    desk = BotDesk.make(tmp_path)
    desk.run_well("--cycles", "1", "--speed", "max")
    holder = sqlite3.connect(desk.store, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    refused(desk, 75, desk.store.name)
    holder.close()
    desk.run_well("--cycles", "1", "--speed", "max")


def test_missing_exchange_beside_a_store_with_history_is_not_begun_anew(tmp_path: Path) -> None:
    desk = BotDesk.make(tmp_path, bars=80, seed=3)
    desk.run_well()
    (desk.folder / "bot.exchange.db").unlink()
    refused(desk, 2, "exchange", "--fresh")
    assert not (desk.folder / "bot.exchange.db").exists()


def test_older_copy_of_the_exchange_is_refused(tmp_path: Path) -> None:
    desk = BotDesk.make(tmp_path, bars=80, seed=3)
    exchange = desk.folder / "bot.exchange.db"
    desk.run_well("--cycles", "10")
    older = exchange.read_bytes()
    desk.run_well()
    exchange.write_bytes(older)
    refused(desk, 2, "older than the store's books")


def test_store_is_not_begun_beside_another_ones_unfinished_journal(tmp_path: Path) -> None:
    desk = BotDesk.make(tmp_path, bars=80, seed=3)
    stray = Path(f"{desk.store}-journal")
    stray.write_bytes(bytes.fromhex("d9d505f920a163d7") + bytes(600))
    refused(desk, 2, stray.name)
    stray.unlink()
    desk.run_well("--cycles", "1")


def test_fresh_account_after_a_kill_keeps_the_old_one_whole(tmp_path: Path) -> None:
    desk = BotDesk.make(tmp_path, bars=80, seed=3)
    desk.run_well("--cycles", "20")
    left = Path(f"{desk.folder / 'bot.exchange.db'}-journal")
    left.write_bytes(b"unfinished")
    desk.run_well("--fresh", "--cycles", "1")
    assert Path(f"{desk.folder / 'bot.exchange.db.before'}-journal").read_bytes() == b"unfinished"
    assert compare(desk.store).differences == ()


@pytest.mark.parametrize("keep", [100, 6000])
def test_truncated_exchange_is_unreachable_not_a_traceback(tmp_path: Path, keep: int) -> None:
    desk = BotDesk.make(tmp_path)
    desk.run_well("--cycles", "1", "--speed", "max")
    os.truncate(desk.folder / "bot.exchange.db", keep)
    refused(desk, 75, "exchange")


def test_exchange_of_another_seed_is_refused(tmp_path: Path) -> None:
    desk = BotDesk.make(tmp_path)
    desk.run_well("--cycles", "1", "--speed", "max")
    config = desk.folder / "config.yaml"
    config.write_text(config.read_text() + "sim:\n  seed: 99\n")
    refused(desk, 2, "sim.seed", "99")


def test_full_disk_is_said_and_stops_nothing_at_the_venue(tmp_path: Path) -> None:
    """A limit on the size of files stands in for a full disk."""
    desk = BotDesk.make(tmp_path, bars=400, seed=3)
    limited = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000));"
        "sys.argv = ['tradectl', *sys.argv[1:]]; import tradectl.__main__ as m; m.main()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", limited, *desk.argv()],
        cwd=desk.folder,
        env=desk.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    said = []
    for line in process.stdout:
        said.append(line)
        if "cycle not completed" in line:
            break
    process.terminate()
    said.append(process.communicate(timeout=60)[0])
    everything = "".join(said)
    assert "cycle not completed" in everything
    assert "Traceback" not in everything
    assert process.returncode in (0, 2, 75)
    desk.run_well()
    assert compare(desk.store).differences == ()
