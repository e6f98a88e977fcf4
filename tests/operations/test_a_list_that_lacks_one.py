"""A list of positions that lacks one is no evidence that it is closed, whoever asks (promises 4 and 5).

The real executable, on an exchange whose list of positions leaves out one symbol from its nth picture on. What the
exchange really holds is told by its own file.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

import pytest
from desk import ROOT, Account, Ran
from desk import account as account  # the fixture's maker

from tradectl.domain.position import Protection, coverage

D = Decimal
ETH = "ETHUSDT"
PROGRAM = """
import sys
from dataclasses import replace
from tradectl.sim.venue import SimVenue

symbol, nth = sys.argv.pop(1), int(sys.argv.pop(1))
whole, seen = SimVenue.snapshot, [0]

async def cut(self):
    picture = await whole(self)
    seen[0] += 1
    if seen[0] < nth:
        return picture
    return replace(picture, positions=tuple(one for one in picture.positions if one.symbol != symbol))

SimVenue.snapshot = cut
from tradectl.__main__ import main
main()
"""


def lacking(acct: Account, *args: str, symbol: str = ETH, nth: int = 1) -> Ran:
    clean = {key: value for key, value in os.environ.items() if not key.startswith("TRADECTL")}
    clean |= {"XDG_STATE_HOME": str(acct.folder / "xdg"), "USER": "ann", "PYTHONPATH": str(ROOT)}
    for name in ("SUDO_USER", "LOGNAME"):
        clean.pop(name, None)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, symbol, str(nth), *args, "--state", str(acct.store)],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, cwd=acct.folder, env=clean, check=False,
    )  # fmt: skip
    assert "Traceback" not in done.stderr, done.stderr
    return Ran(done.returncode, done.stdout, done.stderr)


@dataclass
class Truth:
    held: dict[str, Decimal]
    covered: dict[str, bool]


def truth(acct: Account) -> Truth:
    picture = acct.snapshot()
    return Truth(
        {one.symbol: one.qty for one in picture.positions if one.qty},
        {one.symbol: coverage(one, picture.orders).protection is Protection.COVERED for one in picture.positions},
    )


def small_beside_large(acct: Account) -> None:
    """So small that the account's margin does not tell on the list."""
    acct.entered("BTCUSDT", "0.050")
    acct.entered(ETH, "0.01")


def beside_a_resting_order(acct: Account) -> None:
    """With an order that reserves margin nobody can tell from that of a position."""
    acct.entered("BTCUSDT", "0.050")
    acct.entered(ETH, "0.50")
    acct.resting("BTCUSDT", "0.001")


WORLDS: tuple[Callable[[Account], None], ...] = (small_beside_large, beside_a_resting_order)


@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("nth", [1, 2, 3, 4])
def test_flatten_does_not_take_it_for_closed_and_keeps_its_stop(
    acct: Account, world: Callable[[Account], None], nth: int
) -> None:
    world(acct)
    ran = lacking(acct, "flatten", "--reason", "news", "--yes", nth=nth)
    found = truth(acct)
    assert ran.code != 0, ran.all
    assert ETH not in found.held or found.covered[ETH]
    assert "BTCUSDT" not in found.held, "and what is seen is closed"


@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("nth", [1, 2, 3])
def test_positions_close_and_orders_cancel_do_not_either(
    acct: Account, world: Callable[[Account], None], nth: int
) -> None:
    world(acct)
    stop = next(one for one in acct.snapshot().orders if one.symbol == ETH and one.protective)
    ran = lacking(acct, "orders", "cancel", stop.order_id, "--yes", "--reason", "tidy", nth=nth)
    assert ran.code == 2 and "--override" in ran.all
    assert truth(acct).covered[ETH]
    ran = lacking(acct, "positions", "close", ETH, "--yes", "--reason", "news", nth=nth)
    found = truth(acct)
    assert ran.code != 0, ran.all
    assert ETH not in found.held or found.covered[ETH]


@pytest.mark.parametrize("world", WORLDS)
def test_no_page_says_that_everything_is_covered(acct: Account, world: Callable[[Account], None]) -> None:
    world(acct)
    pages: list[tuple[str, ...]] = [("stops", "list"), ("positions", "list"), ("stops", "place-missing")]
    for args in pages:
        ran = lacking(acct, *args)
        assert ran.code == 1 and "the books hold" in ran.all and ETH in ran.all, ran.all
    named: list[tuple[str, ...]] = [("stops", "move", ETH, "2500"), ("stops", "place-missing", "--symbol", ETH)]
    for args in named:
        ran = lacking(acct, *args, "--yes")
        assert ran.code == 75 and "the books hold" in ran.all, ran.all


def test_a_kill_switch_is_not_verified_by_it(acct: Account) -> None:
    """Also for a position that nothing has booked yet: what the venue has filled since counts."""
    acct.entered("BTCUSDT", "0.050")
    acct.long(bracket=False, symbol=ETH, qty="0.01")
    ran = lacking(acct, "killswitch", "activate", "--reason", "test")
    assert ran.code == 1 and "the venue lists nothing" in ran.all, ran.all


def test_what_fills_have_closed_is_closed(acct: Account) -> None:
    small_beside_large(acct)
    acct.tradectl("positions", "close", ETH, "--yes", "--reason", "out")
    pages: list[tuple[str, ...]] = [("stops", "list"), ("positions", "list"), ("flatten", "--reason", "news", "--yes")]
    for args in pages:
        ran = lacking(acct, *args)
        assert ran.code == 0, ran.all
    assert truth(acct).held == {}
