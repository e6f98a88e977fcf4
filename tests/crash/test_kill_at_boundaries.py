"""The same seed is the same run (promise 15), and a bot that ends between two cycles goes on as if it had not."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

from books import compare
from bot_process import BotDesk
from crashing import crash
from tables import LEDGER, differences, exchange_history, sound, store_tables, whole

MakeDesk = Callable[..., BotDesk]
BARS = 240
SEED = 3


def test_two_runs_in_two_processes_leave_the_same_to_the_last_bit(make_desk: MakeDesk) -> None:
    one, other = make_desk("one", bars=BARS, seed=SEED), make_desk("other", bars=BARS, seed=SEED)
    one.run_well()
    other.run_well()
    found = compare(one.store)
    assert found.differences == ()
    assert found.trades >= 10, "the market must give something to compare"
    assert differences(whole(one.store), whole(other.store)) == []


def test_another_market_is_another_run(make_desk: MakeDesk) -> None:
    one, other = make_desk("one", bars=60, seed=1), make_desk("other", bars=60, seed=2)
    one.run_well()
    other.run_well()
    assert differences(store_tables(one.store, ("fills",)), store_tables(other.store, ("fills",)))


def test_runs_of_a_few_cycles_each_leave_the_ledger_of_one_long_run(make_desk: MakeDesk) -> None:
    long, short = make_desk("long", bars=BARS, seed=SEED), make_desk("short", bars=BARS, seed=SEED)
    long.run_well()
    for cycles in (1, 1, 2, 37, 5, 80):
        short.run_well("--cycles", str(cycles))
    assert "the market data ended" in short.run_well()
    # A clean end begins a new session, which the verdicts of decisions mention: orders and money are the same.
    tables = (*LEDGER, "intents")
    assert differences(store_tables(long.store, tables), store_tables(short.store, tables)) == []
    assert exchange_history(long.store) == exchange_history(short.store)
    assert compare(short.store).differences == ()


def test_killed_between_two_cycles_everything_goes_on_as_if_it_had_not_been(
    make_desk: MakeDesk, tmp_path: Path
) -> None:
    desk = make_desk("desk", bars=BARS, seed=SEED)
    moments = random.Random(SEED)
    chosen = ["0", *(".".join(f"c{moments.randint(1, 70)}" for _ in range(3)) for _ in range(4)), ".".join(["c1"] * 9)]
    ran = crash(desk, tmp_path / "killed", chosen)
    reference = whole(tmp_path / "killed" / "0" / "bot.db")
    for name in chosen[1:]:
        store = tmp_path / "killed" / name / "bot.db"
        assert [code for _, code in ran[name]] == [-9] * name.count("c") + [0], ran[name]
        assert differences(reference, whole(store)) == [], name
        assert compare(store).differences == ()
        sound(store)


def test_executable_killed_after_its_cycle_goes_on_in_the_same_session(make_desk: MakeDesk) -> None:
    long, killed = make_desk("long", bars=40, seed=SEED), make_desk("killed", bars=40, seed=SEED)
    long.run_well()
    for _ in range(3):
        with killed.start("--speed", "60") as bot:  # five seconds between two cycles: killed long before the next
            bot.wait_for("CYCLE_SUMMARY")
            assert bot.kill()
    killed.run_well()
    assert differences(whole(long.store), whole(killed.store)) == []
