"""`validate-config --online` through the real executable, against venues on this machine."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from venue_on_loopback import KEY, PRICES, SECRET, Answer, Exchange, exchange

VENUES = ("binanceusdm", "bybit")
OWN = {"TRADECTL_API_KEY": KEY, "TRADECTL_API_SECRET": SECRET}


def configuration(folder: Path, on: Exchange, more: str = "", name: str = "bot.yaml") -> str:
    (folder / name).write_text(f"venue: {{name: {on.dialect}, baseUrl: '{on.url}'}}\n{more}")
    return name


def command(folder: Path, env: dict[str, str]) -> dict[str, Any]:
    base = {"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONPATH": os.pathsep.join(sys.path)}
    return {"cwd": folder, "env": base | env, "text": True, "stdin": subprocess.DEVNULL}


def tradectl(folder: Path, *args: str, **env: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "tradectl", "validate-config", *args]
    return subprocess.run(argv, capture_output=True, timeout=120, check=False, **command(folder, env))


def answered(folder: Path, *args: str, **env: str) -> tuple[int, dict[str, Any]]:
    done = tradectl(folder, "--online", "--json", *args, **env)
    assert done.stderr == ""
    return done.returncode, json.loads(done.stdout)["configs"][0]


def rules(config: dict[str, Any], severity: str) -> set[str]:
    return {one["rule"] for one in config["findings"] if one["severity"] == severity}


@pytest.mark.parametrize("venue", VENUES)
def test_what_was_not_checked_is_checked_when_the_venue_is_asked(tmp_path: Path, venue: str) -> None:
    with exchange(venue) as on:
        name = configuration(tmp_path, on, "perps: {symbol: SOLUSDT}\n")
        offline = json.loads(tradectl(tmp_path, "--json", name).stdout)["configs"][0]
        assert on.seen == [] and "online" not in offline
        code, config = answered(tmp_path, name, **OWN)
    unchecked = [one["rule"] for one in offline["findings"] if one["says"].startswith("not checked")]
    assert unchecked == ["TC08", "TC09", "TC20", "TC22", "TC25", "TC26"]
    still = [one["rule"] for one in config["findings"] if one["says"].startswith("not checked")]
    assert still == ([] if venue == "binanceusdm" else ["TC25"])
    told = config["online"]["terms"]
    assert code == 0 and told["untold"] == [] and told["equity"] == "1000.5"
    assert told["instruments"]["SOLUSDT"]["tiers"][0]["maintenance_rate"] == "0.005"


@pytest.mark.parametrize("venue", VENUES)
def test_the_rules_reckon_with_what_was_told_as_they_do_with_the_simulated_exchange(tmp_path: Path, venue: str) -> None:
    """The same contracts, fee, funding and equity from both: the rules that need them say the same of both."""
    thresholds = (
        "perps: {leverage: 30, stopLossPct: 0.03, takeProfitPct: 0.001, riskPct: 0.02, maxMarginRatio: 0.02,"
        " cashDeployCap: 100%}\n"
        "market: {candidate_symbols: [SOLUSDT, XRPUSDT, BTCUSDT, ETHUSDT, BNBUSDT, ADAUSDT]}\n"
        "risk: {max_exposure_pct: 1000%, auction_max_margin_util: 0.20}\n"
        "safety: {max_margin_utilization_pct: 0.205, degraded_margin_utilization_pct: 0.19,"
        " auto_recovery: {below_margin_utilization_pct: 0.19}}\n"
    )
    with exchange(venue, equity="1000", fee="0.00075", funding="-0.0003") as on:
        _, config = answered(tmp_path, configuration(tmp_path, on, thresholds), **OWN)
    (tmp_path / "sim.yaml").write_text(
        thresholds + "sim: {taker_fee: 0.00075, funding_rate: 0.0003, start_balance: 1000}\n"
    )
    simulated = json.loads(tradectl(tmp_path, "--json", "sim.yaml").stdout)["configs"][0]

    def said(of: dict[str, Any], *names: str) -> list[tuple[str, str, str]]:
        return [(one["rule"], one["severity"], one["arithmetic"]) for one in of["findings"] if one["rule"] in names]

    exact = ("TC03", "TC08", "TC20", "TC22", "TC26")
    assert said(config, *exact) == said(simulated, *exact)
    assert {rule for rule, *_ in said(config, *exact)} == {"TC03", "TC08", "TC26"}
    assert rules(config, "error") >= {"TC08", "TC09"}


def test_a_market_that_the_venue_does_not_trade_is_an_error(tmp_path: Path) -> None:
    with exchange("bybit", "SOLUSDT") as on:
        done = tradectl(tmp_path, "--online", configuration(tmp_path, on, "perps: {symbol: MATICUSDT}\n"))
    assert done.returncode == 2
    assert "ERROR TC22 MATICUSDT cannot be traded at bybit: the venue has no such contract" in done.stdout
    assert "bot.yaml:2:9" in done.stdout


def test_an_equity_too_small_and_a_leverage_too_high_are_found(tmp_path: Path) -> None:
    more = "perps: {symbol: XRPUSDT, leverage: 50}\nrisk: {max_leverage: 50}\npolicy: {profile: AGGRESSIVE}\n"
    with exchange("binanceusdm", equity="8") as on:
        _, small = answered(tmp_path, configuration(tmp_path, on), **OWN)
    with exchange("binanceusdm", equity="5000000") as on:
        _, large = answered(tmp_path, configuration(tmp_path, on, more), **OWN)
    assert "TC22" in rules(small, "error")
    knobs = {knob["key"] for one in small["findings"] for knob in one["knobs"]}
    assert "perps.riskPct" in knobs and not any(key.startswith("sim.") for key in knobs)
    assert "TC20" in rules(large, "warning")


def test_a_stop_and_its_targets_must_fit_in_what_one_symbol_may_have(tmp_path: Path) -> None:
    def few(answer: Answer) -> Answer:
        for row in answer.body["symbols"]:
            for one in row["filters"]:
                if one["filterType"] == "MAX_NUM_ALGO_ORDERS":
                    one["limit"] = 2
        return answer

    with exchange("binanceusdm", "SOLUSDT") as on:
        on.spoil("exchangeInfo", few)
        _, config = answered(tmp_path, configuration(tmp_path, on), **OWN)
    assert "TC25" in rules(config, "error")


def test_without_a_key_what_only_the_owner_is_told_is_named_and_no_failure(tmp_path: Path) -> None:
    with exchange("binanceusdm") as on:
        done = tradectl(tmp_path, "--online", configuration(tmp_path, on))
    assert done.returncode == 0
    line = next(one for one in done.stdout.splitlines() if one.startswith("NOT TOLD"))
    assert line.startswith("NOT TOLD leverage and maintenance tiers; the account's fees; the account's equity: ")
    assert "  do  set TRADECTL_API_KEY and TRADECTL_API_SECRET" in done.stdout
    assert "no rule is broken; " in done.stdout


@pytest.mark.parametrize("venue", VENUES)
def test_a_venue_that_cannot_be_reached_is_75_and_says_what_was_not_checked(tmp_path: Path, venue: str) -> None:
    with exchange(venue) as on:
        name = configuration(tmp_path, on, "execution: {read_backoff_seconds: [0]}\n")
    done = tradectl(tmp_path, "--online", name, **OWN)
    assert done.returncode == 75 and done.stderr == ""
    assert "no rule is broken by what is known, and the venue did not tell all" in done.stdout
    assert "cannot be reached" in done.stdout and "then try again" in done.stdout
    code, config = answered(tmp_path, name, **OWN)
    assert code == 75 and {one["missing"] for one in config["online"]["terms"]["untold"]} == {"unreachable"}


def test_an_error_of_the_configuration_is_worse_than_a_venue_that_does_not_answer(tmp_path: Path) -> None:
    with exchange("bybit") as on:
        more = "execution: {read_backoff_seconds: [0]}\nsafety: {max_margin_utilization_pct: 0.85}\n"
        name = configuration(tmp_path, on, more)
    assert tradectl(tmp_path, "--online", name).returncode == 2


@pytest.mark.parametrize("venue", VENUES)
def test_a_refused_key_is_2_and_nothing_of_it_is_printed(tmp_path: Path, venue: str) -> None:
    key, secret = "Some0ther4Key7Of9Mine", "Some0ther4Secret7Of9Mine"
    with exchange(venue) as on:
        name = configuration(tmp_path, on)
        for args in ((name,), (name, "--json"), ("--verbose", name)):
            done = tradectl(tmp_path, "--online", *args, TRADECTL_API_KEY=key, TRADECTL_API_SECRET=secret)
            assert done.returncode == 2
            assert "does not accept the API key" in done.stdout
            assert key not in done.stdout + done.stderr and secret not in done.stdout + done.stderr


def test_the_key_of_the_account_goes_before_the_common_one(tmp_path: Path) -> None:
    with exchange("bybit") as on:
        name = configuration(tmp_path, on, "account: desk\n")
        env = {"TRADECTL_DESK_API_KEY": KEY, "TRADECTL_DESK_API_SECRET": SECRET, "TRADECTL_API_KEY": "not-this-one"}
        code, config = answered(tmp_path, name, **env)
    assert code == 0 and config["online"]["terms"]["untold"] == []


def test_a_key_is_not_sent_to_this_machine_in_a_live_configuration(tmp_path: Path) -> None:
    with exchange("binanceusdm") as on:
        name = configuration(tmp_path, on, "perps: {useTestnet: false}\n")
        code, config = answered(tmp_path, name, "--mode", "live", **OWN)
        assert on.paths() and not any("account" in path.lower() or "Bracket" in path for path in on.paths())
    assert code == 2 and "TC19" in rules(config, "error")


def test_a_clock_too_far_from_the_venues_is_said(tmp_path: Path) -> None:
    with exchange("bybit", skew_ms=-7_000) as on:
        name = configuration(tmp_path, on)
        done, strict = (tradectl(tmp_path, "--online", *args, name, **OWN) for args in ((), ("--strict",)))
    assert (done.returncode, strict.returncode) == (0, 1)
    assert "1 warning, " in done.stdout and "warnings count as failure" in strict.stdout
    assert (
        "WARNING this machine's clock is 7.0 s ahead of the venue's: more than venue.max_clock_skew_ms" in done.stdout
    )


def test_the_simulated_exchange_and_a_venue_that_is_not_spoken_with(tmp_path: Path) -> None:
    (tmp_path / "sim.yaml").write_text("perps: {symbol: SOLUSDT}\n")
    (tmp_path / "far.yaml").write_text("venue: {name: zoomex}\n")
    sim, far = tradectl(tmp_path, "--online", "sim.yaml"), tradectl(tmp_path, "--online", "far.yaml")
    assert sim.returncode == 0 and "--online: nobody to ask" in sim.stdout
    assert far.returncode == 2 and "tradectl does not speak with zoomex yet" in far.stdout


def test_a_folder_asks_each_venue_once(tmp_path: Path) -> None:
    with exchange("binanceusdm", "SOLUSDT") as on:
        folder = tmp_path / "configs"
        folder.mkdir()
        for name in ("a.yaml", "b.yaml", "c.yaml"):
            configuration(folder, on, name=name)
        done = tradectl(tmp_path, "--online", "configs", **OWN)
    assert done.returncode == 0 and on.paths().count("/fapi/v1/exchangeInfo") == 1
    assert done.stdout.count("asked binanceusdm testnet at ") == 3


def test_a_proof_is_made_of_what_was_told_and_says_what_stands_in(tmp_path: Path) -> None:
    pytest.importorskip("z3")
    with exchange("binanceusdm", equity="1234.5") as on:
        name = configuration(tmp_path, on, "perps: {symbol: SOLUSDT}\n")
        code, config = answered(tmp_path, "--prove", name, **OWN)
        _, keyless = answered(tmp_path, "--prove", name)
    proof = config["proof"]
    assert code == 0 and proof["proved"] == "safe"
    assert proof["equity"] == "1234.5" and proof["funding"] == "0.0001" and proof["stand_in"] == ""
    stand_in = "not known here of the venue, and the simulated exchange's instead: equity, fees, tiers"
    assert keyless["proof"]["stand_in"] == stand_in


def test_a_book_that_the_venues_own_terms_halt_is_found_and_replayed(tmp_path: Path) -> None:
    """Incident 01 with the venue's terms: the gates let in what the halt ends, at its prices and tiers."""
    pytest.importorskip("z3")
    more = (
        "perps: {leverage: 5, riskPct: 0.01, stopLossPct: 0.01, cashDeployCap: 100%}\n"
        f"market: {{candidate_symbols: [{', '.join(PRICES)}]}}\n"
        "risk: {auction_max_margin_util: 0.90, max_exposure_pct: 1000%, max_aggregate_margin_pct_equity: 100%}\n"
        "safety:\n  max_margin_utilization_pct: 0.85\n  degraded_margin_utilization_pct: 0.80\n"
        "  auto_recovery: {below_margin_utilization_pct: 0.80}\n"
        "accept: {TC01: as it was then, TC05: as it was then, TC03: as it was then}\n"
    )
    with exchange("bybit", equity="50000") as on:
        code, config = answered(tmp_path, "--prove", configuration(tmp_path, on, more), **OWN)
    assert code == 2 and config["proof"]["proved"] == "halts"
    positions = config["proof"]["replay"]["positions"]
    assert config["proof"]["replay"]["equity_before"].startswith("49")
    assert all(one["symbol"] in on.instruments for one in positions)
    btc = [one for one in positions if one["symbol"] == "BTCUSDT"]
    assert all(abs(float(one["price"]) - 60000.1) < 60 for one in btc)


