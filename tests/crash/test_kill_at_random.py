"""kill -9 of the real executable at random moments: no order twice, no fill lost, nobody naked, books that agree."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Callable

import pytest
from books import Compared, compare, exchange_of, standing
from bot_process import BotDesk
from tables import sound

MakeDesk = Callable[..., BotDesk]


def kill_once(desk: BotDesk, chance: random.Random) -> bool:
    """Starts a bot and kills it at a random moment; False when the market ended first."""
    with desk.start() as bot:
        lines = chance.choice((chance.randint(0, 3), chance.randint(0, 80)))  # often while it recovers
        for _ in range(lines):
            if not any(True for _ in zip(bot.read(), range(1), strict=False)):
                break
        try:
            bot.process.wait(chance.uniform(0, 0.02))  # somewhere in the work between two lines
        except subprocess.TimeoutExpired:
            return bot.kill()
        return False


def kill_often(desk: BotDesk, kills: int, seed: int) -> tuple[int, Compared]:
    """Kills bots until `kills` of them died or the market ended, with a look at the books after each."""
    chance = random.Random(seed)
    done = 0
    for _ in range(kills):
        done += kill_once(desk, chance)
        if not exchange_of(desk.store).exists() or not exchange_of(desk.store).stat().st_size:
            continue  # killed before there was anything
        assert standing(desk.store) == (), f"right after kill {done}"
        if chance.random() < 0.5:  # else the next one is killed too, perhaps while it recovers
            desk.run_well("--cycles", "1")
            assert compare(desk.store).differences == (), f"after kill {done}"
    assert "the market data ended" in desk.run_well()
    sound(desk.store)
    return done, compare(desk.store)


def test_eight_kills_within_one_replay(make_desk: MakeDesk) -> None:
    desk = make_desk("desk", bars=700, seed=5)
    kills, found = kill_often(desk, 8, seed=11)
    assert found.differences == ()
    assert kills == 8
    assert found.trades > 20


@pytest.mark.slow
@pytest.mark.parametrize("seed", [21, 22])
def test_fifty_kills_within_one_replay_on_a_synced_disk(make_desk: MakeDesk, seed: int) -> None:
    desk = make_desk("desk", bars=2_000, seed=seed, durable=True)
    kills, found = kill_often(desk, 50, seed)
    assert found.differences == ()
    assert kills == 50
    assert found.trades > 100
