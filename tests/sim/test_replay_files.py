"""Candle files: what is accepted, what is found beside them, and what each fault says."""

from __future__ import annotations

import time
from decimal import Decimal
from pathlib import Path

import pytest
from market_data import candle_folder

from tradectl.domain.candle import Candle
from tradectl.errors import ConfigError, NotAvailable
from tradectl.sim.replay import FileName, TradeSeries, load_replay

D = Decimal
T0 = 1_700_000_100_000 // 300_000 * 300_000
STEP = 300_000
HEAD = "ts,open,high,low,close,volume\n"


def write(folder: Path, text: str, name: str = "BYBIT_SOLUSDT_5m.csv") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def rows(count: int, start: int = T0, step: int = STEP) -> str:
    return "".join(f"{start + i * step},10,11,9,10.5,3\n" for i in range(count))


def load(path: Path, symbol: str | None = None, interval: str | None = None) -> TradeSeries:
    return load_replay([path], symbol=symbol, interval=interval)[0]


def faults(path: Path, symbol: str | None = None, interval: str | None = None) -> str:
    with pytest.raises(ConfigError) as caught:
        load_replay([path], symbol=symbol, interval=interval)
    return "\n".join(caught.value.lines())


def test_a_csv_is_read_exactly(tmp_path: Path) -> None:
    path = write(tmp_path, HEAD + f"{T0},0.1,0.30,0.1,0.2,7\n{T0 + STEP},0.2,0.2,0.2,0.2,0\n")
    series = load(path)
    assert (series.symbol, series.interval, series.interval_ms) == ("SOLUSDT", "5m", STEP)
    assert series.candles[0] == Candle(T0, D("0.1"), D("0.3"), D("0.1"), D("0.2"), D(7))
    assert series.opens == [T0, T0 + STEP]
    assert series.marks == [None, None]


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("Timestamp,Open,High,Low,Close,Volume", "{s},10,11,9,10.5,3"),
        ("date,open,high,low,close,vol", "{iso},10,11,9,10.5,3"),
        ("open_time,o,h,l,c,v", "{ms},10,11,9,10.5,3"),
        ("close,low,high,open,time", "10.5,9,11,10,{us}"),
        ("time;open;high;low;close;volume", "{ms};10;11;9;10.5;3"),
        ("", "{ms},10,11,9,10.5,3,{ms},1,2,3"),
    ],
)
def test_common_spellings_orders_and_time_units_are_understood(tmp_path: Path, header: str, row: str) -> None:
    times = {"s": T0 // 1000, "ms": T0, "us": T0 * 1000, "iso": "2023-11-14T22:15:00Z"}
    text = (header + "\n" if header else "") + row.format(**times) + "\n"
    series = load(write(tmp_path, text))
    assert series.opens == [T0]
    bar = series.candles[0]
    assert (bar.open, bar.high, bar.low, bar.close) == (D(10), D(11), D(9), D("10.5"))


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (HEAD + rows(2) + f"{T0 + STEP},10,11,9,10,3\n", "BYBIT_SOLUSDT_5m.csv:4: duplicate time"),
        (HEAD + rows(2, T0 + STEP) + f"{T0},10,11,9,10,3\n", ":4: wrong order"),
        (HEAD + f"{T0},10,11,9,nan,3\n", ":2: close is nan"),
        (HEAD + f"{T0},10,inf,9,10,3\n", ":2: high is inf"),
        (HEAD + f"{T0},-1,11,-2,10,3\n", ":2: open is -1.0; a price is above zero"),
        (HEAD + f"{T0},10,9,11,10,3\n", ":2: high 9.0 is below low 11.0"),
        (HEAD + f"{T0},10,11,9,12,3\n", ":2: close 12.0 lies outside"),
        (HEAD + f"{T0},10,11,9,10,-3\n", ":2: volume is -3.0"),
        (HEAD + f"{T0},10,eleven,9,10,3\n", ":2: high is not a number: 'eleven'"),
        (HEAD + f"{T0},10,11\n", ":2: 3 cells where at least 6"),
        (HEAD + f"{T0 + 1},10,11,9,10,3\n", ":2: 2023-11-14T22:15:00.001Z is not on the grid"),
        (HEAD + rows(1) + f"{(T0 + STEP) // 1000},10,11,9,10,3\n", "is not in the unit of the first row"),
        (HEAD + "yesterday,10,11,9,10,3\n", ":2: not a time: 'yesterday'"),
        ("ts,open,high,low\n" + f"{T0},1,1,1\n", ":1: no column 'close'"),
        ("ts,time,open,high,low,close\n" + f"{T0},{T0},1,1,1,1\n", ":1: two columns for 'ts'"),
        ("", "the file is empty"),
        (HEAD, "there is a header but no row"),
        (f"{T0},10,11\n", "no header, and 3 columns"),
    ],
)
def test_each_fault_is_named_with_its_place(tmp_path: Path, body: str, expected: str) -> None:
    assert expected in faults(write(tmp_path, body))