def test_ctrl_c_ends_it_without_a_traceback(tmp_path: Path) -> None:
    with exchange("binanceusdm") as on:
        on.spoil("exchangeInfo", Answer(b"", stall=True))
        argv = [sys.executable, "-m", "tradectl", "validate-config", "--online", configuration(tmp_path, on)]
        with subprocess.Popen(
            argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **command(tmp_path, OWN)
        ) as running:
            while not any(path.endswith("exchangeInfo") for path in on.paths()):
                assert running.poll() is None
            running.send_signal(signal.SIGINT)
            _, errors = running.communicate(timeout=60)
        assert running.returncode == 130
    assert "Traceback" not in errors


def test_without_online_nothing_that_speaks_with_a_venue_is_loaded(tmp_path: Path) -> None:
    (tmp_path / "bot.yaml").write_text("venue: {name: bybit}\n")
    code = (
        "import sys\nfrom tradectl.__main__ import main\nsys.argv = ['tradectl', 'validate-config', 'bot.yaml']\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "print(sorted({name.partition('.')[0] for name in sys.modules} & {'ccxt', 'aiohttp', 'asyncio', 'ssl'}))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, timeout=60, check=False, **command(tmp_path, {})
    )
    assert done.stdout.splitlines()[-1] == "[]"
