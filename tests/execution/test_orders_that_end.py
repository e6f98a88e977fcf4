"""Orders of ours that have ended without a word: noted once it is known, and never lost on the way (promises 4, 12)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from bot_kit import CALM, UP, Rig, rig

from tradectl.domain.intent import Intent, Purpose
from tradectl.domain.order import OrderFact, OrderStatus
from tradectl.domain.snapshot import Snapshot
from tradectl.errors import StoreBusy
from tradectl.execution.observe import Evident, StoreEvidence
from tradectl.sim.ops import CancelOrder
from tradectl.store import decisions, intents, journal
from tradectl.venue.through import Through

TWO_TARGETS: dict[str, object] = {
    "exits.targets": [{"distance_r": 1, "fraction": "0.5"}, {"distance_r": 2, "fraction": "0.5"}]
}
TO_THE_FIRST = ("100.5", "102", "100.4", "101.8")  # through the first target, not the second
HIGHER = ("101.8", "101.9", "101.7", "101.8")


def cancelled_by_a_person(desk: Rig) -> Intent:
    """The first target of the position: its intent."""
    target = next(one for one in desk.intents() if one.purpose is Purpose.TP1)
    assert target.order_id is not None
    host = desk.embedded.host
    now_ms = host.state.server_ms
    host.execute(CancelOrder(target.symbol, target.order_id, now_ms, now_ms + 5_000))
    return target


class ShortMemory(Through):
    """A venue whose history has dropped some of its orders, and that does not list them either."""

    gone: frozenset[str] = frozenset()
    unlisted: frozenset[str] = frozenset()

    async def order(self, symbol: str, order_id: str) -> OrderFact | None:
        return None if order_id in self.gone else await self._inner.order(symbol, order_id)

    async def snapshot(self) -> Snapshot:
        seen = await self._inner.snapshot()
        return replace(seen, orders=tuple(one for one in seen.orders if one.order_id not in self.unlisted))


def forgets(desk: Rig, order: Intent) -> ShortMemory:
    """Puts such a venue under the bot, which is started anew."""
    assert order.order_id is not None
    venue = ShortMemory(desk.bot.venue._inner)
    venue.gone = venue.unlisted = frozenset({order.order_id})
    desk.bot = replace(desk.bot, venue=Evident(venue, StoreEvidence(desk.db)))
    return venue


def look(desk: Rig) -> Snapshot:
    return desk.run(desk.bot.venue.snapshot())


def now(desk: Rig, order: Intent) -> Intent:
    found = desk.read(intents.get, order.number)
    assert found is not None
    return found


def targets(desk: Rig) -> list[str]:
    """Levels of the targets that rest at the venue, and for how much."""
    return sorted(f"{one.remaining_qty} at {one.price}" for one in desk.snapshot().orders if one.take_profit)


def test_what_a_picture_found_ended_is_noted_although_one_commit_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with rig(tmp_path, [UP, *[CALM] * 8], TWO_TARGETS) as desk:
        desk.cycle()
        desk.cycle()
        gone = cancelled_by_a_person(desk)

        def locked(*_: object) -> None:
            raise StoreBusy("the store is locked")

        with monkeypatch.context() as patched, pytest.raises(StoreBusy):
            patched.setattr(decisions, "save", locked)
            desk.cycle()
        desk.cycle()
        assert now(desk, gone).ended is OrderStatus.CANCELED
        assert gone.order_id not in [one.order_id for one in desk.read(intents.standing)]
        assert desk.bot.venue.ended == (), "and told once"


# An order of ours that the venue tells nothing of any more: cancelled while the bot was away for days.


def test_one_that_searches_a_good_while_apart_do_not_find_has_ended_and_is_put_back(tmp_path: Path) -> None:
    with rig(tmp_path, [UP, *[CALM] * 9], TWO_TARGETS) as desk:
        desk.cycle()
        desk.cycle()
        before = targets(desk)
        forgets(desk, cancelled := cancelled_by_a_person(desk))
        assert len(targets(desk)) == 1
        report = desk.cycle()
        assert "does not find order" in report.snapshot.doubts[0] and report.decisions[0].code == "latches"
        assert now(desk, cancelled).ended is None, "one search is not enough"
        report = desk.cycle()
        assert report.snapshot.doubts == () and report.decisions[0].code != "latches"
        assert now(desk, cancelled).ended is OrderStatus.CANCELED and now(desk, cancelled).filled == 0
        (row,) = [one for one in desk.read(journal.page) if one.subject == f"order:{cancelled.order_id}"]
        assert row.kind == "state" and "do not find it" in row.body["sentence"]
        desk.cycle()
        assert targets(desk) == before
        assert len([one for one in desk.read(journal.page) if one.subject == row.subject]) == 1, "said once"


def test_searches_at_one_moment_or_soon_after_another_prove_nothing(tmp_path: Path) -> None:
    with rig(tmp_path, [UP, *[CALM] * 9], TWO_TARGETS) as desk:
        desk.cycle()
        desk.cycle()
        forgets(desk, cancelled_by_a_person(desk))
        desk.run(desk.bot.clock.sleep(10))
        for _ in range(3):
            assert look(desk).doubts
        desk.run(desk.bot.clock.sleep(30))
        assert look(desk).doubts
        desk.run(desk.bot.clock.sleep(30))
        assert look(desk).doubts == ()


def test_one_that_a_list_has_had_in_between_is_searched_for_from_the_beginning(tmp_path: Path) -> None:
    with rig(tmp_path, [UP, *[CALM] * 9], TWO_TARGETS) as desk:
        desk.cycle()
        desk.cycle()
        target = next(one for one in desk.intents() if one.purpose is Purpose.TP1)
        venue = forgets(desk, target)
        hidden = venue.unlisted
        assert look(desk).doubts
        venue.unlisted = frozenset()
        desk.step()
        assert look(desk).doubts == ()
        venue.unlisted = hidden
        assert look(desk).doubts
        assert desk.bot.venue.lost == ()


def test_one_that_comes_back_after_it_was_noted_is_believed(tmp_path: Path) -> None:
    """A list that has it is better evidence than searches that had not: no stop of ours is overlooked."""
    with rig(tmp_path, [UP, *[CALM] * 9], TWO_TARGETS) as desk:
        desk.cycle()
        desk.cycle()
        target = next(one for one in desk.intents() if one.purpose is Purpose.TP1)
        venue = forgets(desk, target)
        desk.cycle()
        desk.cycle()
        assert now(desk, target).ended is OrderStatus.CANCELED
        venue.unlisted = frozenset()
        for again in (desk.bot.venue, Evident(venue, StoreEvidence(desk.db))):
            seen = desk.run(again.snapshot())
            assert seen.doubts == () and target.order_id in [one.order_id for one in seen.orders]


def test_what_it_has_filled_the_ledger_tells(tmp_path: Path) -> None:
    """A target that was filled, and that the venue forgot at once: it is not placed again."""
    with rig(tmp_path, [UP, CALM, TO_THE_FIRST, *[HIGHER] * 6], TWO_TARGETS) as desk:
        desk.cycle()
        desk.cycle()
        target = next(one for one in desk.intents() if one.purpose is Purpose.TP1)
        forgets(desk, target)
        for _ in range(4):
            desk.cycle()
        assert now(desk, target).ended is OrderStatus.CANCELED and now(desk, target).filled == target.qty
        assert [one.purpose for one in desk.intents() if one.purpose is Purpose.TP1] == [Purpose.TP1]
        assert len(targets(desk)) == 1
