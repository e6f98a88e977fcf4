"""What a reconciliation means in a guard session, where others trade the account. Pure.

Nothing is blocked, for there are no entries to block. A position that no order of ours explains is its owner's, and so
is an order of another store; both are on record and left alone. What contradicts the books is still for a person to
see. A block from an earlier session stays until its finding is gone: the next normal start looks at it anew.
"""

from __future__ import annotations

from dataclasses import replace

from tradectl.domain.finding import Finding, FindingKind
from tradectl.execution.reconcile import Plan
from tradectl.execution.reconcile_sides import ActionKind

_K = FindingKind


def in_guard(found: Plan) -> Plan:
    return replace(
        found,
        findings=tuple(_meaning(one) for one in found.findings),
        actions=tuple(action for action in found.actions if action.kind is not ActionKind.BLOCK),
    )


def _meaning(one: Finding) -> Finding:
    if one.kind is _K.PHANTOM and one.blocks:
        return replace(one, kind=_K.HELD_BY_OTHERS, person="", commands=(), blocks=False)
    if one.kind is _K.OTHER_STORE:
        return replace(one, kind=_K.FOREIGN, person="", commands=(), blocks=False)
    return replace(one, blocks=False) if one.blocks else one
