"""`validate-config --prove`: the solver's question, and what comes of its answer when it is tried on the exchange."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from tradectl.config.load import Resolved
from tradectl.config.schema import Config
from tradectl.domain.instrument import Instrument
from tradectl.domain.money import dec
from tradectl.domain.position import Side
from tradectl.domain.signal import SymbolRefusal
from tradectl.errors import ExitCode, NotAvailable, UsageError
from tradectl.operations.validate_config import first_price, market_of
from tradectl.risk.context import Costs
from tradectl.safety.breach import Level
from tradectl.scenarios.book import Book, Wanted, open_book
from tradectl.scenarios.halted import Halted, halted
from tradectl.sim.instruments import listed
from tradectl.validation.facts import Facts, Market, evident_mode, facts_of
from tradectl.validation.proof import MOVE
from tradectl.validation.proof.portfolio import Answer, Portfolio, Proved

SEVERITY = (ExitCode.OK, ExitCode.DRIFT, ExitCode.BUSY, ExitCode.REFUSED)


@dataclass(frozen=True, slots=True)
class Entered:
    """One position, as the gates let it in and the exchange holds it. Money in quote currency.

    ended_by: the cap that cut its size; '' where its risk was all of it.
    """

    symbol: str
    side: str
    qty: Decimal
    price: Decimal
    notional: Decimal
    margin: Decimal
    leverage: Decimal
    stop: Decimal
    ended_by: str
    cap: str


@dataclass(frozen=True, slots=True)
class Replayed:
    """What the real gates, the exchange and the invariants made of the portfolio.

    tripped: the sentence of the halting invariant; '' where it held, and `refused` may say why.
    bot: what the real bot did when it was started on it; None where nothing tripped.
    """

    positions: tuple[Entered, ...]
    equity_before: Decimal
    equity_after: Decimal
    margin_after: Decimal
    tripped: str
    refused: str
    bot: Halted | None


@dataclass(frozen=True, slots=True)
class Proof:
    """`stand_in`: what is the simulated exchange's, because nobody has told the venue's own."""

    answer: Answer
    replay: Replayed | None
    stand_in: str

    @property
    def proved(self) -> Proved:
        """A counterexample counts when it was seen to halt."""
        if self.answer.proved is Proved.HALTS and (self.replay is None or not self.replay.tripped):
            return Proved.OPEN
        return self.answer.proved

    @property
    def exit_code(self) -> ExitCode:
        return {Proved.SAFE: ExitCode.OK, Proved.OPEN: ExitCode.DRIFT, Proved.HALTS: ExitCode.REFUSED}[self.proved]


def prove(resolved: Resolved, market: Market, mode: str | None, move: Decimal = MOVE) -> Proof:
    """Raises NotAvailable without the solver."""
    config = resolved.config
    meant = mode or evident_mode(config)
    known, stand_in = stand_ins(config, market)
    facts = facts_of(config, meant, known, frozenset(resolved.provenance))
    equity = known.equity
    assert equity is not None
    answer = question(facts, equity, move)
    replay = None
    if answer.portfolio is not None:
        replay = replayed(facts, answer.portfolio, answer.move, config)
    return Proof(answer, replay, stand_in)


def of(resolved: Resolved | None, mode: str | None, move: str | None, market: Market | None = None) -> Proof | None:
    """market: what is known of the venue; None: what the configuration says of it.

    None for a configuration that did not load. Raises UsageError for a move that is none.
    """
    wanted = parse_move(move)
    if resolved is None:
        return None
    meant = mode or evident_mode(resolved.config)
    return prove(resolved, market or market_of(resolved.config, {}, meant), meant, wanted)


def parse_move(words: str | None) -> Decimal:
    """'1%' or '0.01'. Raises UsageError unless it is at least 0 and below 1."""
    if words is None:
        return MOVE
    digits = words.strip().removesuffix("%")
    try:
        value = dec(digits) / (100 if digits != words.strip() else 1)
    except ValueError as error:
        raise UsageError(f"--move: {words!r} is not a number", hint="write 1% or 0.01") from error
    if not 0 <= value < 1:
        raise UsageError(f"--move: {words!r} is not a part of the price", hint="write 1% or 0.01: below 100%, from 0")
    return value


def exit_code(judged: ExitCode, proofs: Sequence[Proof | None]) -> ExitCode:
    """The worst of what the rules say and what was proved."""
    return max([judged, *(one.exit_code for one in proofs if one is not None)], key=SEVERITY.index)


def question(facts: Facts, equity: Decimal, move: Decimal) -> Answer:
    try:
        from tradectl.validation.proof.ask import ask
    except ImportError as error:
        if error.name not in ("z3", "z3.z3"):
            raise
        raise NotAvailable(
            "--prove needs the solver z3, which is not installed here",
            why="it is an extra of the package: nothing else needs it",
            hint="pip install 'tradectl[prove]', or pip install z3-solver, in tradectl's own environment",
        ) from error
    return ask(facts, equity, move)


def stand_ins(config: Config, market: Market) -> tuple[Market, str]:
    """The market with what is not known of it taken from the simulated exchange, and a sentence about that.

    A contract that the venue does not trade has no stand-in.
    """
    sim, table, costs = config.sim, listed(config.sim.instruments), Costs.simulated(config)
    instruments: dict[str, Instrument] = {}
    lacking: set[str] = set()
    for symbol in config.symbols():
        known, ours = market.instruments.get(symbol), table.get(symbol)
        if known is not None and known.tiers:
            instruments[symbol] = known
        elif ours is not None and symbol not in market.unlisted:
            instruments[symbol] = ours if known is None else replace(known, tiers=ours.tiers)
            lacking |= {"tiers", "steps"} if known is None else {"tiers"}
    prices = {}
    for symbol, instrument in instruments.items():
        if symbol in market.prices:
            prices[symbol] = market.prices[symbol]
        else:
            prices[symbol] = first_price(config, instrument)
            if config.venue.name != "sim":
                lacking.add("prices")
    values = {"equity": market.equity, "fees": market.taker_fee, "slippage": market.slippage, "funding": market.funding}
    lacking |= {name for name, value in values.items() if value is None}
    said = []
    if lacking:
        names = ", ".join(one for one in (*values, "tiers", "steps", "prices") if one in lacking)
        said.append(f"not known here of the venue, and the simulated exchange's instead: {names}")
    missing = [one for one in config.symbols() if one not in instruments]
    if missing:
        said.append(f"without {', '.join(missing)}: no instrument is known, so nothing is proved of it")
    whole = replace(
        market,
        taker_fee=market.taker_fee if market.taker_fee is not None else costs.taker_fee,
        slippage=market.slippage if market.slippage is not None else costs.slippage,
        funding=market.funding if market.funding is not None else sim.funding_rate,
        equity=market.equity if market.equity is not None else sim.start_balance,
        instruments=instruments,
        prices=prices,
    )
    return whole, "; ".join(said)


def replayed(facts: Facts, portfolio: Portfolio, move: Decimal, own: Config | None) -> Replayed:
    """own: the operator's configuration, for the real bot; None: without it."""
    book = open_book(facts, portfolio.equity, portfolio.peak)
    refused = ""
    for held in portfolio.positions:
        decided = book.enter(Wanted(held.way.symbol, Side.LONG, held.confidence, held.way.volume))
        if isinstance(decided, SymbolRefusal):
            refused = f"{decided.symbol}: {decided.verdicts[-1].sentence}"
            break
    before = book.equity()
    positions = tuple(_entered(book))
    book.move(move, facts.market.funding or Decimal(0))
    tripped = next(
        (
            f"{one.invariant}: {one.evidence}"
            for one in book.breaches()
            if one.level is Level.HALT and one.invariant == portfolio.halts.invariant
        ),
        "",
    )
    after = book.snapshot()
    lost = portfolio.peak if portfolio.peak > portfolio.equity else None
    bot = halted(book, own, lost) if tripped and own is not None else None
    return Replayed(positions, before, after.equity, after.account.initial_margin, tripped, refused, bot)


def _entered(book: Book) -> Iterator[Entered]:
    held = {position.symbol: position for position in book.snapshot().positions}
    for sized in book.sized:
        symbol = sized.admitted.signal.symbol
        position = held[symbol]
        cap = sized.caps[-1] if sized.caps else None
        yield Entered(
            symbol,
            str(sized.side),
            position.qty,
            position.entry_price,
            position.notional,
            position.initial_margin,
            position.leverage,
            sized.stop_price,
            cap.name if cap else "",
            cap.sentence if cap else "",
        )