def test_a_binary_file_is_not_taken_for_csv(tmp_path: Path) -> None:
    path = tmp_path / "BYBIT_SOLUSDT_5m.csv"
    path.write_bytes(b"\xff\xfe\x00\x01" * 50)
    assert "cannot be read as text" in faults(path)


def test_a_missing_file_says_so(tmp_path: Path) -> None:
    assert "No such file" in faults(tmp_path / "BYBIT_SOLUSDT_5m.csv")


def test_all_faults_of_a_file_are_counted_and_ten_are_shown(tmp_path: Path) -> None:
    shown = faults(write(tmp_path, HEAD + "".join(f"{T0 + i * STEP},10,9,11,10,3\n" for i in range(25))))
    assert "25 fault(s)" in shown
    assert shown.count("is below low") == 10
    assert "and 15 more faults" in shown


def test_a_gap_is_kept_and_reported(tmp_path: Path) -> None:
    series = load(write(tmp_path, HEAD + rows(2) + rows(1, T0 + 5 * STEP)))
    assert [gap.bars for gap in series.gaps] == [3]
    assert "3 bar(s) missing from 2023-11-14T22:25:00.000Z" in series.notices[1]


def test_a_name_that_says_nothing_needs_symbol_and_interval(tmp_path: Path) -> None:
    path = write(tmp_path, HEAD + rows(3), "mine.csv")
    assert "--symbol SOLUSDT --interval 5m" in faults(path)
    series = load(path, symbol="ETHUSDT", interval="5m")
    assert (series.symbol, series.interval) == ("ETHUSDT", "5m")
    assert "unknown interval '7m'" in faults(path, symbol="ETHUSDT", interval="7m")


def test_a_wrong_interval_is_seen_on_the_grid(tmp_path: Path) -> None:
    assert "wrong interval?" in faults(write(tmp_path, HEAD + rows(12), "mine.csv"), symbol="X", interval="1h")


def test_a_mark_or_funding_file_is_not_replayed_by_itself(tmp_path: Path) -> None:
    shown = faults(write(tmp_path, "ts,rate\n0,0\n", "BYBIT_SOLUSDT_funding.csv"))
    assert "cannot be replayed by itself" in shown


def test_mark_bars_beside_bound_the_mark_price(tmp_path: Path) -> None:
    hour = T0 - T0 % 3_600_000
    path = write(tmp_path, HEAD + rows(24, hour))
    write(tmp_path, HEAD + f"{hour},10,10.75,9.5,10,0\n", "BYBIT_SOLUSDT_mark_1h.csv")
    write(tmp_path, HEAD + f"{hour},1,1,1,1,0\n", "BINANCEUSDM_SOLUSDT_mark_1h.csv")
    series = load(path)
    assert series.marks == [(D("9.5"), D("10.75"))] * 12 + [None] * 12
    assert series.files == ("BYBIT_SOLUSDT_5m.csv", "BYBIT_SOLUSDT_mark_1h.csv")


def test_finer_mark_bars_are_joined_over_a_trade_bar(tmp_path: Path) -> None:
    hour = T0 - T0 % 3_600_000
    path = write(tmp_path, HEAD + rows(1, hour, 3_600_000), "BYBIT_SOLUSDT_1h.csv")
    marks = "".join(f"{hour + i * 900_000},10,{10 + i},{9 - i},10,0\n" for i in range(4))
    write(tmp_path, HEAD + marks, "BYBIT_SOLUSDT_mark_15m.csv")
    assert load(path).marks == [(D(6), D(13))]


