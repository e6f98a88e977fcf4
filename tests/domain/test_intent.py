"""Drafts keep the rules of the door, ids name their store and purpose, and the table of states is closed."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradectl.domain.intent import (
    CLIENT_ID_MAX,
    INTENT_TRANSITIONS,
    ClientId,
    IntentDraft,
    IntentState,
    Purpose,
    cancel_draft,
    exit_draft,
    stop_draft,
)
from tradectl.domain.order import OrderSide, OrderType, TriggerBy
from tradectl.domain.position import Side
from tradectl.domain.system_state import LATCH_RULES, PERMISSIONS, Latch, LatchName, SystemState, system_state

TAGS = st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=6, max_size=6)


@given(TAGS, st.sampled_from(list(Purpose)), st.integers(1, 10**18))
def test_a_client_id_comes_back_as_it_went_and_fits_every_venue(tag: str, purpose: Purpose, number: int) -> None:
    written = str(ClientId(tag, purpose, number))
    assert ClientId.parse(written) == ClientId(tag, purpose, number)
    assert len(written) <= CLIENT_ID_MAX
    assert all(sign.isalnum() or sign in ".:/_-" for sign in written)


@given(st.one_of(st.none(), st.text(max_size=40)))
def test_other_peoples_ids_are_never_taken_for_ours(text: str | None) -> None:
    parsed = ClientId.parse(text)
    assert parsed is None or str(parsed).split(".")[:3] == str(text).split(".")[:3]


def draft(**changes: object) -> IntentDraft:
    fields: dict[str, object] = {
        "symbol": "BTCUSDT",
        "purpose": Purpose.EXIT,
        "side": OrderSide.SELL,
        "type": OrderType.MARKET,
        "qty": Decimal(1),
        "reason": "test",
    }
    return IntentDraft(**{**fields, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"purpose": Purpose.ENTRY, "reduce_only": False}, "from a Sized"),
        ({"reduce_only": False}, "must be reduce-only"),
        ({"qty": Decimal(0)}, "above zero"),
        ({"qty": None}, "close-position"),
        ({"type": OrderType.LIMIT, "price": Decimal(1)}, "reduce-only market"),
        ({"purpose": Purpose.STOP}, "stop-market with a trigger"),
        ({"purpose": Purpose.STOP, "type": OrderType.STOP_MARKET}, "stop-market with a trigger"),
        ({"purpose": Purpose.TP1}, "take-profit"),
        ({"purpose": Purpose.CANCEL, "qty": None}, "names the order"),
    ],
)
def test_a_draft_that_breaks_a_rule_of_the_door_cannot_be_made(changes: dict[str, object], rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        draft(**changes)


def test_exits_stops_and_cancels_can_only_reduce() -> None:
    stop = stop_draft("BTCUSDT", Side.SHORT, Decimal(1), Decimal(70), TriggerBy.MARK, "missing")
    close = exit_draft("BTCUSDT", Side.LONG, Decimal(1), "by hand", operator=True)
    assert (stop.side, stop.reduce_only) == (OrderSide.BUY, True)
    assert (close.side, close.reduce_only, close.purpose) == (OrderSide.SELL, True, Purpose.CLOSE)
    assert cancel_draft("BTCUSDT", OrderSide.BUY, "o7", "stray").cancels_order_id == "o7"
    assert not any(purpose.adds_exposure for purpose in Purpose if purpose is not Purpose.ENTRY)


def test_every_state_of_an_intent_is_reachable_and_doubt_ends_only_on_evidence() -> None:
    reachable = {IntentState.RECORDED} | {to for _, to, _ in INTENT_TRANSITIONS}
    assert reachable == set(IntentState)
    leaving_doubt = {to for before, to, _ in INTENT_TRANSITIONS if before is IntentState.UNKNOWN}
    assert leaving_doubt == {IntentState.CONFIRMED, IntentState.NOT_PLACED}
    final = set(IntentState) - {before for before, _, _ in INTENT_TRANSITIONS}
    assert not any(state.in_doubt for state in final)


def test_the_strictest_latch_wins_and_no_state_forbids_protection() -> None:
    pause = Latch(LatchName.PAUSE, "", "ann", 1, "lunch")
    kill = Latch(LatchName.KILL_SWITCH, "", "bob", 2, "smoke")
    doubt = Latch(LatchName.UNKNOWN_ORDER, "BTCUSDT", "bot", 3, "timeout")
    assert system_state([]) is SystemState.NORMAL
    assert system_state([doubt]) is SystemState.NORMAL
    assert system_state([pause, doubt]) is SystemState.PAUSED
    assert system_state([kill, pause]) is system_state([pause, kill]) is SystemState.HALTED
    assert all(allowed.protect and allowed.operator_exit for allowed in PERMISSIONS.values())
    assert [state for state, allowed in PERMISSIONS.items() if allowed.entries] == [SystemState.NORMAL]
    assert set(LATCH_RULES) == set(LatchName)
