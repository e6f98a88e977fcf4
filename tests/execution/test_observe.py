"""What the venue shows is held against what is known (promise 4): whatever its lists leave out, add or turn about."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from observe_worlds import SCRIPTS, Lie, Step, play

from tradectl.domain.order import OrderFact
from tradectl.domain.snapshot import Snapshot
from tradectl.errors import VenueUnreachable
from tradectl.execution.observe import Evident, Known, StoreEvidence


@settings(max_examples=300)
@given(SCRIPTS)
def test_no_order_is_lost_or_raised_from_the_dead_and_no_old_picture_is_given_out(script: list[Step]) -> None:
    play(script)


@settings(max_examples=200)
@given(SCRIPTS)
def test_for_an_exit_the_same_holds_and_what_is_at_odds_has_a_flaw(script: list[Step]) -> None:
    play(script, for_exit=True)


# Each part of it is needed: with one taken out, one of these scenes shows it.


def look(**lie: Any) -> Step:
    return ("look", (Lie(**lie), False))


def look_and_note() -> Step:
    return ("look", (Lie(), True))


FIRST, ALL = frozenset({0}), frozenset(range(8))
ENTER, STOP, DROP, BOOK, RESTART = [(name, ()) for name in ("enter", "stop", "drop", "book", "restart")]
END: Step = ("end", (0,))
REST: Step = ("rest", (90,))
LACKING = [ENTER, look(), look(lacks=FIRST)]
OURS_LACKING_FROM_THE_START = [ENTER, STOP, look(lacks=ALL)]
LACKING_AFTER_A_RESTART = [ENTER, look(), RESTART, look(lacks=FIRST)]
LACKING_AND_NOT_FOUND_TWICE = [ENTER, look(), *[look(lacks=FIRST, lookup="nothing")] * 2]
FOUND_ENDED_AND_LISTED_AGAIN = [ENTER, look(), END, look(), look(ghosts=True)]
DROPPED_AND_LISTED_AGAIN = [ENTER, STOP, look(), DROP, look(ghosts=True)]
OLDER_THAN_THE_BOOKS = [look(), ENTER, BOOK, look(back=5)]
FIRST_ANSWER_OLD = [look(), ENTER, BOOK, look(back=2, reads=2)]
NO_POSITION_AND_ITS_MARGIN = [ENTER, look(hides=True)]
MANY = [ENTER, STOP, *[REST] * 3, look()]
NO_LIE_IN_THE_END = [ENTER, STOP, *[REST] * 3, look(back=9, reads=0)]
ENDED_AND_NOTED = [ENTER, look(), END, look_and_note(), look_and_note()]
SCENES = {name: script for name, script in globals().items() if name.isupper() and isinstance(script, list)}
EVIDENT, EVIDENCE = Evident, StoreEvidence


@pytest.mark.parametrize("scene", SCENES)
@pytest.mark.parametrize("for_exit", [False, True])
def test_every_scene_is_seen_through(scene: str, for_exit: bool) -> None:
    play(SCENES[scene], for_exit=for_exit)


_known, _snapshot = StoreEvidence.known, Evident.snapshot


async def believe(self: Evident) -> Snapshot:
    return await self._inner.snapshot()


def last_picture_only(self: StoreEvidence, *, last_picture: bool) -> Known:
    found = _known(self, last_picture=last_picture)
    return found if last_picture else Known({}, found.booked_seq)


def no_last_picture(self: StoreEvidence, *, last_picture: bool) -> Known:
    return _known(self, last_picture=False)


def nothing_standing(self: StoreEvidence, *, last_picture: bool) -> Known:
    return Known({}, _known(self, last_picture=last_picture).booked_seq)


def no_date(self: StoreEvidence, *, last_picture: bool) -> Known:
    return replace(_known(self, last_picture=last_picture), booked_seq=0)


def forget_end(self: Evident, order: OrderFact) -> None:
    self._fresh.append(order)


async def one_page(self: Evident) -> Snapshot:
    """What is beyond the third of the list is on the next page, which is not read."""
    picture = await _snapshot(self)
    return replace(picture, orders=picture.orders[:3])


async def oldest_first(self: Evident) -> Snapshot:
    picture = await _snapshot(self)
    if list(picture.orders) != sorted(picture.orders, key=lambda order: int(order.order_id[1:])):
        raise VenueUnreachable("a list that begins in the middle is not complete")
    return picture


async def suspect_change(self: Evident) -> Snapshot:
    before = set(self._open or {})
    picture = await _snapshot(self)
    return picture if before == set(self._open or {}) else replace(picture, doubts=("it has changed",))


async def forget_missed(self: Evident) -> Snapshot:
    picture = await _snapshot(self)
    self._open = {order.order_id: order.symbol for order in picture.orders}
    return picture


async def first_answer(self: Evident, booked: int) -> Snapshot:
    return await self._inner.snapshot()


@pytest.mark.parametrize(
    ("scene", "where", "part", "change", "saying"),
    [
        ("LACKING", EVIDENT, "snapshot", believe, "lost"),
        ("OURS_LACKING_FROM_THE_START", EVIDENCE, "known", nothing_standing, "lost"),
        ("LACKING_AFTER_A_RESTART", EVIDENCE, "known", no_last_picture, "lost"),
        ("LACKING_AND_NOT_FOUND_TWICE", EVIDENT, "snapshot", forget_missed, "lost"),
        ("MANY", EVIDENT, "snapshot", one_page, "not as it is"),
        ("NO_LIE_IN_THE_END", EVIDENT, "snapshot", oldest_first, "the order of the lists"),
        ("FOUND_ENDED_AND_LISTED_AGAIN", EVIDENT, "_remember_end", forget_end, "although it has ended"),
        ("DROPPED_AND_LISTED_AGAIN", EVIDENCE, "ended", lambda self, ids: frozenset(), "although it has ended"),
        ("OLDER_THAN_THE_BOOKS", EVIDENCE, "known", no_date, "older than the books"),
        ("FIRST_ANSWER_OLD", EVIDENT, "_consistent", first_answer, "older than the books"),
        ("NO_POSITION_AND_ITS_MARGIN", Snapshot, "contradiction", lambda self: "", "nobody holds it"),
        ("MANY", EVIDENT, "snapshot", suspect_change, "doubted without a lie"),
        ("ENDED_AND_NOTED", EVIDENT, "forget", lambda self, noted: None, "not once"),
        ("ENDED_AND_NOTED", EVIDENT, "ended", property(lambda self: ()), "not once"),
    ],
)
def test_each_part_of_it_is_needed(
    scene: str, where: type, part: str, change: Any, saying: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(where, part, change)
    with pytest.raises(AssertionError, match=saying):
        play(SCENES[scene])