def test_funding_windows_merge_and_their_jitter_is_rounded_away(tmp_path: Path) -> None:
    path = write(tmp_path, HEAD + rows(300))
    eight = (T0 // 28_800_000 + 1) * 28_800_000
    write(tmp_path, f"ts,rate\n{eight},0.0001\n{eight + 28_800_003},0.0002\n", "BYBIT_SOLUSDT_funding.csv")
    write(tmp_path, f"ts,rate\n{eight + 28_799_998},0.0002\n", "BYBIT_SOLUSDT_funding_202311-202312.csv")
    assert load(path).fundings == [(eight, D("0.0001")), (eight + 28_800_000, D("0.0002"))]


def test_a_faulty_file_beside_is_named_too(tmp_path: Path) -> None:
    path = write(tmp_path, HEAD + rows(3))
    write(tmp_path, f"ts,rate\n{T0},1.5\n", "BYBIT_SOLUSDT_funding.csv")
    assert "BYBIT_SOLUSDT_funding.csv:2: rate is 1.5" in faults(path)


def test_files_of_one_symbol_join_when_they_do_not_overlap(tmp_path: Path) -> None:
    later = write(tmp_path, HEAD + rows(3, T0 + 3 * STEP), "BYBIT_SOLUSDT_5m_202312.csv")
    early = write(tmp_path, HEAD + rows(3), "BYBIT_SOLUSDT_5m_202311.csv")
    (series,) = load_replay([later, early])
    assert series.opens == [T0 + i * STEP for i in range(6)]
    overlap = write(tmp_path, HEAD + rows(3, T0 + 2 * STEP), "BYBIT_SOLUSDT_5m_202313.csv")
    with pytest.raises(ConfigError) as caught:
        load_replay([early, overlap])
    assert "replay one of the two" in "\n".join(caught.value.lines())


def test_files_of_different_intervals_are_refused(tmp_path: Path) -> None:
    five = write(tmp_path, HEAD + rows(3))
    hour = write(tmp_path, HEAD + rows(3, T0 - T0 % 3_600_000, 3_600_000), "BYBIT_ETHUSDT_1h.csv")
    with pytest.raises(ConfigError, match="different intervals"):
        load_replay([five, hour])


def test_the_digest_follows_the_content(tmp_path: Path) -> None:
    first = load(write(tmp_path, HEAD + rows(3))).digest
    assert load(write(tmp_path, HEAD + rows(3))).digest == first
    assert load(write(tmp_path, HEAD + rows(4))).digest != first


def test_a_parquet_file_that_is_none_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow", reason="the extra 'parquet' is not installed")
    path = tmp_path / "BYBIT_SOLUSDT_5m.parquet"
    path.write_bytes(b"PAR1 is not enough")
    assert "BYBIT_SOLUSDT_5m.parquet: cannot be read as Parquet" in faults(path)


def test_parquet_faults_name_the_row(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow", reason="the extra 'parquet' is not installed")
    import pyarrow.parquet as pq

    path = tmp_path / "BYBIT_SOLUSDT_5m.parquet"
    good = {name: [10.0, 10.0] for name in ("open", "high", "low", "close", "volume")}
    pq.write_table(pa.table({"ts": [T0, T0 + STEP], **good, "close": [10.0, float("nan")]}), path)
    assert "BYBIT_SOLUSDT_5m.parquet row 2: close is nan" in faults(path)
    pq.write_table(pa.table({"ts": [T0, T0 + STEP], **good, "close": [10.0, None]}), path)
    assert "row 2: close is empty" in faults(path)
    pq.write_table(pa.table({"ts": ["a", "b"], **good}), path)
    assert "column ts is string" in faults(path)


def test_parquet_without_pyarrow_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "pyarrow", None)
    path = tmp_path / "BYBIT_SOLUSDT_5m.parquet"
    path.write_bytes(b"")
    with pytest.raises(NotAvailable) as caught:
        load_replay([path])
    assert "tradectl[parquet]" in caught.value.hint


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("BINANCEUSDM_BTCUSDT_1h.parquet", FileName("BINANCEUSDM", "BTCUSDT", "trade", "1h")),
        ("BINANCEUSDM_BTCUSDT_1m_202506-202506.parquet", FileName("BINANCEUSDM", "BTCUSDT", "trade", "1m")),
        ("BINANCEUSDM_1000PEPEUSDT_mark_8h.parquet", FileName("BINANCEUSDM", "1000PEPEUSDT", "mark", "8h")),
        ("BYBIT_ADAUSDT_funding.csv", FileName("BYBIT", "ADAUSDT", "funding", None)),
        ("manifest.json", None),
        ("BTCUSDT_1h.parquet", None),
    ],
)
def test_file_names_are_read(name: str, expected: FileName | None) -> None:
    assert FileName.parse(name) == expected


def test_the_largest_real_file_loads_within_its_budget() -> None:
    path = candle_folder() / "BINANCEUSDM_BTCUSDT_1h.parquet"
    started = time.process_time()
    series = load(path)
    assert time.process_time() - started < 3.0  # 0.7 s on the reference machine
    assert len(series.candles) > 50_000
    assert len(series.fundings) > 7_000
    assert series.gaps == ()


def test_the_october_crash_has_its_marks() -> None:
    series = load(candle_folder() / "BYBIT_SOLUSDT_5m_202509-202512.parquet")
    assert all(mark is not None for mark in series.marks)
    crash = series.opens.index(1_760_130_900_000)  # 2025-10-10T21:15Z
    mark = series.marks[crash]
    assert mark is not None and series.candles[crash].low < mark[0]  # the last price fell where the mark did not
