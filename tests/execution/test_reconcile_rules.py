"""What every plan of reconciliation holds to: the rules R1 to R8 of execution/reconcile.py, over any two sides."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from ledger_kit import TAG, D
from reconcile_worlds import World, carried_out, of_kind, own_finding, worlds

from tradectl.domain.finding import FindingKind, Severity
from tradectl.domain.lifecycle import PositionState
from tradectl.execution.reconcile import fingerprint, plan
from tradectl.execution.reconcile_sides import ActionKind
from tradectl.execution.whose import Owner, Whose

_A = ActionKind
OF_ONE_SYMBOL = (_A.STAND_IN, _A.TAKE_OVER, _A.ADOPT, _A.ADJUST, _A.CANCEL, _A.PROTECT)
IN_DOUBT = {_A.BOOK, _A.STAND_IN, _A.TAKE_OVER, _A.PROTECT, _A.BLOCK, _A.NOTE}


@given(worlds())
def test_r1_every_symbol_held_on_either_side_and_every_order_has_one_finding(world: World):
    found = world.plan
    here = world.local.lots.keys() | world.local.lots_after.keys() | world.local.managed.keys()
    for symbol in here | {one.symbol for one in world.picture.positions if one.qty}:
        own_finding(found, symbol)  # exactly one, or it fails
    about = sorted(one.order_id for one in found.findings if one.order_id is not None)
    assert about == sorted(one.order_id for one in world.picture.orders)


@given(worlds())
def test_r2_no_action_adds_exposure_closes_a_position_or_touches_an_order_that_is_not_ours(world: World):
    whose = Owner(TAG, world.local.parents)
    orders = {one.order_id: one for one in world.picture.orders}
    found = world.plan
    for action in found.actions:
        if action.kind is _A.CANCEL:
            order = orders[str(action.order_id)]
            assert whose.of(order) in (Whose.OURS, Whose.ATTACHED) and order.reduces
        elif action.kind in (_A.ADJUST, _A.ADOPT):
            assert action.scope in world.adopt, "only on an operator's word"
        elif action.kind is _A.PROTECT:
            assert world.held(action.scope), "what protects only reduces"
        else:
            assert action.kind in (_A.BOOK, _A.STAND_IN, _A.TAKE_OVER, _A.BLOCK, _A.UNBLOCK, _A.NOTE), "books alone"


@given(worlds())
def test_r3_nothing_is_gone_without_its_closing_fills(world: World):
    found = world.plan
    for symbol, qty in world.local.lots_after.items():
        if qty and not world.held(symbol) and (symbol not in world.adopt or world.picture.doubts):
            assert not [one for one in found.actions if one.scope == symbol and one.kind in OF_ONE_SYMBOL]
            assert own_finding(found, symbol).person and own_finding(found, symbol).blocks


@given(worlds())
def test_r3_where_a_source_is_in_doubt_nothing_is_taken_away(world: World):
    found = world.plan
    if world.picture.doubts:
        assert {one.kind for one in found.actions} <= IN_DOUBT
        assert not [one for one in of_kind(found, _A.TAKE_OVER) if not one.qty]
        assert found.severity is Severity.UNREADABLE
        assert all(scope in blocked_after(world) for scope in world.local.blocked)


def blocked_after(world: World) -> set[str]:
    found = world.plan
    lifted = {one.scope for one in of_kind(found, _A.UNBLOCK)}
    return (set(world.local.blocked) - lifted) | {one.scope for one in of_kind(found, _A.BLOCK)}


@given(worlds())
def test_r4_entries_are_blocked_wherever_a_person_is_needed(world: World):
    found, blocked = world.plan, blocked_after(world)
    for one in found.findings:
        if one.severity is Severity.PERSON:
            scope = "" if one.kind is FindingKind.OTHER_STORE else one.symbol
            assert scope in blocked, f"{one.kind.value}: {one.person}"
    wanted = {"" if one.kind is FindingKind.OTHER_STORE else one.symbol for one in found.findings if one.blocks}
    if not world.picture.doubts:
        assert blocked == wanted, "and nowhere else"


@given(worlds())
def test_r5_a_stop_is_cancelled_only_where_both_sides_say_that_no_position_is_left_for_it(world: World):
    for action in of_kind(world.plan, _A.CANCEL):
        symbol, local = action.scope, world.local
        assert not world.held(symbol) and not local.lots_after.get(symbol)
        assert symbol not in local.flights and symbol not in local.doubtful
        assert symbol not in local.managed or local.managed[symbol].state is not PositionState.PENDING


@given(worlds(), st.randoms())
def test_r6_the_same_two_sides_give_the_same_plan_in_whatever_order_they_were_listed(world: World, dice):
    def shuffled(items):
        made = list(items)
        dice.shuffle(made)
        return made

    local = replace(
        world.local,
        **{
            name: dict(shuffled(getattr(world.local, name).items()))
            for name in ("lots", "lots_after", "openers_after", "unbooked", "managed", "flights", "states")
        },
    )
    listed = replace(
        world.picture,
        positions=tuple(shuffled(world.picture.positions)),
        orders=tuple(shuffled(world.picture.orders)),
    )
    assert plan(listed, local, adopt=world.adopt, report_only=world.report_only) == world.plan


@given(worlds())
def test_r7_after_its_actions_the_same_world_gives_a_plan_without_any(world: World):
    again = carried_out(world).plan
    assert again.actions == (), [f"{one.kind.value} {one.symbol}: {one.evidence}" for one in again.findings]


@given(worlds(), st.integers(-50, 50))
def test_r8_prices_and_margins_leave_the_fingerprint_as_it_is(world: World, moved: int):
    positions = tuple(
        replace(one, mark_price=one.mark_price + moved, unrealised=D(moved), entry_price=D(100 + moved),
                initial_margin=D(abs(moved)), maintenance_margin=D(abs(moved)), liquidation_price=None, updated_ms=9)
        for one in world.picture.positions
    )  # fmt: skip
    orders = tuple(replace(one, updated_ms=9) for one in world.picture.orders)
    later = replace(
        world.picture, at_ms=99, event_seq=99, positions=positions, orders=orders,
        account=replace(world.picture.account, wallet_balance=D(1000 + moved), unrealised=D(moved)),
    )  # fmt: skip
    assert fingerprint(later, world.local) == fingerprint(world.picture, world.local)


@given(worlds(), worlds())
def test_r8_positions_orders_and_books_that_differ_have_another_fingerprint(one: World, other: World):
    same = fingerprint(one.picture, one.local) == fingerprint(other.picture, other.local)
    assert same is (facts(one) == facts(other))


def facts(world: World) -> tuple[object, ...]:
    """All that a plan is about, prices apart."""
    local = world.local
    return (
        sorted((one.symbol, one.qty) for one in world.picture.positions if one.qty),
        sorted(
            (one.order_id, one.status, one.qty, one.filled_qty, one.trigger_price, one.price)
            for one in world.picture.orders
        ),
        dict(local.lots),
        dict(local.lots_after),
        {symbol: (one.number, one.state, one.entry_qty) for symbol, one in local.managed.items()},
        dict(local.flights),
        local.doubtful,
        local.blocked,
    )
