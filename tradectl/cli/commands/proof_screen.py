"""How a proof is shown: the verdict in one sentence, then the portfolio, what happened to it, and how far is safe."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from tradectl.cli.render import Screen
from tradectl.domain.money import amount, percent, text

if TYPE_CHECKING:
    from tradectl.scenarios.proof import Proof, Replayed
    from tradectl.validation.proof.portfolio import Answer

CLAIM = (
    "entries one after another while prices stand, in any order and on any side, each with its configured stop, from "
    "any drawdown and day that the gates still let trade; then the move against every position, one payment of "
    "funding, and what entering cost"
)


def plain(proof: Proof | None) -> dict[str, Any] | None:
    if proof is None:
        return None
    answer = proof.answer
    return {
        "proved": proof.proved.value,
        "move": answer.move,
        "asked": answer.wanted,
        "stops_end_at": answer.reach,
        "funding": answer.funding,
        "safe_up_to": answer.safest,
        "equity": answer.equity,
        "markets": answer.markets,
        "positions": answer.positions,
        "degraded": [bound.invariant for bound in answer.degraded],
        "why": _why(proof),
        "stand_in": proof.stand_in,
        "halts": answer.portfolio.halts.invariant if answer.portfolio else None,
        "replay": proof.replay,
    }


def draw(screen: Screen, proof: Proof, *, verbose: bool) -> None:
    answer = proof.answer
    tone, sentence = _sentence(proof)
    screen.text(sentence, tone)
    if proof.replay is not None and answer.portfolio is not None:
        _portfolio(screen, proof.replay)
    screen.facts([(name, words) for name, words in _facts(proof) if words])
    for bound in answer.degraded:
        screen.text(f"note: DEGRADED by {bound.label} can be reached within the move, as is meant", "dim")
    if proof.replay is not None and proof.replay.bot is not None and verbose:
        for line in proof.replay.bot.log:
            screen.verbatim(line)


def _sentence(proof: Proof) -> tuple[str, str]:
    answer = proof.answer
    move = f"a move of {percent(answer.move)} against all of it" if answer.move else "no move at all"
    if proof.proved.value == "safe":
        if not answer.positions:
            return "ok", f"PROVED: {answer.why}"
        books = "no position" if answer.positions == 1 else f"no portfolio of up to {answer.positions} positions"
        return "ok", f"PROVED: {books} that the gates let in is halted within {move}"
    if proof.proved.value == "halts":
        assert answer.portfolio is not None
        count = len(answer.portfolio.positions)
        what = "one position" if count == 1 else f"{count} positions"
        within = f"within {move}" if answer.move else "without any move"
        return "bad", f"HALTS: the gates let in {what} that {answer.portfolio.halts.invariant} halts {within}"
    return "warn", f"NOT PROVED: {_why(proof)}"


def _why(proof: Proof) -> str:
    answer = proof.answer
    if answer.portfolio is None or proof.proved.value != "open":
        return answer.why
    name = answer.portfolio.halts.invariant
    refused = proof.replay.refused if proof.replay is not None else ""
    return (
        f"the model has a portfolio that {name} halts, and entered on the exchange it just does not"
        f"{f' ({refused})' if refused else ''}: the limits are within steps of quantity and price of each other"
    )


def _portfolio(screen: Screen, replay: Replayed) -> None:
    screen.table(
        ("symbol", "side", "leverage", "quantity", "entry", "notional", "margin", "ended by"),
        [
            (
                one.symbol, one.side, f"{text(one.leverage)}x", one.qty, one.price, amount(one.notional),
                amount(one.margin), one.cap or "its own risk",
            )
            for one in replay.positions
        ],
    )  # fmt: skip


def _facts(proof: Proof) -> Iterator[tuple[str, str]]:
    answer, replay = proof.answer, proof.replay
    if replay is not None and answer.portfolio is not None:
        found = answer.portfolio
        lost = (
            f", {percent((found.peak - found.equity) / found.peak)} below its peak" if found.peak > found.equity else ""
        )
        yield (
            "  account",
            f"equity {amount(found.equity)}{lost}; {amount(replay.equity_before)} once all of it is entered",
        )
        yield (
            "  then",
            f"a move of {percent(answer.move)} and funding of {percent(answer.funding, 3)}: equity "
            f"{amount(replay.equity_after)}, initial margin {amount(replay.margin_after)}",
        )
        yield "  trips", replay.tripped
        yield "  the bot", _bot(replay)
    yield "  safe", _safe(answer)
    yield "  for", f"an account of {amount(answer.equity)}; {CLAIM}" if answer.positions else ""
    yield "  with", proof.stand_in


def _bot(replay: Replayed) -> str:
    bot = replay.bot
    if bot is None:
        return ""
    if not bot.reason:
        return "started on it, it did NOT halt: the invariant alone says so. Report this"
    kept = f"the stops of {bot.stops} of {bot.positions} positions stand as before"
    return f"started on it, halts ({bot.reason}); after its sweep {kept}{'' if bot.kept else ': report this'}"


def _safe(answer: Answer) -> str:
    if not answer.positions:
        return ""
    if answer.safest is None:
        return "no move at all is proved safe"
    reach = f"at {percent(answer.reach)} the stops end the positions, and nothing is said of more"
    if answer.safest >= answer.reach:
        return f"any move up to {percent(answer.reach)}: {reach}"
    return f"moves up to {percent(answer.safest)}; {reach}"
