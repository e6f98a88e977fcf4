"""`trades`: closed trades, and totals that are their sums."""

from __future__ import annotations

import csv
import io
from decimal import Decimal
from pathlib import Path

from page_kit import close_trades, create, on_terminal, trade, tradectl

from tradectl.operations import trades


def test_totals_are_the_sums_of_what_is_shown(tmp_path: Path) -> None:
    with create(tmp_path) as db:
        close_trades(db, trade(1), trade(2, net="120", risk_amount=None), trade(3, "ETHUSDT", net="0"))
        found = trades.read(db, last=2, symbol=None)
        every = trades.read(db, last=None, symbol=None)
    assert [line.number for line in found.trades] == [2, 3]
    assert (found.totals.trades, found.totals.wins, found.totals.losses, found.in_store) == (2, 2, 0, 3)
    assert found.totals.net == Decimal(120)
    totals = every.totals
    assert totals.net == totals.gross - totals.fees + totals.funding == Decimal("67.5")
    assert totals.average_r == (Decimal("-1.05") + 0) / 2


def test_a_page_shows_each_trade_and_the_totals_line(tmp_path: Path) -> None:
    with create(tmp_path) as db:
        close_trades(db, trade(1), trade(2, net="120"))
    ran = tradectl("--state", db.path, "trades")
    assert ran.code == 0, ran.err
    assert ran.out.splitlines()[0] == ("2 trades (2 in the store): net +67.50 USDT, 1 won, 1 lost, average R +0.68")
    assert "-1.05" in ran.out and "1 h 30 min" in ran.out and "stop" in ran.out
    assert ran.out.splitlines()[-1] == "totals: gross +73.00, fees -6.00, funding +0.50, net +67.50 USDT"


def test_one_symbol_in_any_spelling(tmp_path: Path) -> None:
    with create(tmp_path) as db:
        close_trades(db, trade(1), trade(2, "ETHUSDT"))
    ran = tradectl("--state", db.path, "trades", "--symbol", "eth/usdt", "--json")
    assert [line["symbol"] for line in ran.json["trades"]] == ["ETHUSDT"]
    assert ran.json["trades"][0]["net"] == "-52.5"
    wrong = tradectl("--state", db.path, "trades", "--symbol", "doge")
    assert wrong.code == 3 and "BTCUSDT, ETHUSDT" in wrong.err


def test_csv_has_every_trade_with_exact_values(tmp_path: Path) -> None:
    with create(tmp_path) as db:
        close_trades(db, *(trade(number, net="-0.000000000001") for number in range(1, 31)))
    ran = tradectl("--state", db.path, "trades", "--csv")
    rows = list(csv.DictReader(io.StringIO(ran.out)))
    assert len(rows) == 30
    assert (rows[0]["net"], rows[0]["currency"]) == ("-0.000000000001", "USDT")
    assert rows[0]["opened"] == "2025-10-10T21:15:00.000Z"
    assert "\r" not in ran.out


def test_no_trade_yet_is_said_and_is_no_failure(tmp_path: Path) -> None:
    with create(tmp_path) as db:
        pass
    ran = tradectl("--state", db.path, "trades")
    assert (ran.code, ran.out) == (0, "no trade was closed yet\n")


def test_csv_and_json_exclude_each_other(tmp_path: Path) -> None:
    with create(tmp_path) as db:
        pass
    assert tradectl("--state", db.path, "trades", "--csv", "--json").code == 3


def test_it_fits_eighty_and_sixty_columns(tmp_path: Path) -> None:
    with create(tmp_path) as db:
        close_trades(db, trade(1), trade(2, "ETHUSDT"))
    for columns in (80, 60):
        ran = on_terminal("--state", db.path, "trades", columns=columns)
        assert max(len(line) for line in ran.out.splitlines()) <= columns
