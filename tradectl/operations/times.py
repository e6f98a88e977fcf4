"""Instants and ages in an operator's words, and the spans they type (`90s`, `2h`, `2025-10-10T21:15`)."""

from __future__ import annotations

import re

from tradectl.domain.candle import DAY_MS, HOUR_MS, MINUTE_MS, utc_text
from tradectl.errors import UsageError

_UNITS_MS = {"s": 1000, "m": MINUTE_MS, "h": HOUR_MS, "d": DAY_MS, "w": 7 * DAY_MS}
_SPAN = re.compile(r"(?:\d+[smhdw])+")
_PART = re.compile(r"(\d+)([smhdw])")


def when(at_ms: int) -> str:
    """1760130900000 → '2025-10-10 21:15:00Z'."""
    return utc_text(at_ms)[:19].replace("T", " ") + "Z"


def span(length_ms: int) -> str:
    """A length of time in its two largest units: '45 s', '3 min 20 s', '2 h 5 min', '3 d 4 h'."""
    seconds = max(length_ms, 0) // 1000
    minutes, second = divmod(seconds, 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    pairs = [(days, "d", hour, "h"), (hours, "h", minute, "min"), (minutes, "min", second, "s")]
    for large, large_unit, small, small_unit in pairs:
        if large:
            return f"{large} {large_unit} {small} {small_unit}" if small else f"{large} {large_unit}"
    return f"{second} s"


def ago(at_ms: int, now_ms: int) -> str:
    """'3 min 20 s ago'; an instant after now is said to be ahead, because a clock that was set back must show."""
    if at_ms > now_ms + 1000:
        return f"{span(at_ms - now_ms)} ahead of this machine's clock"
    return f"{span(now_ms - at_ms)} ago"


def parse_since(typed: str, now_ms: int) -> int:
    """The instant meant by '2h', '1d12h', an ISO date or time (UTC unless it names a zone). Raises UsageError."""
    compact = typed.strip().lower().replace(" ", "")
    if _SPAN.fullmatch(compact):
        return now_ms - sum(int(count) * _UNITS_MS[unit] for count, unit in _PART.findall(compact))
    from datetime import UTC, datetime  # kept out of the pages that only show ages

    try:
        moment = datetime.fromisoformat(typed.strip())
    except ValueError:
        raise UsageError(
            f"'{typed}' is neither a length of time nor a date",
            hint="write 90s, 30m, 2h, 1d12h, or 2025-10-10 or 2025-10-10T21:15 (UTC)",
        ) from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return int(moment.timestamp() * 1000)
