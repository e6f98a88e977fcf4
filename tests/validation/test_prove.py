"""`validate-config --prove`, through the executable and through the same inequalities that the bot evaluates."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from proof_kit import Tally, facts_for, try_one

from tradectl.config.load import check
from tradectl.config.schema import Config
from tradectl.domain.inequality import Inequality, Operator
from tradectl.engine import guarding
from tradectl.execution import sweep
from tradectl.risk import caps
from tradectl.risk.gates import position_count
from tradectl.scenarios.proof import of, question, replayed
from tradectl.validation.proof import ask, built, exact, wide
from tradectl.validation.proof.portfolio import Proved

D = Decimal
ROOT = Path(__file__).resolve().parents[2]
MARKETS = ["BTCUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT", "DOGEUSDT", "BNBUSDT", "ADAUSDT", "LINKUSDT", "AVAXUSDT"]
# The thresholds of incident 01, with the caps of that time: neither exposure nor cash stood in the way.
THEN = f"""
perps: {{leverage: 5, riskPct: 0.01, stopLossPct: 0.01, cashDeployCap: 100%}}
market: {{candidate_symbols: [{", ".join(MARKETS)}]}}
risk:
  auction_max_margin_util: 90%
  max_exposure_pct: 1000%
  max_aggregate_margin_pct_equity: 100%
safety:
  max_margin_utilization_pct: 85%
  degraded_margin_utilization_pct: 80%
  auto_recovery: {{below_margin_utilization_pct: 80%}}
