"""The same seed is the same run (promise 15), and a bot that ends between two cycles goes on as if it had not."""

from __future__ import annotations

import random
from collections.abc import Callable

from books import compare
from bot_process import BotDesk
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


def test_killed_after_a_cycle_everything_goes_on_as_if_it_had_not_been(make_desk: MakeDesk) -> None:
    whole_run, killed = make_desk("whole", bars=BARS, seed=SEED), make_desk("killed", bars=BARS, seed=SEED)
    whole_run.run_well()
    moments = random.Random(SEED)
    kills = 0
    while True:
        # Paced, so that the kill falls into the pause after the cycle and not into the next one.
        bot = killed.start("--cycles", "100000", "--speed", "6000")
        with bot:
            for _ in range(moments.randint(1, 45)):
                if not any("CYCLE_SUMMARY" in line for line in bot.read()):
                    break
        if bot.process.returncode == 0:
            break
        kills += 1
    assert kills >= 5
    assert differences(whole(whole_run.store), whole(killed.store)) == []
    assert compare(killed.store).differences == ()
    sound(killed.store)
