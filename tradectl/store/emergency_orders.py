"""Orders of ours that only the emergency journal knows of yet: what was placed, and what may arrive, until the import.

The store hears of them with the import alone; until then a list that lacks one of them would read as "no stop", and
each further pass, or a second command, would place another (promises 3 and 4).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tradectl.domain.intent import Purpose
from tradectl.domain.order import OrderStatus
from tradectl.store import emergency

_OPEN = {status.value for status in OrderStatus if status.open}
_SETTLED = ("confirmed", "rejected")


@dataclass(frozen=True, slots=True)
class Placed:
    """An order that the venue has confirmed as open."""

    order_id: str
    symbol: str
    expires_ms: int  # of the request that placed it


def placed(store_path: Path | str) -> tuple[Placed, ...]:
    """Those that should stand, as far as the emergency journal tells. Never raises: unreadable, it tells of none."""
    return tuple(
        Placed(str(body["order_id"]), symbol, int(body["expires_ms"]))
        for symbol, body in _requests(store_path)
        if body.get("step") == "confirmed" and body.get("status") in _OPEN and "order_id" in body
        if body.get("action") != Purpose.CANCEL.value
    )


def stops_under_way(store_path: Path | str) -> dict[str, int]:
    """{symbol: when the last of its stops of unknown outcome expires, on the venue's clock}."""
    found = list(_requests(store_path))
    settled = {body.get("client_id") for _, body in found if body.get("step") in _SETTLED}
    latest: dict[str, int] = {}
    for symbol, body in found:
        if body.get("action") == Purpose.STOP.value and body.get("client_id") not in settled:
            latest[symbol] = max(latest.get(symbol, 0), int(body["expires_ms"]))
    return latest


def _requests(store_path: Path | str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for record in emergency.look(store_path).records:
        body = record["body"]
        if record["kind"] == "emergency" and isinstance(body.get("expires_ms"), int):
            yield record["symbol"], body
