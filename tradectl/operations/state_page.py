"""What `state show` shows, as values: the face prints it, `--json` writes it out field by field.

Named tuples, not dataclasses: making such a class costs a tenth, and this page has to be there at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import NamedTuple

from tradectl.domain.risk_state import RiskState
from tradectl.domain.system_state import SystemState
from tradectl.operations.bot_life import BotLife
from tradectl.operations.limit_lines import LimitLine
from tradectl.store.facts import StoreFacts
from tradectl.store.identity import Identity
from tradectl.store.session import Session


class LatchLine(NamedTuple):
    """`scope` is '' for the account; `state` is what it does to the system, None where it blocks its symbol only."""

    name: str
    scope: str
    state: str | None
    since_ms: int
    by: str
    reason: str
    effect: str
    cleared_by: str


class PositionLine(NamedTuple):
    """As it was last seen at the venue. `books_qty` is what the ledger holds (signed); they should be equal."""

    symbol: str
    side: str
    qty: Decimal
    entry_price: Decimal
    mark_price: Decimal
    unrealised: Decimal
    leverage: Decimal
    liquidation_price: Decimal | None
    protection: str
    covered_qty: Decimal
    stop_price: Decimal | None
    naked_since_ms: int | None
    books_qty: Decimal
    stops_why: str = ""  # why stops that are there do not count


class DoubtLine(NamedTuple):
    client_id: str
    symbol: str
    purpose: str
    side: str
    qty: Decimal | None
    state: str
    created_ms: int
    searches: int
    detail: str


class AccountLine(NamedTuple):
    currency: str
    equity: Decimal
    wallet_balance: Decimal
    unrealised: Decimal
    available: Decimal
    at_ms: int  # venue's clock


class OverrideLine(NamedTuple):
    at_ms: int
    by: str
    what: str
    reason: str


class StatePage(NamedTuple):
    """`answer` is the first line. Wall times unless a name says venue; `age_ms` is how old the bot's picture is.

    by_operator: the picture is a later one, of an operator's command. outdated: no bot keeps it as it is now.
    """

    answer: str
    state: SystemState
    entries_allowed: bool
    now_ms: int
    identity: Identity
    latches: tuple[LatchLine, ...]
    halt_file: str | None
    halt_reason: str | None
    bot: BotLife
    age_ms: int | None
    account: AccountLine | None
    by_operator: bool
    outdated: bool
    positions: tuple[PositionLine, ...]
    books_only: Mapping[str, Decimal]  # what the ledger holds and the picture does not show, signed
    limits: tuple[LimitLine, ...]
    counters: RiskState | None
    doubts: tuple[DoubtLine, ...]
    session: Session | None
    overrides: tuple[OverrideLine, ...]
    store: StoreFacts
    last_backup: str | None
    warnings: tuple[str, ...]
    guard: bool = False  # the newest session is a guard session
