"""A fixed sequence of operations, played in this process or in one that will be killed."""

from __future__ import annotations

from pathlib import Path

from sim_actions import Action, Cancel, Place, Step, Wait, config, in_memory, op_of, wall

from tradectl.domain.order import OrderSide, OrderType
from tradectl.sim.embedded import Embedded, open_embedded
from tradectl.sim.state import ExchangeState

SCRIPT: tuple[Action, ...] = (
    Place(OrderSide.BUY, OrderType.MARKET, 30, 0, False, True),
    Step(),
    Place(OrderSide.SELL, OrderType.LIMIT, 10, 3, False, False),
    Step(),
    Place(OrderSide.SELL, OrderType.STOP_MARKET, 30, -20, True, False),
    Step(),
    Step(),
    Cancel(0),
    Wait(1500),
    Place(OrderSide.SELL, OrderType.MARKET, 20, 0, True, False),
)


def act(exchange: Embedded, number: int) -> None:
    action = SCRIPT[number % len(SCRIPT)]
    if isinstance(action, Step):
        exchange.step()
    else:
        exchange.host.execute(op_of(action, exchange.host.state, number))


def play(path: Path, start: int, stop: int) -> None:
    """Plays actions [start, stop), saying each one's number once it is committed."""
    exchange = open_embedded(config(), path, wall_ms=wall, durable=False)
    for number in range(start, stop):
        act(exchange, number)
        print(number, flush=True)


def prefix_states(stop: int) -> list[ExchangeState]:
    """The states after 0, 1, 2, … actions."""
    exchange = in_memory()
    states = [exchange.host.state]
    for number in range(stop):
        act(exchange, number)
        states.append(exchange.host.state)
    return states
