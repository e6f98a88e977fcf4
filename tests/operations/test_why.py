"""`why`: the answer in one sentence, then each gate."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from page_kit import VENUE_MS, create, hold_lease, on_terminal, one_cycle, refusal, tradectl, wall_ms

from tradectl.domain.signal import Decision
from tradectl.errors import UsageError
from tradectl.operations import limit_lines, symbols, why


def _no_signal(symbol: str = "BTCUSDT") -> Decision:
    return Decision(symbol, "no_signal", "no_cross", "no signal: no_cross", VENUE_MS - 300_000)


@pytest.mark.parametrize(
    "typed", ["BTCUSDT", "btc", "BTC/USDT", "btc-usdt", "Btc/Usdt:Usdt", "BTC-PERP", "BTCUSDT.P", "bt"]
)
def test_a_symbol_may_be_spelled_in_any_usual_way(typed: str) -> None:
    assert symbols.match(typed, ["BTCUSDT", "ETHUSDT"], "USDT") == "BTCUSDT"


def test_an_unknown_symbol_suggests_known_ones() -> None:
    with pytest.raises(UsageError) as refused:
        symbols.match("BTCUSDC", ["BTCUSDT", "ETHUSDT"], "USDT")
    assert refused.value.hint == "did you mean BTCUSDT?"
    assert "BTCUSDT, ETHUSDT" in refused.value.why


def test_a_refusal_names_its_gate_first_and_then_every_verdict_in_order(tmp_path: Path) -> None:
    with create(tmp_path) as db:
        hold_lease(db)
        one_cycle(db, decided=(refusal(),))
    ran = tradectl("--state", db.path, "why", "btc")
    lines = ran.out.splitlines()
    assert ran.code == 0, ran.err
    assert lines[0] == (
        "BTCUSDT 2025-10-10 21:15:00Z: no entry (long signal), refused by daily_loss: "
        "Daily loss limit exceeded: 6.20% (limit=5.00%)"
    )
    gates = [line.split()[:5] for line in lines if line[:1] in "✓✗" and line]
    assert gates == [["✓", "enabled", "1.00%", "5.00%", "4.00%"], ["✗", "daily_loss", "6.20%", "5.00%", "-1.20%"]]


def test_no_signal_is_an_answer_and_repetitions_are_counted(tmp_path: Path) -> None:
    with create(tmp_path) as db:
        hold_lease(db)
        for number in (1, 2, 3):
            one_cycle(db, decided=(_no_signal(),), number=number)
    ran = tradectl("--state", db.path, "why", "BTCUSDT")
    assert ran.out.splitlines()[0] == "BTCUSDT 2025-10-10 21:15:00Z: no signal: no_cross"
    assert "3 times in a row" in ran.out


def test_a_bot_that_does_not_run_is_part_of_the_answer(tmp_path: Path) -> None:
    with create(tmp_path) as db:
        one_cycle(db, decided=(_no_signal(),))
        found = why.read(db, "btc", 1, wall_ms())
    assert found.answer.endswith("(nothing is decided now: the bot is NOT RUNNING)")


def test_last_shows_that_many_newest_first(tmp_path: Path) -> None:
    with create(tmp_path) as db:
        hold_lease(db)
        one_cycle(db, decided=(_no_signal(),), number=1)
        one_cycle(db, decided=(refusal(),), number=2)
        found = why.read(db, "btc", 5, wall_ms())
    assert [(line.outcome, line.cycle) for line in found.decisions] == [("refused", 2), ("no_signal", 1)]


def test_before_the_first_decision_it_says_so_and_exits_1(tmp_path: Path) -> None:
    with create(tmp_path) as db:
        pass
    ran = tradectl("--state", db.path, "why", "btc")
    assert ran.code == 1
    assert ran.out.startswith("BTCUSDT: nothing was decided yet; the bot is NOT RUNNING")
    assert tradectl("--state", db.path, "why", "--summary").code == 1


@pytest.mark.parametrize(
    ("value", "unit", "shown"),
    [
        ("0.062", "fraction", "6.20%"),
        ("60000", "ms", "1 min"),
        ("-90000", "ms", "-1 min 30 s"),
        ("250", "ms", "250 ms"),
        ("1760130900000", "ms", "21:15:00Z"),
        ("125.967646035497008396601136306501", "price", "125.96764604"),
        ("12.4", "minutes", "12 min"),
    ],
)
def test_figures_are_short_enough_to_read(value: str, unit: str, shown: str) -> None:
    assert limit_lines.figure(Decimal(value), unit) == shown


def test_the_summary_counts_per_reason(tmp_path: Path) -> None:
    with create(tmp_path) as db:
        for number in (1, 2, 3):
            one_cycle(db, decided=(_no_signal(), refusal("ETHUSDT")), number=number)
        one_cycle(db, decided=(refusal(),), number=4)
    ran = tradectl("--state", db.path, "why", "--summary", "--json")
    assert ran.json["counts"] == [["daily_loss", 4], ["no_cross", 3]]
    one = tradectl("--state", db.path, "why", "eth", "--summary")
    assert one.out.startswith("ETHUSDT: 3 decisions since 2025-10-09 21:15:00Z, most often daily_loss (3, 100%)")


def test_without_a_symbol_it_is_bad_usage(tmp_path: Path) -> None:
    with create(tmp_path) as db:
        pass
    assert tradectl("--state", db.path, "why").code == 3


def test_it_fits_sixty_columns(tmp_path: Path) -> None:
    with create(tmp_path) as db:
        one_cycle(db, decided=(refusal(),))
    ran = on_terminal("--state", db.path, "why", "btc", columns=60)
    assert ran.code == 0
    assert max(len(line) for line in ran.out.splitlines()) <= 60
    assert "headroom" not in ran.out and "✗" in ran.out  # a line or two per gate, not a card
