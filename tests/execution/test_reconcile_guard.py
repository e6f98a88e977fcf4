"""What any reconciliation means in a guard session: nothing is blocked, others' are theirs, all the rest as it was."""

from __future__ import annotations

from hypothesis import given
from ledger_kit import D
from reconcile_worlds import A, World, books, order, picture, position, worlds

from tradectl.domain.finding import FindingKind, Severity
from tradectl.domain.order import OrderSide, OrderType
from tradectl.execution.reconcile import plan
from tradectl.execution.reconcile_guard import in_guard
from tradectl.execution.reconcile_sides import ActionKind

_K = FindingKind


@given(worlds())
def test_nothing_is_blocked_and_no_other_step_is_taken_away(world: World) -> None:
    before, after = world.plan, in_guard(world.plan)
    assert not any(one.blocks for one in after.findings)
    assert after.actions == tuple(one for one in before.actions if one.kind is not ActionKind.BLOCK)
    assert after.fingerprint == before.fingerprint


@given(worlds())
def test_what_contradicts_the_books_still_needs_a_person(world: World) -> None:
    theirs = (_K.PHANTOM, _K.OTHER_STORE)
    for before, after in zip(world.plan.findings, in_guard(world.plan).findings, strict=True):
        if before.blocks and before.kind in theirs:
            assert after.severity is Severity.AGREES and not after.person and not after.commands
            assert after.evidence == before.evidence
        else:
            assert (after.kind, after.severity, after.person) == (before.kind, before.severity, before.person)


def test_a_position_and_the_orders_of_another_bot_are_its_own() -> None:
    theirs = order(1, OrderType.LIMIT, OrderSide.BUY, 1, client_id="tdc.zzz999.en.7", price=D(90))
    found = in_guard(plan(picture(position(3), theirs), books(0)))
    kinds = {one.kind for one in found.findings if one.kind is not _K.NAKED}
    assert kinds == {_K.HELD_BY_OTHERS, _K.FOREIGN}
    assert [one.kind for one in found.actions if one.kind is not ActionKind.PROTECT] == [ActionKind.NOTE]
    assert all(one.scope == A for one in found.actions)
