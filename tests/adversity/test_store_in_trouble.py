"""A store that cannot be written stops entries, and neither protection nor an operator on the way out (promise 1).

A disk without space, a folder or file that is read-only, a lock held by a process that was stopped: meanwhile a naked
position gets its stop, a position is closed and the kill switch works, all recorded in the emergency journal. Once it
is over the books are complete: every fill once, the emergency journal imported, and trading goes on.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from books import compare
from bot_kit import SOL, UP, Rig, Row, rig
from bot_process import BotDesk
from disks import TROUBLES, Disk, move
from test_interleavings import strip

from tradectl.domain.intent import ClientId, Purpose
from tradectl.domain.order import Confirmed, OrderRequest, OrderSide, OrderType
from tradectl.domain.position import Protection, coverage
from tradectl.domain.snapshot import Snapshot
from tradectl.engine import daemon
from tradectl.engine.assemble import RunOptions
from tradectl.sim import views
from tradectl.sim.events import Accepted
from tradectl.sim.ops import PlaceOrder
from tradectl.store import cycles, emergency, halt, journal, ledger

ETH = "ETHUSDT"
DOWN: Row = ("100.5", "100.6", "99.9", "100")
CROSS: Row = ("100", "100.6", "99.9", "100.5")
ROWS: dict[str, list[Row]] = {
    SOL: [UP, *[DOWN, CROSS] * 6],
    ETH: [("100", "100.1", "99.9", "100"), *[CROSS, DOWN] * 6],  # a signal in every second cycle
}
KNOBS: dict[str, object] = {"perps.fast_period": 1, "perps.slow_period": 2}
UNFENCED = "read only folder"  # where not even a halt file can be left


@dataclass
class Scene:
    """A bot that holds SOL; its store is sound until `disk.begin()`."""

    desk: Rig
    disk: Disk
    tally: daemon.Run

    def attempt(self) -> bool:
        """A turn of the daemon's loop; its counters are in memory, for the store may not even be readable."""
        self.desk.step()
        self.desk.assembled = replace(self.desk.assembled, bot=self.desk.bot)
        return self.desk.run(daemon._attempt(self.desk.assembled, self.tally))

    def tradectl(self, *argv: str) -> tuple[int, str]:
        """The real executable: exit code, and everything that it said."""
        done = BotDesk(self.disk.folder).call("--state", "bot.db", *argv)
        assert "Traceback" not in done.stderr, done.stderr
        return done.returncode, done.stdout + done.stderr

    def truth(self) -> Snapshot:
        """The exchange as it is, whoever has changed it."""
        return self.desk.snapshot()

    def protection(self, symbol: str) -> Protection | None:
        """None: no position."""
        truth = self.truth()
        position = truth.position(symbol)
        return None if position is None else coverage(position, truth.orders).protection

    def entries(self) -> int:
        return sum(
            parsed is not None and parsed.purpose is Purpose.ENTRY
            for event in self.desk.embedded.host.events_after(0, 10_000)
            if isinstance(event, Accepted)
            for parsed in [ClientId.parse(event.order.client_id)]
        )

    def somebody_buys_lower(self) -> str:
        """A resting order of somebody else's, which could add exposure; its id."""
        host = self.desk.embedded.host
        now_ms = host.state.server_ms
        price = views.ticker(host.state, ETH).last * 9 / 10
        request = OrderRequest(
            "web-1", ETH, OrderSide.BUY, OrderType.LIMIT, self.desk.sized("2").qty, now_ms, now_ms + 5_000, price=price
        )
        reply = host.execute(PlaceOrder(request, now_ms)).reply
        assert isinstance(reply, Confirmed)
        return reply.order.order_id


@contextmanager
def scene(tmp_path: Path, name: str) -> Iterator[Scene]:
    home = tmp_path / "home"
    home.mkdir()
    with rig(home, ROWS, KNOBS) as desk:
        desk.cycle()
        assert [one.symbol for one in desk.snapshot().positions] == [SOL]
    with TROUBLES[name](tmp_path) as disk:
        move(home, disk.folder, tmp_path / "away")
        with rig(disk.folder, ROWS, KNOBS) as desk:
            desk.db.conn.execute("PRAGMA journal_mode = DELETE")  # as a bot has it that does not care for test speed
            yield Scene(desk, disk, daemon.Run(RunOptions(), number=desk.read(cycles.progress).cycle))


