"""The wallet as a whole: what is set aside, what backs the cross positions together, and what is free.

An isolated position has its margin set aside out of the wallet. The rest is the cash of the cross pool, and every
cross position wins and loses with all of it:

    cash        wallet − isolated margins
    equity      cash + unrealised P&L of the cross positions, at the mark
    available   cash − reserves of open orders + (unrealised − initial margins of the cross positions, where negative)

So unrealised profit of cross positions carries their own initial margins and losses count in full, but profit is never
cash before it is realised: what is available can be set aside for an isolated position, or withdrawn.

The pool is liquidated when its equity no longer exceeds the maintenance margins of its positions. Realised losses may
take the cash below zero as far as unrealised profit of the other positions stands against it, as on venues with one
cross wallet: two positions that offset each other are one risk, and closing the losing one must not make the
insurance pay what the winning one has earned. `spare` is what may still be lost before the insurance pays.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Protocol

from tradectl.domain.instrument import Instrument
from tradectl.domain.money import ZERO
from tradectl.sim.margin import maintenance
from tradectl.sim.state import CROSS, TRADER, Prices, SimOrder, SimPosition


class Books(Protocol):
    """The open state, or the draft of the next one."""

    @property
    def instruments(self) -> Mapping[str, Instrument]: ...
    @property
    def balances(self) -> Mapping[str, Decimal]: ...
    @property
    def positions(self) -> Mapping[str, SimPosition]: ...
    @property
    def orders(self) -> Mapping[str, SimOrder]: ...
    @property
    def prices(self) -> Mapping[str, Prices]: ...


def crossed(books: Books) -> list[str]:
    """The symbols of the cross positions, in no order that means anything."""
    return [symbol for symbol, position in books.positions.items() if position.margin_mode == CROSS]


def cash(books: Books) -> Decimal:
    """The wallet less what isolated positions have set aside."""
    left = books.balances[TRADER]
    for position in books.positions.values():
        if position.margin_mode != CROSS:
            left -= position.margin
    return left


def unrealised(books: Books, symbols: list[str]) -> Decimal:
    total = ZERO
    for symbol in symbols:
        total += books.positions[symbol].lot.unrealised(books.prices[symbol].mark)
    return total


def spare(books: Books) -> Decimal:
    """What the account can still pay: the cash, and the profit that the cross positions together stand at."""
    return cash(books) + max(unrealised(books, crossed(books)), ZERO)


def available(books: Books, *, without: str | None = None, gain: Decimal = ZERO) -> Decimal:
    """What is free for new positions and withdrawals; may be negative.

    without, gain: as if the position of this symbol were closed and had left `gain` in the wallet.
    """
    free = books.balances[TRADER]
    if gain:
        free += gain
    carried = ZERO
    for symbol, position in books.positions.items():
        if symbol == without:
            continue
        if position.margin_mode == CROSS:
            carried += position.lot.unrealised(books.prices[symbol].mark) - position.margin
        else:
            free -= position.margin
    for order in books.orders.values():
        free -= order.reserved
    return free + carried if carried < 0 else free


def backing(books: Books, symbol: str) -> Decimal:
    """What a position has besides its own unrealised P&L to meet its own maintenance margin.

    Isolated: its margin. Cross: what the pool has without this P&L, less the maintenance of the other positions.
    """
    position = books.positions[symbol]
    if position.margin_mode != CROSS:
        return position.margin
    others = [each for each in crossed(books) if each != symbol]
    return cash(books) + unrealised(books, others) - _needed(books, others)


def underwater(books: Books, symbol: str) -> bool:
    """True when backing + unrealised P&L at the mark no longer exceeds the maintenance margin.

    Of a cross position this says the same of the whole pool.
    """
    position, mark = books.positions[symbol], books.prices[symbol].mark
    held = backing(books, symbol) if position.margin_mode == CROSS else position.margin
    lot = position.lot
    return held + lot.unrealised(mark) <= maintenance(books.instruments[symbol], lot, mark)


def _needed(books: Books, symbols: list[str]) -> Decimal:
    total = ZERO
    for symbol in symbols:
        total += maintenance(books.instruments[symbol], books.positions[symbol].lot, books.prices[symbol].mark)
    return total
