"""Random configurations, and random books that are entered through the real gates under each of them."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from pydantic import ValidationError

from tradectl.config.schema import Config
from tradectl.domain.position import Side
from tradectl.domain.signal import SymbolRefusal
from tradectl.safety.breach import Level
from tradectl.scenarios.book import Book, Wanted, open_book
from tradectl.scenarios.proof import question, replayed, stand_ins
from tradectl.sim.instruments import shipped
from tradectl.validation.facts import Facts, Market, facts_of
from tradectl.validation.proof.portfolio import Answer, Proved

D = Decimal
SYMBOLS = tuple(shipped())


def number(dice: random.Random, low: str, high: str) -> str:
    """Evenly on the scale of its logarithm, to four digits: small limits are as frequent as large ones."""
    least, most = float(low), float(high)
    return str(D(repr(least * (most / least) ** dice.random())).quantize(D("0.0001")))


def random_config(dice: random.Random) -> Config:
    """One that loads. Thresholds are in no order: every rule of coordination may be broken."""
    while True:
        symbols = dice.sample(SYMBOLS, dice.randint(1, 10))
        leverages = {tier: dice.randint(1, 10) for tier in "ABC" if dice.random() < 0.3}
        tree: dict[str, Any] = {
            "perps": {
                "leverage": str(dice.randint(1, 20)),
                "risk_pct": number(dice, "0.002", "0.05"),
                "stop_loss_pct": number(dice, "0.003", "0.05"),
                "cash_deploy_cap": number(dice, "0.05", "3"),
            },
            "trading": {"max_daily_risk": number(dice, "0.01", "0.2")},
            "risk": {
                "max_leverage": str(dice.randint(1, 30)),
                "max_leverage_by_tier": {tier: str(value) for tier, value in leverages.items()},
                "max_single_position_margin_pct_equity": number(dice, "0.05", "1"),
                "max_aggregate_margin_pct_equity": number(dice, "0.2", "2"),
                "auction_max_margin_util": number(dice, "0.2", "0.99"),
                "max_exposure_pct": number(dice, "0.3", "10"),
                "max_concurrent_positions": dice.randint(1, 10),
                "confidence": {"high_scale": number(dice, "1", "3")},
                "max_volume_share": number(dice, "0.001", "1"),
            },
            "risk_management": {"crisis_mode": {"drawdown_threshold": number(dice, "0.02", "0.3")}},
            "safety": {
                "max_margin_utilization_pct": number(dice, "0.2", "0.99"),
                "max_equity_drawdown_pct": number(dice, "0.02", "0.4"),
                "max_concurrent_positions": dice.randint(1, 12),
            },
            "market": {"candidate_symbols": symbols, "pinned": dice.sample(["BTC", "ETH", "SOL"], dice.randint(0, 3))},
            "sim": {
                "start_balance": dice.choice(["500", "10000", "250000"]),
                "slippage_bps": dice.choice(["0", "2", "10"]),
            },
        }
        try:
            return Config.model_validate(tree)
        except ValidationError:
            continue


def facts_for(config: Config, mode: str) -> Facts:
    known, _ = stand_ins(config, Market())
    return facts_of(config, mode, known)


@dataclass
class Tally:
    """What came of many configurations. `wrong`: a sentence for each that contradicts its proof."""

    proved: Counter[str] = field(default_factory=Counter)
    books: int = 0
    positions: int = 0
    wrong: list[str] = field(default_factory=list)
    unshown: list[str] = field(default_factory=list)


def try_one(seed: int, tally: Tally, books: int) -> None:
    dice = random.Random(seed)
    config = random_config(dice)
    facts = facts_for(config, dice.choice(["paper", "paper", "live_limited"]))
    equity = facts.market.equity
    assert equity is not None
    wanted = D(number(dice, "0.0005", "0.03")) if dice.random() < 0.9 else D(0)
    answer = question(facts, equity, wanted)
    if answer.proved is Proved.HALTS:
        assert answer.portfolio is not None
        replay = replayed(facts, answer.portfolio, answer.move, None)
        if replay.tripped:
            tally.proved["halts"] += 1
        else:
            tally.proved["open"] += 1
            tally.unshown.append(f"seed {seed}: {answer.portfolio.halts.invariant} did not trip; {replay.refused}")
    else:
        tally.proved[answer.proved.value] += 1
        if answer.proved is Proved.OPEN:
            tally.unshown.append(f"seed {seed}: {answer.why}")
    if answer.proved is Proved.SAFE:
        for _ in range(books):
            tally.wrong += [f"seed {seed}: {said}" for said in contradictions(facts, answer, equity, dice, tally)]


def contradictions(facts: Facts, answer: Answer, equity: Decimal, dice: random.Random, tally: Tally) -> Iterator[str]:
    """A random book, moved after each of its entries: what halts although it was proved that nothing does."""
    threshold = facts.limits.risk_management.crisis_mode.drawdown_threshold
    lost = dice.choice([D(0), threshold * D("0.999"), threshold * D(repr(dice.random()))])
    book = open_book(facts, equity, equity / (1 - lost))
    tally.books += 1
    symbols = list(facts.market.prices)
    dice.shuffle(symbols)
    for symbol in symbols:
        signal = Wanted(
            symbol,
            dice.choice(list(Side)),
            dice.choice([D(1), facts.limits.risk.confidence.floor, D(repr(dice.random()))]),
            D(dice.choice(["1E+12", "6000000", "4999999", "499999", "250000", "100"])),
            pending=dice.random() < 0.4,
        )
        if isinstance(book.enter(signal), SymbolRefusal):
            continue
        tally.positions += 1
        yield from _after_a_move(book, answer, dice)


def _after_a_move(book: Book, answer: Answer, dice: random.Random) -> Iterator[str]:
    move = dice.choice([answer.move, answer.move, answer.move * D(repr(dice.random()))])
    then = replace(book, sized=[], refused=[])
    then.move(move, answer.funding)
    for one in then.breaches():
        if one.level is Level.HALT:
            yield f"{one.invariant}: {one.evidence} after a move of {move}"