accept: {{TC01: as it was then, TC05: as it was then, TC03: as it was then}}
"""


def tradectl(folder: Path, *args: str, first: Path | None = None) -> subprocess.CompletedProcess[str]:
    paths = [str(first)] if first else []
    return subprocess.run(
        [sys.executable, "-m", "tradectl", *args],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONPATH": os.pathsep.join([*paths, *sys.path])},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def proved(folder: Path, text: str, *more: str) -> tuple[int, dict[str, Any]]:
    (folder / "bot.yaml").write_text(text)
    done = tradectl(folder, "validate-config", "bot.yaml", "--prove", "--json", *more)
    assert not done.stderr, done.stderr
    return done.returncode, json.loads(done.stdout)["configs"][0]["proof"]


def test_incident_01_by_force_shows_the_portfolio_and_what_the_halt_does_to_it(tmp_path: Path) -> None:
    code, proof = proved(tmp_path, THEN, "--move", "0")
    assert code == 2
    assert (proof["proved"], proof["halts"], proof["safe_up_to"]) == ("halts", "margin_utilisation", None)
    replay = proof["replay"]
    # Nine markets at 20% of margin each: four stay below the halt, so five is the least.
    assert [one["cap"].partition(" (")[0] for one in replay["positions"]] == 4 * ["cash deployed by one trade"] + [
        "margin utilisation"
    ]
    margin = sum(D(one["margin"]) for one in replay["positions"])
    assert D("0.85") < margin / D(replay["equity_before"]) < D("0.91")
    assert "halts at 85.00%" in replay["tripped"]
    assert "MARGIN_CRITICAL" in replay["bot"]["reason"]
    assert replay["bot"]["positions"] == replay["bot"]["stops"] == 5


def test_what_it_prints_is_the_portfolio_in_plain_numbers(tmp_path: Path) -> None:
    (tmp_path / "bot.yaml").write_text(THEN)
    done = tradectl(tmp_path, "validate-config", "bot.yaml", "--prove", "--move", "0.5%")
    assert done.returncode == 2, done.stderr
    assert "HALTS: the gates let in 5 positions that margin_utilisation halts within a move of 0.50%" in done.stdout
    assert "the stops of 5 of 5 positions stand as before" in done.stdout
    assert "no move at all is proved safe" in done.stdout


def test_a_move_that_ends_just_before_the_stops_leaves_them(tmp_path: Path) -> None:
    code, proof = proved(tmp_path, THEN)
    bot = proof["replay"]["bot"]
    assert code == 2 and proof["move"] == proof["stops_end_at"] < proof["asked"]
    assert bot["positions"] == bot["stops"] == len(proof["replay"]["positions"]) > 0


def test_the_same_caps_below_the_halt_are_safe_up_to_a_move(tmp_path: Path) -> None:
    safe = THEN.replace("auction_max_margin_util: 90%", "auction_max_margin_util: 60%")
    assert safe != THEN
    code, proof = proved(tmp_path, safe, "--move", "0.1%")
    assert (code, proof["proved"], proof["replay"]) == (0, "safe", None)
    # 0.85 of what is left of equity is 0.60 of it only after a fall that the stops come before.
    assert D(proof["safe_up_to"]) > D("0.001")


def test_shipped_configurations_are_proved() -> None:
    done = tradectl(ROOT, "validate-config", "configs", "--prove", "--strict", "--json")
    assert done.returncode == 0, done.stdout
    assert {one["proof"]["proved"] for one in json.loads(done.stdout)["configs"]} == {"safe"}


def test_a_drawdown_that_entries_are_still_allowed_in_is_part_of_the_portfolio(tmp_path: Path) -> None:
    text = (
        "perps: {leverage: 10, riskPct: 0.02, stopLossPct: 0.02, cashDeployCap: 100%}\n"
        "risk: {max_exposure_pct: 1000%, max_leverage: 10}\n"
        "safety: {max_equity_drawdown_pct: 10.5%, degraded_equity_drawdown_pct: 10%}\n"
    )
    code, proof = proved(tmp_path, text)
    assert (code, proof["halts"]) == (2, "equity_drawdown")
    assert "DRAWDOWN_CRITICAL" in proof["replay"]["bot"]["reason"]
    assert D("0.003") < D(proof["safe_up_to"]) < D("0.0051")  # 0.5% of equity are between the gate and the halt


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("--prove", "--move", "much"), "'much' is not a number"),
        (("--prove", "--move", "100%"), "is not a part of the price"),
        (("--prove", "--move=-1%"), "is not a part of the price"),
        (("--prove", "--move", "nan"), "is not a number"),
        (("--move", "1%"), "--move is for --prove"),
    ],
)
def test_a_move_that_is_none_is_said(tmp_path: Path, args: tuple[str, ...], says: str) -> None:
    (tmp_path / "bot.yaml").write_text("")
    done = tradectl(tmp_path, "validate-config", "bot.yaml", *args)
    assert done.returncode == 3, done.stdout
    assert says in done.stderr and "Traceback" not in done.stderr


def test_without_the_solver_it_says_what_to_install(tmp_path: Path) -> None:
    missing = tmp_path / "first" / "z3"
    missing.mkdir(parents=True)
    (missing / "__init__.py").write_text("raise ModuleNotFoundError(\"No module named 'z3'\", name='z3')\n")
    (tmp_path / "bot.yaml").write_text("")
    assert tradectl(tmp_path, "validate-config", "bot.yaml", first=missing.parent).returncode == 0
    done = tradectl(tmp_path, "validate-config", "bot.yaml", "--prove", first=missing.parent)
    assert done.returncode != 0
    assert "tradectl[prove]" in done.stderr and "Traceback" not in done.stderr


def test_a_file_that_does_not_load_is_not_proved(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("perps: {leverage: many}\n")
    (tmp_path / "good.yaml").write_text("")
    done = tradectl(tmp_path, "validate-config", "bad.yaml", "good.yaml", "--prove", "--json")
    assert done.returncode == 2
    assert [bool(one["proof"]) for one in json.loads(done.stdout)["configs"]] == [False, True]


# One definition: what the bot's sizing evaluates is what the solver is told.


def config(**risk: object) -> Config:
    return Config.model_validate(
        {
            "perps": {"leverage": 5, "risk_pct": "0.01", "stop_loss_pct": "0.01", "cash_deploy_cap": "1"},
            "market": {"candidate_symbols": MARKETS},
            "risk": {
                "max_exposure_pct": "10",
                "max_aggregate_margin_pct_equity": "1",
                "auction_max_margin_util": "0.6",
                **risk,
            },
            "safety": {"max_margin_utilization_pct": "0.85", "max_equity_drawdown_pct": "0.5"},
        }
    )


def halts(config: Config, move: str = "0.001") -> tuple[Proved, str]:
    facts = facts_for(config, "paper")
    assert facts.market.equity is not None
    answer = question(facts, facts.market.equity, D(move))
    if answer.portfolio is None:
        return answer.proved, ""
    replay = replayed(facts, answer.portfolio, answer.move, None)
    assert replay.tripped, "what the model finds halts on the exchange as well"
    return answer.proved, answer.portfolio.halts.invariant


def test_a_gate_that_is_taken_out_changes_the_proof_and_the_bot(monkeypatch: pytest.MonkeyPatch) -> None:
    assert halts(config()) == (Proved.SAFE, "")
    monkeypatch.setattr(caps, "CAPS", tuple(cap for cap in caps.CAPS if cap.name != "margin_budget"))
    assert halts(config()) == (Proved.HALTS, "margin_utilisation")


def test_a_gate_with_another_bound_changes_the_proof_and_the_bot(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if somebody had written the wrong knob into the budget's line."""
    wrong = "risk.max_aggregate_margin_pct_equity"
    changed = tuple(
        replace(cap, inequality=replace(cap.inequality, bound=wrong)) if cap.name == "margin_budget" else cap
        for cap in caps.CAPS
    )
    monkeypatch.setattr(caps, "CAPS", changed)
    assert halts(config()) == (Proved.HALTS, "margin_utilisation")


