"""Loading: what a person wrote is what the bot reads, from either format, with the place of every value."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from tradectl.config.load import check, load
from tradectl.config.schema import Config
from tradectl.errors import ConfigError, ExitCode

CONFIGS = Path(__file__).parents[2] / "configs"


def write(folder: Path, text: str, name: str = "bot.yaml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_no_config_at_all_is_the_built_in_defaults() -> None:
    assert load().config == Config()
    assert load().config.perps.symbol == "SOLUSDT"


def test_every_default_passes_the_bounds_of_its_own_schema() -> None:
    assert Config.model_validate(load().config.model_dump()) == load().config


def test_camel_and_snake_case_yaml_and_toml_mean_the_same(tmp_path: Path) -> None:
    files = [
        write(
            tmp_path, "perps:\n  riskPct: 0.01\n  sessionMaxTrades: 4\nriskManagement: {crisisMode: {atrPeriod: 20}}\n"
        ),
        write(
            tmp_path,
            "perps: {risk_pct: 1%, session_max_trades: 4}\nrisk_management: {crisis_mode: {atr_period: 20}}\n",
            "b.yml",
        ),
        write(
            tmp_path,
            '[perps]\nrisk_pct = "1%"\nsessionMaxTrades = 4\n[riskManagement.crisis_mode]\natrPeriod = 20\n',
            "c.toml",
        ),
    ]
    digests = {load([file]).digest for file in files}
    assert len(digests) == 1
    assert digests != {load().digest}


@pytest.mark.parametrize(
    ("text", "expected"),
    [("010", "10"), ("1e1", "10"), ("10.0", "10"), ("1_0", "10"), ("+10", "10"), ('"10"', "10")],
)
def test_numbers_mean_what_a_person_means(tmp_path: Path, text: str, expected: str) -> None:
    config = load([write(tmp_path, f"perps:\n  leverage: {text}\n")]).config
    assert config.perps.leverage == Decimal(expected)


def test_small_numbers_and_percentages_are_exact_decimals(tmp_path: Path) -> None:
    config = load(
        [write(tmp_path, "perps: {riskPct: 1e-4, stopLossPct: 0.7%}\nrisk: {max_exposure_pct: 150%}\n")]
    ).config
    assert (config.perps.risk_pct, config.perps.stop_loss_pct) == (Decimal("0.0001"), Decimal("0.007"))
    assert config.risk.max_exposure_pct == Decimal("1.5")


def test_toml_floats_keep_every_digit(tmp_path: Path) -> None:
    text = "[perps]\nriskPct = 0.001000000000000001\n"
    assert load([write(tmp_path, text, "a.toml")]).config.perps.risk_pct == Decimal("0.001000000000000001")


@pytest.mark.parametrize("word", ["none", "null", "~", ""])
def test_an_optional_limit_is_switched_off_by_a_word(tmp_path: Path, word: str) -> None:
    base = write(tmp_path, "perps:\n  sessionMaxTrades: 4\n")
    over = write(tmp_path, f"perps:\n  sessionMaxTrades: {word}\n", "over.yaml")
    assert load([base]).config.perps.session_max_trades == 4
    assert load([base, over]).config.perps.session_max_trades is None


def test_later_files_win_key_by_key_and_each_value_names_its_place(tmp_path: Path) -> None:
    base = write(tmp_path, "perps:\n  riskPct: 0.01\n  leverage: 3\n")
    over = write(tmp_path, "# night\n[perps]\nleverage = 2\n", "over.toml")
    resolved = load([base, over])
    assert (resolved.config.perps.risk_pct, resolved.config.perps.leverage) == (Decimal("0.01"), 2)
    assert str(resolved.provenance["perps.risk_pct"]) == f"{base}:2:3"
    assert str(resolved.provenance["perps.leverage"]) == f"{over}:3:1"
    assert str(resolved.origin(("perps", "symbol"))) == "default"


def test_tables_of_instruments_are_layered_too(tmp_path: Path) -> None:
    base = write(tmp_path, "sim:\n  instruments:\n    PEPEUSDT: {tick_size: 1e-7, min_notional: 6}\n")
    over = write(tmp_path, "[sim.instruments.PEPEUSDT]\nminNotional = 7\n", "over.toml")
    resolved = load([base, over])
    pepe = resolved.config.sim.instruments["PEPEUSDT"]
    assert (pepe.tick_size, pepe.min_notional) == (Decimal("0.0000001"), 7)
    assert str(resolved.provenance["sim.instruments.PEPEUSDT.min_notional"]) == f"{over}:2:1"


@pytest.mark.parametrize("text", ["", "# only a comment\n", "---\n", "~\n"])
def test_an_empty_file_is_all_defaults_with_a_notice(tmp_path: Path, text: str) -> None:
    resolved = load([write(tmp_path, text)])
    assert resolved.config == Config()
    assert "every knob has its default" in resolved.notices[0]


def test_windows_line_ends_and_a_byte_order_mark_do_not_matter(tmp_path: Path) -> None:
    path = tmp_path / "bot.yaml"
    path.write_bytes(b"\xef\xbb\xbfperps:\r\n  leverage: 3\r\n")
    assert load([path]).config.perps.leverage == 3


def test_the_older_list_of_tiers_becomes_candidates_with_a_notice(tmp_path: Path) -> None:
    text = 'coin_universe:\n  liquidity_tiers:\n    A: ["BTC/USD", "ETH/USD"]\n    B: ["XBT/USD", "SOLUSDT"]\n'
    resolved = load([write(tmp_path, text)])
    assert resolved.config.market.candidate_symbols == ("BTCUSDT", "ETHUSDT", "SOLUSDT")
    assert "market.candidate_symbols" in resolved.notices[0]


def test_the_digest_follows_values_and_nothing_else(tmp_path: Path) -> None:
    same = write(tmp_path, "perps: {leverage: 5.0}  # the default, written out\n")
    other = write(tmp_path, "perps: {leverage: 6}\n", "other.yaml")
    assert load([same]).digest == load().digest != load([other]).digest


@pytest.mark.parametrize("name", ["paper.yaml", "zoomex_example.yaml", "live_limited.toml"])
def test_shipped_examples_load_without_faults(name: str) -> None:
    checked = check([CONFIGS / name])
    assert [str(fault) for fault in checked.faults] == []
    assert checked.resolved is not None
    assert not checked.resolved.notices


def test_the_testnet_example_is_the_runbooks_profile() -> None:
    config = load([CONFIGS / "zoomex_example.yaml"]).config
    assert (config.trading.max_daily_risk, config.perps.max_margin_ratio) == (Decimal("0.02"), Decimal("0.80"))
    assert config.risk_management.crisis_mode.drawdown_threshold == Decimal("0.05")
    assert (config.perps.session_max_trades, config.perps.session_max_runtime_minutes) == (10, 120)
    assert (config.perps.consecutive_loss_limit, config.perps.use_testnet, config.venue.name) == (3, True, "zoomex")


def test_a_refusal_exits_78_and_carries_every_fault_of_every_file(tmp_path: Path) -> None:
    one = write(tmp_path, "perps:\n  leverage: x\n  riskPct: y\n")
    two = write(tmp_path, "[trading]\nmax_daily_risk = true\n", "two.toml")
    with pytest.raises(ConfigError) as caught:
        load([one, two])
    assert caught.value.exit_code == ExitCode.CONFIG
    assert [fault.split(" ")[0] for fault in caught.value.faults] == [f"{one}:2:13:", f"{one}:3:12:", f"{two}:2:1:"]


def test_the_store_path_is_filled_in() -> None:
    assert load().config.store_path("paper") == Path("data/main-paper.db")
