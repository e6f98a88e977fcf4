"""The open state of the simulated exchange: everything that `apply` reads and writes, as frozen facts.

Mappings are replaced, never changed in place, so an old state stays what it was and what did not change is shared.
What has ended (orders, events) is not here: it leaves with the event that ended it and the host keeps it.

Balances always add up to what the exchange began with (spec simulation.md, "Fidelity"). Every money path is a sum of
products and therefore exact; the one division, the cost that a partial reduction releases, is quantised and leaves
its remainder in the lot until the last piece (domain.position.apply_fill). `residue` takes what any other division
would leave over; no rule of today's books has such a one, so it stands at zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from tradectl.domain.instrument import Instrument
from tradectl.domain.money import ZERO
from tradectl.domain.order import BracketLeg, OrderFact
from tradectl.domain.position import Lot

# The accounts of `balances`.
TRADER = "trader"
MARKET = "market"  # whoever stands on the other side of our fills
FEES = "fees"
FUNDING = "funding"
INSURANCE = "insurance"  # bears what is lost beyond isolated margin or the cross pool; receives liquidation fees
TRANSFERS = "transfers"  # the world outside: deposits come from it, withdrawals go to it
RESIDUE = "residue"
ACCOUNTS = (TRADER, MARKET, FEES, FUNDING, INSURANCE, TRANSFERS, RESIDUE)

ISOLATED = "isolated"
CROSS = "cross"

# A symbol's status.
TRADING = "trading"
REDUCE_ONLY = "reduce_only"  # about to be delisted: positions can be reduced and no more
HALTED = "halted"  # prices move, nothing trades and nothing is liquidated
STATUSES = (TRADING, REDUCE_ONLY, HALTED)

# How long a client id is taken.
WHILE_OPEN = "open"  # until its order has ended (Binance USD-M, Zoomex)
FOR_EVER = "ever"  # (Bybit, Kraken)


@dataclass(frozen=True, slots=True)
class Settings:
    """The exchange's own rules. Fees are fractions of the notional; < 0 is a rebate."""

    maker_fee: Decimal
    taker_fee: Decimal
    slippage_bps: Decimal  # what every taker pays on top of the price, in basis points
    liquidation_fee: Decimal = Decimal("0.005")  # of the notional, at most what margin is left
    max_fill_qty_per_point: Decimal | None = None  # most base units one order fills per path point; None: no bound
    timestamp_ahead_ms: int = 1000  # how far a request's timestamp may lie in the future
    client_ids: str = WHILE_OPEN
    max_conditional_orders: int | None = None  # open stops and targets per account, attached ones among them
    attaches_brackets: bool = True  # whether an order can carry a stop and a target that come to life with its fill


@dataclass(frozen=True, slots=True)
class Prices:
    """Where one symbol stands. `index` follows `mark` where the market has no index of its own."""

    last: Decimal
    mark: Decimal
    index: Decimal


@dataclass(frozen=True, slots=True)
class SymbolSettings:
    leverage: Decimal = Decimal(1)
    margin_mode: str = ISOLATED
    status: str = TRADING


@dataclass(frozen=True, slots=True)
class SimPosition:
    """An open position: never flat. `margin` is its initial margin: what it cost to open, less what reductions freed.

    Isolated, that part of the trader's wallet is set aside, and it is all that the position can lose. Cross, it only
    counts against what is available; the whole pool bears the losses (`pool.py`).
    """

    lot: Lot
    leverage: Decimal
    margin_mode: str
    margin: Decimal
    updated_ms: int


@dataclass(frozen=True, slots=True)
class SimOrder:
    """An open order: the fact as it is reported, and what only the exchange needs to know."""

    fact: OrderFact
    number: int  # its place in the order of arrival
    stop: BracketLeg | None = None  # attached to every quantity that it fills
    target: BracketLeg | None = None
    reserved: Decimal = ZERO  # of the trader's wallet, for what it may still open
    filled_cost: Decimal = ZERO  # exact sum of quantity × price filled
    triggered: bool = False  # a conditional order whose rest is being worked at the market


@dataclass(frozen=True, slots=True)
class ExchangeState:
    """market_ms: how far prices are known. server_ms: the exchange's clock, never behind market_ms, never back."""

    market_ms: int
    server_ms: int
    next_order: int
    next_seq: int
    settings: Settings
    instruments: Mapping[str, Instrument]
    balances: Mapping[str, Decimal]  # by account
    positions: Mapping[str, SimPosition]  # by symbol; only those that are open
    orders: Mapping[str, SimOrder]  # by order id; only those that are open, in order of arrival
    prices: Mapping[str, Prices]  # by symbol; empty until its first bar
    symbols: Mapping[str, SymbolSettings]  # by symbol
