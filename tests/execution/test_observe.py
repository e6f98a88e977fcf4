"""Orders of ours that have ended without a word: noted once it is known, and never lost on the way (promises 4, 12)."""

from __future__ import annotations

from pathlib import Path

import pytest
from bot_kit import CALM, UP, Rig, rig

from tradectl.domain.intent import Intent, Purpose
from tradectl.domain.order import OrderStatus
from tradectl.errors import StoreBusy
from tradectl.sim.ops import CancelOrder
from tradectl.store import decisions, intents

TWO_TARGETS: dict[str, object] = {
    "exits.targets": [{"distance_r": 1, "fraction": "0.5"}, {"distance_r": 2, "fraction": "0.5"}]
}


def cancelled_by_a_person(desk: Rig) -> Intent:
    """The first target of the position: its intent."""
    target = next(one for one in desk.intents() if one.purpose is Purpose.TP1)
    assert target.order_id is not None
    host = desk.embedded.host
    now_ms = host.state.server_ms
    host.execute(CancelOrder(target.symbol, target.order_id, now_ms, now_ms + 5_000))
    return target


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
        now = desk.read(intents.get, gone.number)
        assert now is not None and now.ended is OrderStatus.CANCELED
        assert gone.order_id not in [one.order_id for one in desk.read(intents.standing)]
        assert desk.bot.venue.ended == (), "and told once"
