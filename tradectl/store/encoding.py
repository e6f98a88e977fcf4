"""How values become columns: canonical JSON for bodies, exact decimal text (or NULL) for money."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from tradectl.domain.money import dec, text

_encoder = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def dump(body: Mapping[str, object]) -> str:
    """Canonical JSON: sorted keys, no blanks, no escapes but JSON's own. Raises TypeError on a value that has none."""
    return _encoder.encode(body)


def load(body: str) -> Any:
    return json.loads(body)


def money(value: Decimal | None) -> str | None:
    return None if value is None else text(value)


def amount(column: str | None) -> Decimal | None:
    return None if column is None else dec(column)