def test_a_gate_that_counts_otherwise_changes_the_proof_and_the_bot(monkeypatch: pytest.MonkeyPatch) -> None:
    few = Config.model_validate(
        {
            "market": {"candidate_symbols": MARKETS},
            "risk": {"max_concurrent_positions": 3},
            "safety": {"max_concurrent_positions": 3},
        }
    )
    assert halts(few) == (Proved.SAFE, "")
    unbound = Inequality(position_count.LIMIT.term, Operator.AT_MOST, "perps.slow_period")
    monkeypatch.setattr(position_count, "LIMIT", unbound)
    assert halts(few) == (Proved.HALTS, "position_count")


def test_an_answer_that_does_not_come_is_no_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wide.Wide, "reaches", lambda *args, **named: None)
    facts = facts_for(config(), "paper")
    assert facts.market.equity is not None
    answer = question(facts, facts.market.equity, D("0.01"))
    assert answer.proved is Proved.OPEN and answer.safest is None and "no answer within" in answer.why


def test_a_search_that_finds_no_end_is_given_up_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def endless(self: exact.Exact, *args: object, **named: object) -> None:
        self.unanswered += 1

    monkeypatch.setattr(exact.Exact, "portfolio", endless)
    monkeypatch.setattr(built.Built, "smallest", lambda *args: None)
    facts = facts_for(config(auction_max_margin_util="0.9"), "paper")
    assert facts.market.equity is not None
    answer = question(facts, facts.market.equity, D("0.01"))
    assert answer.proved is Proved.OPEN and "none was found in the time there is" in answer.why


def test_the_searches_of_one_proof_share_one_effort(monkeypatch: pytest.MonkeyPatch) -> None:
    """An operator does not wait for a book that is hard to find; safety is not claimed either."""
    facts = facts_for(config(auction_max_margin_util="0.9"), "paper")
    assert facts.market.equity is not None
    monkeypatch.setattr(built.Built, "smallest", lambda *args: None)
    assert question(facts, facts.market.equity, D("0.01")).proved is Proved.HALTS, "the search finds it by itself"
    monkeypatch.setattr(ask, "EFFORT", 1000)
    answer = question(facts, facts.market.equity, D("0.01"))
    assert answer.proved is Proved.OPEN and "none was found in the time there is" in answer.why


def test_a_book_of_unsure_signals_is_found_where_sure_ones_leave_no_room_for_it() -> None:
    """Two entries of sure signals use up the margin, at a quarter of equity each; of unsure ones there is a third."""
    found, halting = halts(
        Config.model_validate(
            {
                "perps": {"leverage": 2, "risk_pct": "0.01", "stop_loss_pct": "0.02", "cash_deploy_cap": "1"},
                "market": {"candidate_symbols": MARKETS},
                "risk": {"auction_max_margin_util": "0.5", "max_concurrent_positions": 7, "min_notional_viable": 500},
                "safety": {"max_concurrent_positions": 2},
            }
        )
    )
    assert (found, halting) == (Proved.HALTS, "position_count")


def test_an_account_too_small_for_any_order_halts_nothing() -> None:
    tiny = {"sim": {"start_balance": "100"}, "risk": {"min_notional_viable": 1000}}
    loose = {"safety": {"max_equity_drawdown_pct": "0.05", "degraded_equity_drawdown_pct": "0.05"}}
    assert halts(Config.model_validate({**tiny, **loose})) == (Proved.SAFE, "")


def test_a_market_of_which_nothing_is_known_is_not_proved(tmp_path: Path) -> None:
    code, proof = proved(tmp_path, "perps: {symbol: FOOUSDT}\nvenue: {name: bybit}\n")
    assert (code, proof["proved"]) == (1, "open")
    assert "FOOUSDT" in proof["why"]


def test_a_sweep_that_takes_the_stops_would_show(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What incident 01 was: the halt itself left the positions naked."""
    (tmp_path / "bot.yaml").write_text(THEN)
    resolved = check([str(tmp_path / "bot.yaml")]).resolved
    assert resolved is not None
    for module in (sweep, guarding):
        monkeypatch.setattr(module, "must_go", lambda order: "everything goes")
    found = of(resolved, "paper", "0")
    assert found is not None and found.replay is not None and found.replay.bot is not None
    assert found.replay.bot.positions == 5 and not found.replay.bot.kept


def test_entries_that_are_switched_off_halt_nothing() -> None:
    off = Config.model_validate({"perps": {"enabled": False}})
    assert halts(off) == (Proved.SAFE, "")


# Random configurations: safe ones survive random books, unsafe ones are seen to halt.


def judge(seeds: range, books: int) -> Tally:
    tally = Tally()
    for seed in seeds:
        try_one(seed, tally, books)
    assert not tally.wrong, tally.wrong[:5]
    return tally


def test_proofs_hold_against_books_that_the_gates_let_in() -> None:
    tally = judge(range(120), books=2)
    assert tally.proved["safe"] > 20 and tally.proved["halts"] > 20, "both answers were put to the test"
    assert tally.positions > 100
    assert tally.proved["open"] < 5, tally.unshown


@pytest.mark.slow
def test_ten_thousand_configurations() -> None:
    tally = judge(range(10_000), books=3)
    assert tally.proved["open"] < 300, tally.unshown[:5]
