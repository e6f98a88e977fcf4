"""After each halt the log, `state show`, `killswitch status` and the alert tell the same story with the same numbers.

Each cause is brought about in the real bot on the simulated exchange; the two pages are the real executable's. The
story is the standing latch's: its reason (numbers included), when and by whom it was set, the command that clears it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from bot_kit import CALM, SAG, SOL, UP, D, Rig, lines, refuse, rig
from bot_process import BotDesk

from tradectl.domain.candle import utc_text
from tradectl.domain.money import percent, text
from tradectl.domain.order import Confirmed, OrderRequest, OrderSide, OrderType
from tradectl.domain.system_state import Latch, LatchName, SystemState, speaking
from tradectl.engine import guarding
from tradectl.operations import ess
from tradectl.sim.ops import PlaceOrder
from tradectl.store import fence, latches, outbox

ETH = "ETHUSDT"
DAY = [UP, SAG, *[CALM] * 8]
CLEAR = "tradectl killswitch clear --approver NAME --reason TEXT"
RE_ARM = "tradectl ess reset --approver NAME --reason TEXT"
_DRAWN: dict[str, object] = {
    "safety.max_equity_drawdown_pct": "0.0002", "safety.degraded_equity_drawdown_pct": "0.0001",
}  # fmt: skip
_MARGIN: dict[str, object] = {
    "safety.max_margin_utilization_pct": "0.03", "safety.degraded_margin_utilization_pct": "0.02",
}  # fmt: skip


def by_hand(desk: Rig, symbol: str, side: OrderSide, kind: OrderType, qty: str, price: str | None = None) -> None:
    host = desk.embedded.host
    now_ms = host.state.server_ms
    limit = D(price) if price else None
    request = OrderRequest(f"web-{host.state.next_order}", symbol, side, kind, D(qty), now_ms, now_ms + 5_000, limit)
    assert isinstance(host.execute(PlaceOrder(request, now_ms)).reply, Confirmed)


def enters(desk: Rig) -> None:
    desk.cycle()
    assert desk.snapshot().positions, "it holds a position"


def too_many(desk: Rig) -> None:
    enters(desk)
    by_hand(desk, ETH, OrderSide.BUY, OrderType.MARKET, "1")
    desk.cycle()


def flips(desk: Rig) -> None:
    enters(desk)
    by_hand(desk, SOL, OrderSide.BUY, OrderType.LIMIT, "1", "50")
    desk.cycle()


def refused_stop(desk: Rig) -> None:
    enters(desk)
    for order in desk.snapshot().orders:
        desk.run(desk.embedded.venue.cancel(SOL, order.order_id, desk.bot.clock.now_ms(), 2**53))
    refuse(desk, "no", "st")
    desk.cycle()
    desk.cycle()


def sinks(desk: Rig) -> None:
    enters(desk)
    desk.cycle()


def errors(desk: Rig) -> None:
    enters(desk)
    for _ in range(5):
        guarding.aborted(desk.bot)
    desk.cycle()


def fenced(desk: Rig) -> None:
    enters(desk)
    assert fence.fence(str(desk.db.path), by="ann", reason="spread blew out").how == "latch"
    desk.cycle()


def tripped_by_hand(desk: Rig) -> None:
    enters(desk)
    with desk.elsewhere() as other:
        ess.trip(other, by="ann", reason="the feed shows nonsense")
    desk.cycle()


def utilisation(desk: Rig) -> str:
    return f"margin utilisation {percent(desk.snapshot().margin_utilisation or D(0))} (halts at 3.00%)"


def drawdown(desk: Rig) -> str:
    seen = desk.snapshot()
    return f"drawdown {percent((10_000 - seen.equity) / 10_000)} (halts at 0.02%)"


def day_lost(desk: Rig) -> str:
    return f"the day has lost {percent((10_000 - desk.snapshot().equity) / 10_000)} (limit 0.01%)"


def open_loss(desk: Rig) -> str:
    seen = desk.snapshot()
    lost = sum((-one.unrealised for one in seen.positions), D(0))
    return f"open losses are {percent(lost / seen.equity)} (limit 0.10%)"


def resting(_: Rig) -> str:
    return f"an order that is not ours could add to {SOL}: buy limit 1 ("


def said(words: str) -> Callable[[Rig], str]:
    return lambda _: words


def _tripping(knob: str, bound: str) -> dict[str, object]:
    return {"ess.enabled": True, "ess.max_daily_drawdown_pct": "1", "ess.max_open_loss_pct": "1", f"ess.{knob}": bound}


@dataclass(frozen=True)
class Cause:
    """How a halt is brought about, and what its reason must say by the venue's own numbers."""

    act: Callable[[Rig], None]
    latch: LatchName
    scope: str
    code: str
    numbers: Callable[[Rig], str]
    clear: str
    knobs: dict[str, object]
    by: str = "bot"
    symbols: tuple[str, ...] = (SOL,)


