"""Bad configuration: each fault says where, what and what to do, and none is guessed around."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tradectl.config.available import refuse_unavailable
from tradectl.config.load import check, load
from tradectl.errors import ConfigError


def faults(folder: Path, text: str | bytes, name: str = "bot.yaml") -> list[str]:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return [str(fault).removeprefix(str(path)) for fault in check([path]).faults]


CASES = {
    # what is written: (where, words that must be in the one fault)
    "perps: {riskPct: 5}": (":1:18", "could be 5% or 500%", "0.05"),
    "trading: {max_daily_risk: 1}": (":1:27", "0.01 or 1%"),
    "perps: {riskPct: 5.0}": (":1:18", "at most 1", "0.05 or 5%"),
    "perps: {riskPct: 0}": (":1:18", "above 0"),
    "perps: {riskPct: .nan}": (":1:18", "finite"),
    "perps: {cashDeployCap: .inf}": (":1:24", "finite"),
    "perps: {leverage: on}": (":1:19", "switch", "leverage"),
    "perps: {leverage: yes}": (":1:19", "switch"),
    "perps: {leverage: 1:30}": (":1:19", "one number"),
    "perps: {leverage: 0x10}": (":1:19", "decimal digits"),
    "perps: {leverage: 0o17}": (":1:19", "decimal digits"),
    "perps: {leverage: 1e999}": (":1:19", "large"),
    "perps: {leverage: 5%}": (":1:19", "percentage"),
    "perps: {leverage: [5]}": (":1:19", "list"),
    "perps: {leverage: ~}": (":1:19", "no value", "remove the line"),
    "risk: {max_leverage_by_tier: {D: 3}}": (":1:31", "cannot be a key", "A, B or C"),
    "risk: {max_leverage_by_tier: {A: 3, C: 4}}": (":1:37", "C = 4 against A = 3", "make C the smaller one"),
    "risk: {max_leverage_by_tier: {B: 126}}": (":1:34", "at most 125"),
    "risk: {size_by_tier: {C: 0.6}}": (":1:23", "unknown key risk.size_by_tier.C", "risk.size_by_tier.c"),
    "risk: {size_by_tier: {c: 0.6}}": (":1:23", "against risk.size_by_tier.b = 0.5", "make risk.size_by_tier.c"),
    "perps: {fastPeriod: 9.5}": (":1:21", "whole number"),
    "perps: {stopLossPct: '0,01'}": (":1:22", "write 0.01"),
    "risk: {max_position_usd: '1,000'}": (":1:26", "write 1000"),
    "engine: {cycle_seconds: 15s}": (":1:25", "seconds"),
    "perps: {enabled: 1}": (":1:18", "true or false"),
    "perps: {enabled: 'true'}": (":1:18", "without quotes"),
    "perps: {interval: 7m}": (":1:19", "5m"),
    "perps: {triggerBy: MarkPrise}": (":1:20", "did you mean MarkPrice?"),
    "perps: {symbol: btc/usdt}": (":1:17", "write BTCUSDT"),
    "account: ../other": (":1:10", "letters, digits"),
    "perps: {riskpct: 0.01}": (":1:9", "did you mean perps.riskPct?"),
    "perps: {leverrage: 5}": (":1:9", "did you mean perps.leverage?"),
    "max_daily_risk: 0.02": (":1:1", "did you mean trading.max_daily_risk?"),
    "perps.riskPct: 0.01": (":1:1", "write riskPct below perps"),
    "perps: 5": (":1:8", "group of knobs"),
    "perps: {riskPct: 0.01, risk_pct: 0.02}": (":1:24", "two values for one knob", ":1:9"),
    "perps: {riskPct: 0.01, riskPct: 0.01}": (":1:24", "written twice", ":1:9"),
    "perps: {stateFile: data/perps_state.json}": (":1:9", "state import"),
    "perps: {leverage: &five 5}": (":1:19", "anchor"),
    "account: !!python/object/apply:os.getcwd []": (":1:10", "tag"),
    "account: !!str 5": (":1:10", "tag"),
    "account: a\n---\naccount: b": (":2:1", "second document"),
    "perps:\n\tleverage: 5": (":2:1", "spaces, not tabs"),
    "perps: [": (":2:1", "not YAML"),
    "- perps": (":1:1", "not a mapping"),
    "just text": (":1:1", "not a mapping"),
    "? [a]\n: 5": (":1:3", "no key"),
    "1: 2": (":1:1", "unknown key 1"),
    "perps: {fastPeriod: 21, slowPeriod: 9}": (":1:9", "perps.fastPeriod = 21", "slowPeriod = 9"),
    "perps: {fastPeriod: 30}": (":1:9", "perps.slowPeriod = 21 (default)"),
    "risk: {min_position_usd: 20, max_position_usd: 10}": (":1:8", "no size"),
    "venue: {baseUrl: 'https://example.com'}": (":1:9", "loopback"),
    "state: {path: 'data/{acount}.db'}": (":1:9", "placeholder"),
    "market: {candidate_symbols: [BTCUSDT, BTCUSDT]}": (":1:29", "twice"),
    "market: {candidate_symbols: BTCUSDT}": (":1:29", "not a list"),
    "log: {path: \"a\\nb\"}": (":1:13", "line break"),
    "sim: {instruments: {abc: {}}}": (":1:21", "cannot be a key"),
    "sim: {instruments: {ABCUSD: {}}}": (":1:21", "set base"),
    "exits: {targets: [{distance_r: 1, fraction: 0.7}, {distance_r: 2, fraction: 0.7}]}": (":1:9", "more than all"),
}  # fmt: skip


@pytest.mark.parametrize("text", list(CASES))
def test_each_bad_value_is_one_located_fault_that_says_what_to_do(tmp_path: Path, text: str) -> None:
    where, *words = CASES[text]
    found = faults(tmp_path, text)
    assert len(found) == 1, found
    assert found[0].startswith(f"{where}: ")
    for word in words:
        assert word in found[0]


TOML_CASES = {
    "[perps]\nriskPct = 5%": (":2:12", "not TOML", "quotes"),
    "[perps]\nleverage = 5\nleverage = 6": (":3:13", "written twice"),
    "[perps]\nleverage = nan": (":2:1", "finite"),
    "[perps]\nleverage = 07:30:00": (":2:1", "date or time"),
    "[perps]\nleverage = true": (":2:1", "switch"),
    "[perps]\nriskPct = 2": (":2:1", "0.02"),
    "[perps]\nenabled = 'true'": (":2:1", "without quotes"),
    "[perps]\nriskPct = 0.1\nrisk_pct = 0.2": (":3:1", "two values for one knob", ":2:1"),
    "x = " + "9" * 5000: (":1:1", "not TOML"),
    "x = " + "[\n" * 3000: (":1:1", "nested deeper"),
    "[perps": (":1:7", "not TOML"),
}


@pytest.mark.parametrize("text", list(TOML_CASES))
def test_toml_faults_are_located_too(tmp_path: Path, text: str) -> None:
    where, *words = TOML_CASES[text]
    found = faults(tmp_path, text, "bot.toml")
    assert len(found) == 1, found
    assert found[0].startswith(f"{where}: "), found
    for word in words:
        assert word in found[0]


def test_all_faults_come_at_once_in_reading_order(tmp_path: Path) -> None:
    found = faults(tmp_path, "perps:\n  x1: 1\n  leverage: on\nzzz: 1\naccount: a b\n")
    assert [fault.split(" ")[0] for fault in found] == [":2:3:", ":3:13:", ":4:1:", ":5:10:"]


def test_aliases_are_refused_and_never_expanded(tmp_path: Path) -> None:
    levels = "".join(f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 9)}]\n" for n in range(1, 12))
    found = faults(tmp_path, "l0: &l0 [x]\n" + levels)
    assert any("alias" in fault for fault in found)
    assert len(found) <= 400


def test_endless_faults_are_cut_short(tmp_path: Path) -> None:
    found = faults(tmp_path, "".join(f"key{number}: 1\n" for number in range(20_000)))
    assert 100 < len(found) < 110
    assert "more than 100 faults" in " ".join(found)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"account: \xff\xfe\n", "not UTF-8"),
        (b"account: a\nlog: \x00\n", "control character"),
        (b"\x7fELF\x02\x01", "control character"),
        (b"x" * (1024 * 1024 + 1), "larger than 1 MiB"),
        (b"# " + b"x" * 9000, "more than 8192 characters"),
        (b"[" * 5000, "nested deeper"),
    ],
)
def test_what_is_no_small_text_file_is_refused_before_parsing(tmp_path: Path, content: bytes, words: str) -> None:
    found = faults(tmp_path, content)
    assert len(found) == 1
    assert words in found[0]


def test_missing_folder_fifo_and_odd_endings_are_named(tmp_path: Path) -> None:
    (tmp_path / "folder.yaml").mkdir()
    os.mkfifo(tmp_path / "pipe.yaml")
    (tmp_path / "bot.json").write_text("{}")
    names = ["absent.yaml", "folder.yaml", "pipe.yaml", "bot.json", "bot"]
    found = [str(fault) for fault in check([tmp_path / name for name in names]).faults]
    assert [fault.removeprefix(str(tmp_path) + "/").split(":")[0] for fault in found] == names
    for words, fault in zip(("no such file", "a folder", "regular file", ".yaml", "ending"), found, strict=True):
        assert words in fault


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_an_unreadable_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "bot.yaml"
    path.write_text("account: a\n")
    path.chmod(0)
    assert "cannot be read" in str(check([path]).faults[0])


@pytest.mark.parametrize(
    "text",
    [
        "apiKey: {s}", "perps: {{api_secret: {s}}}", "password: {s}", "venue: {{privateKey: [{s}]}}",
        "alerts: {{webhookUrl: 'https://h.example/{s}'}}", "secrets: {{a: {s}}}", "telegram_bot_token: {s}",
        "account: {s}", "log: {{path: '{s}'}}", "perps: {{leverage: {s}}}", "perps: {{interval: {s}}}", "{s}: 1",
        "log: {{path: '123456789:AAF0aa-Bb1cc2Dd3ee4Ff5gg6Hh7{s}'}}",
    ],
)  # fmt: skip
def test_a_secret_in_a_file_is_a_fault_that_does_not_print_it(tmp_path: Path, text: str) -> None:
    secret = "k3yA9f0Q7zR2mX5cV8bN1tL4"
    with pytest.raises(ConfigError) as caught:
        (tmp_path / "bot.yaml").write_text(text.format(s=secret))
        load([tmp_path / "bot.yaml"])
    assert secret not in "\n".join(caught.value.lines())
    assert "secret" in "\n".join(caught.value.lines())


def test_a_mode_or_knob_that_is_not_built_is_refused_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "bot.yaml"
    path.write_text("market: {shrink_floor: 0.4, refresh_hours: 4}\nvenue: {name: bybit}\nsim: {source: live}\n")
    found = [str(fault) for fault in refuse_unavailable(load([path]), "live")]
    assert [fault.split(" ")[0] for fault in found] == ["mode", f"{path}:2:9:", f"{path}:1:10:", f"{path}:3:7:"]
    assert all("not available yet" in fault for fault in found)
    assert refuse_unavailable(load(), "paper") == ()


def test_what_a_live_mode_will_need_is_not_called_wrong(tmp_path: Path) -> None:
    path = tmp_path / "bot.toml"
    path.write_text("[perps]\nuseTestnet = false\n")
    (found,) = (str(fault) for fault in refuse_unavailable(load([path]), "live_limited"))
    assert found.startswith(f"{path}:2:1: perps.useTestnet = false is not available yet")
    assert "leave it true until a venue for real money is built" in found and "remove it" not in found


def test_no_mode_but_paper_and_its_limited_one_is_built() -> None:
    refused = [mode for mode in ("paper", "testnet", "live_limited", "live", "x") if refuse_unavailable(load(), mode)]
    assert refused == ["testnet", "live", "x"]