def is_complete(scene: Scene, entries: int) -> None:
    """The trouble is over: one cycle later the books hold everything, once."""
    assert scene.attempt()
    store = scene.desk.db.path
    assert emergency.waiting(store) == [] and emergency.look(store).troubles == ()
    assert scene.desk.read(journal.verify).ok
    found = compare(store)
    assert [one for one in found.differences if "(web-" not in one] == []
    assert found.fills == len(scene.desk.read(ledger.execution_ids))
    assert scene.entries() == entries


@pytest.mark.parametrize("name", TROUBLES)
def test_the_bot_enters_nothing_and_places_a_missing_stop_once(tmp_path: Path, name: str) -> None:
    with scene(tmp_path, name) as at:
        planned = [one.trigger_price for one in at.truth().orders if one.protective]
        at.disk.begin()
        assert not at.attempt()
        strip(at.desk, SOL)
        for _ in range(2):
            assert not at.attempt()
            assert at.protection(SOL) is Protection.COVERED
        assert [one.trigger_price for one in at.truth().orders if one.protective] == planned
        assert at.entries() == 1 and at.truth().position(ETH) is None
        steps = [one["body"]["step"] for one in emergency.waiting(at.desk.db.path)]
        assert steps == ["recorded", "confirmed"], "placed once"
        at.disk.end()
        before = at.entries()
        for _ in range(2):
            assert at.attempt()
        assert at.truth().position(ETH) is not None, "the next signal is acted upon"
        is_complete(at, before + 1)


@pytest.mark.parametrize("name", [name for name in TROUBLES if name != UNFENCED])
def test_an_operator_fences_and_gets_out(tmp_path: Path, name: str) -> None:
    with scene(tmp_path, name) as at:
        resting = at.somebody_buys_lower()
        at.disk.begin()
        assert not at.attempt()
        code, said = at.tradectl("killswitch", "activate", "--reason", "disk")
        assert code == 0 and "VERIFIED" in said and "was there already" not in said, said
        assert halt.read(str(at.desk.db.path)) is not None
        orders = at.truth().orders
        assert resting not in [one.order_id for one in orders], "what could add exposure is gone"
        assert all(one.protective for one in orders) and at.protection(SOL) is Protection.COVERED
        code, said = at.tradectl("positions", "close", SOL, "--reason", "disk", "--yes")
        assert code == 1 and f"CLOSED {SOL}" in said and "the fills are not in the ledger yet" in said, said
        assert at.truth().positions == () and at.truth().orders == ()
        assert not at.attempt()
        at.disk.end()
        is_complete(at, entries=1)
        acts = {row.body.get("action") for row in at.desk.read(lambda conn: journal.page(conn, kind="emergency"))}
        assert {"cancel", "close"} <= acts
        assert at.attempt() and at.entries() == 1, "the halt file stands whatever becomes of the store"
        code, said = at.tradectl("killswitch", "clear", "--approver", "bea", "--reason", "space again", "--yes")
        assert code == 0, said
        for _ in range(2):
            assert at.attempt()
        assert at.entries() > 1
        assert [one for one in compare(at.desk.db.path).differences if "(web-" not in one] == []


def test_where_not_even_a_halt_file_can_be_left_it_is_said_and_a_position_can_be_closed(tmp_path: Path) -> None:
    with scene(tmp_path, UNFENCED) as at:
        at.disk.begin()
        code, said = at.tradectl("killswitch", "activate", "--reason", "disk")
        assert code == 2 and "NOT FENCED" in said and "stop the bot's process itself" in said
        assert at.protection(SOL) is Protection.COVERED, "and nothing was touched"
        assert not at.attempt(), "its own store fences this bot meanwhile"
        code, said = at.tradectl("positions", "close", SOL, "--reason", "disk", "--yes")
        assert code == 1 and f"CLOSED {SOL}" in said
        assert at.truth().positions == () and at.entries() == 1
        at.disk.end()
        is_complete(at, entries=2)  # not fenced is not fenced: the next signal is acted upon
