"""What reconciliation finds, how bad each kind is, and who may do something about it. The table is the whole policy."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum

from tradectl.domain.tags import Tag


class Severity(IntEnum):
    """In rising order; the highest of a plan is its exit code."""

    AGREES = 0
    DRIFT = 1  # what is to be done is safe by itself
    PERSON = 2  # a person decides
    UNREADABLE = 3  # a source failed, or came back empty against what is known: nothing changes


class FindingKind(StrEnum):
    MATCHED = "matched"
    PENDING_ADOPTED = "pending_adopted"
    EXPLAINED = "explained"
    DRIFT = "drift"
    ORPHAN = "orphan"
    PHANTOM = "phantom"
    CONFLICT = "conflict"
    STRAY = "stray"
    OTHER_STORE = "other_store"
    FOREIGN = "foreign"
    HELD_BY_OTHERS = "held_by_others"
    NAKED = "naked"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class KindRule:
    severity: Severity  # at the least: what lacks its evidence needs a person
    meaning: str
    tag: Tag | None = None


_S, _K = Severity, FindingKind

FINDING_KINDS: dict[FindingKind, KindRule] = {
    _K.MATCHED: KindRule(_S.AGREES, "venue and books agree"),
    _K.PENDING_ADOPTED: KindRule(_S.DRIFT, "an entry in flight here, its quantity there", Tag.RECON_PENDING_ADOPTED),
    _K.EXPLAINED: KindRule(_S.DRIFT, "no position here, but our orders or fills account for it", Tag.RECON_EXPLAINED),
    _K.DRIFT: KindRule(_S.DRIFT, "same side, another quantity", Tag.RECON_DRIFT),
    _K.ORPHAN: KindRule(_S.DRIFT, "open here, flat there", Tag.RECON_ORPHAN),
    _K.PHANTOM: KindRule(_S.PERSON, "a position there that nothing of ours explains", Tag.RECON_PHANTOM),
    _K.CONFLICT: KindRule(_S.PERSON, "the two sides contradict each other", Tag.RECON_CONFLICT),
    _K.STRAY: KindRule(_S.DRIFT, "an order of ours without an intent that lives", Tag.RECON_STRAY),
    _K.OTHER_STORE: KindRule(_S.PERSON, "an order of another bot on this account", Tag.SAFETY_RECON_BLOCK),
    _K.FOREIGN: KindRule(_S.AGREES, "an order that is not ours: it is left alone", Tag.RECON_FOREIGN),
    _K.HELD_BY_OTHERS: KindRule(_S.AGREES, "a position that others hold: a guard session leaves it", Tag.RECON_FOREIGN),
    _K.NAKED: KindRule(_S.DRIFT, "stops do not cover it", Tag.SAFETY_NAKED_POSITION),
    _K.UNREADABLE: KindRule(_S.UNREADABLE, "a source failed, or came back empty against what is known"),
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found. `symbol` '' is the account; `order_id` names the order it is about, if it is about one.

    evidence:  what was seen, with the numbers
    automatic: what is done about it without a person; '' nothing
    person:    what a person is to do about it; '' nothing is asked of anybody
    commands:  the ways to do it, to copy
    blocks:    entries are blocked there as long as it stands
    """

    kind: FindingKind
    symbol: str
    evidence: str
    automatic: str = ""
    person: str = ""
    commands: tuple[str, ...] = ()
    order_id: str | None = None
    blocks: bool = False

    @property
    def severity(self) -> Severity:
        least = FINDING_KINDS[self.kind].severity
        if self.automatic and not self.person:
            return min(least, Severity.DRIFT)  # an operator's word makes safe what would need a person
        return max(least, Severity.PERSON) if self.person and least is not Severity.AGREES else least

    @property
    def key(self) -> tuple[str, str, str]:
        return self.kind.value, self.symbol, self.order_id or ""