HALT, TRIPPED = LatchName.HALT, LatchName.ESS_TRIPPED
UNPROTECTABLE: dict[str, object] = {"safety.protection.grace_seconds": 0, "safety.protection.on_unprotectable": "halt"}
CAUSES: dict[str, Cause] = {
    "margin": Cause(sinks, HALT, "margin_utilisation", "MARGIN_CRITICAL", utilisation, CLEAR, _MARGIN),
    "drawdown": Cause(sinks, HALT, "equity_drawdown", "DRAWDOWN_CRITICAL", drawdown, CLEAR, _DRAWN),
    "positions": Cause(
        too_many, HALT, "position_count", "TOO_MANY_POSITIONS", said("positions 2 (halts above 1)"), CLEAR,
        {"safety.max_concurrent_positions": 1}, symbols=(SOL, ETH),
    ),
    "no_flip": Cause(flips, HALT, "no_flip", "UNADMITTED_ORDER", resting, CLEAR, {}),
    "unprotectable": Cause(
        refused_stop, HALT, "protection", "UNPROTECTABLE",
        said(f"{SOL} is unprotectable and NOT closed, as configured: "), CLEAR, UNPROTECTABLE,
    ),
    "kill switch": Cause(fenced, LatchName.KILL_SWITCH, "", "spread blew out", said(""), CLEAR, {}, by="ann"),
    "day": Cause(sinks, TRIPPED, "", "daily_drawdown", day_lost, RE_ARM, _tripping("max_daily_drawdown_pct", "0.0001")),
    "open": Cause(sinks, TRIPPED, "", "open_loss", open_loss, RE_ARM, _tripping("max_open_loss_pct", "0.001")),
    "errors": Cause(
        errors, TRIPPED, "", "execution_errors",
        said("0 orders refused or unknown and 5 cycles aborted in a row (limit 5)"), RE_ARM,
        _tripping("max_execution_errors", "5"),
    ),
    "by hand": Cause(
        tripped_by_hand, TRIPPED, "", "operator", said("the feed shows nonsense"), RE_ARM,
        _tripping("max_execution_errors", "5"), by="ann",
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Page:
    code: int
    out: str
    err: str


def tells(latch: Latch, words: str) -> list[str]:
    """What of the latch's story `words` do not have; empty: it tells all of it."""
    plain = words.replace("\\", "")
    at = utc_text(latch.set_at_ms)[:19]
    parts = {
        "reason": latch.reason in plain,
        "time": at in plain or at.replace("T", " ") in plain,
        "by": re.search(rf"\bby\b\W+{latch.set_by}\b", plain) is not None,
        "clearing": latch.cleared_by in plain,
    }
    return [part for part, there in parts.items() if not there]


def asked(desk: Rig, *command: str) -> Page:
    """A page of the real executable."""
    store = Path(desk.db.path)
    done = BotDesk(store.parent).call(*command, "--state", str(store))
    return Page(done.returncode, done.stdout, done.stderr)


def alerts(desk: Rig) -> Iterator[str]:
    """Urgent ones, as they are delivered."""
    query = "SELECT text, context FROM outbox WHERE urgent = 1 AND type LIKE 'safety_%' ORDER BY id"
    yield from (f"{said} {context}" for said, context in desk.read(lambda conn: conn.execute(query).fetchall()))


@pytest.mark.parametrize("name", CAUSES)
def test_four_texts_tell_one_story(tmp_path: Path, name: str) -> None:
    cause = CAUSES[name]
    rows = {symbol: DAY if symbol == SOL else [CALM] * len(DAY) for symbol in cause.symbols}
    with rig(tmp_path, rows, cause.knobs) as desk, lines(desk, tmp_path) as log:
        cause.act(desk)
        latch = speaking(desk.read(latches.active), SystemState.HALTED)
        assert latch is not None, "it has halted"
        assert (latch.name, latch.scope, latch.set_by, latch.code) == (cause.latch, cause.scope, cause.by, cause.code)
        assert cause.numbers(desk) in latch.reason and latch.cleared_by.startswith(cause.clear)

        page = asked(desk, "state", "show")
        assert page.code == 0 and page.out.startswith("HALTED since "), page
        assert tells(latch, page.out.splitlines()[0]) == [], page.out
        status = asked(desk, "killswitch", "status")
        assert status.code == 1 and status.out.startswith("ACTIVE "), status
        assert tells(latch, status.out.replace(f" --state {desk.db.path}", "")) == [], status.out
        spoken = [line for line in log() if "SAFETY_" in line and not tells(latch, line)]
        assert spoken, "\n".join(line for line in log() if "SAFETY_" in line)
        assert any(not tells(latch, one) for one in alerts(desk)), list(alerts(desk))
        assert desk.read(outbox.backlog).waiting == 0, "and it was delivered"
        wrong = [line for line in log() if "halts at" in line and cause.numbers(desk) not in line]
        assert not wrong, "no line has other numbers"


@pytest.mark.parametrize("name", ["day", "open", "errors"])
def test_a_cooldown_goes_on_with_the_story_of_its_trip(tmp_path: Path, name: str) -> None:
    cause = CAUSES[name]
    with rig(tmp_path, DAY, cause.knobs) as desk, lines(desk, tmp_path) as log:
        cause.act(desk)
        tripped = desk.read(latches.get, TRIPPED)
        desk.cycle()
        cooling = desk.read(latches.get, LatchName.ESS_COOLING)
        assert tripped is not None and cooling is not None and cooling.reason == tripped.reason
        page = asked(desk, "state", "show").out.splitlines()[0]
        assert page.startswith("DEGRADED") and tells(cooling, page) == [], page
        assert any("SAFETY_DEGRADED" in line and not tells(cooling, line) for line in log())
        assert asked(desk, "ess", "status").out.count(tripped.reason) >= 1


def test_of_several_halts_each_page_names_the_same_one_first_and_the_others_too(tmp_path: Path) -> None:
    with rig(tmp_path, DAY, {**_MARGIN, **_DRAWN}) as desk:
        sinks(desk)
        desk.latch(LatchName.KILL_SWITCH, reason="and by hand")
        standing = [one for one in desk.read(latches.active) if one.rule.state is SystemState.HALTED]
        assert len(standing) == 3
        page = asked(desk, "state", "show").out
        status = asked(desk, "killswitch", "status").out
        assert "ann: and by hand" in page.splitlines()[0]
        assert all(one.reason in text_ for one in standing for text_ in (page, status)), status


def test_the_numbers_in_a_story_are_as_precise_as_the_bound(tmp_path: Path) -> None:
    """Nothing is rounded to the bound it is beyond."""
    with rig(tmp_path, DAY, _MARGIN) as desk:
        sinks(desk)
        latch = desk.read(latches.get, HALT, "margin_utilisation")
        used = desk.snapshot().margin_utilisation
        assert latch is not None and used is not None and percent(used) in latch.reason, text(used or D(0))
