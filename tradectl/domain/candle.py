"""Candles and their intervals."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS

INTERVALS_MS: dict[str, int] = {
    "1m": MINUTE_MS,
    "3m": 3 * MINUTE_MS,
    "5m": 5 * MINUTE_MS,
    "15m": 15 * MINUTE_MS,
    "30m": 30 * MINUTE_MS,
    "1h": HOUR_MS,
    "2h": 2 * HOUR_MS,
    "4h": 4 * HOUR_MS,
    "6h": 6 * HOUR_MS,
    "8h": 8 * HOUR_MS,
    "12h": 12 * HOUR_MS,
    "1d": DAY_MS,
}


@dataclass(frozen=True, slots=True)
class Candle:
    """One bar. Prices in quote currency, volume in base units, `open_ms` is the bar's opening instant (UTC)."""

    open_ms: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal


def day_of(at_ms: int) -> str:
    """The UTC day of an instant as YYYY-MM-DD (proleptic Gregorian, from days since 1970-01-01)."""
    return _civil(at_ms // DAY_MS)


def day_start_ms(at_ms: int) -> int:
    return at_ms - at_ms % DAY_MS


def utc_text(at_ms: int) -> str:
    """2025-10-10 21:15:00.000Z → '2025-10-10T21:15:00.000Z', without a clock or a time zone database."""
    seconds, ms = divmod(at_ms % DAY_MS, 1000)
    minutes, second = divmod(seconds, 60)
    hour, minute = divmod(minutes, 60)
    return f"{day_of(at_ms)}T{hour:02d}:{minute:02d}:{second:02d}.{ms:03d}Z"


def _civil(days: int) -> str:
    # Howard Hinnant's days-from-civil inverse: pure integer arithmetic, valid for every day the bot can meet.
    z = days + 719_468
    era = z // 146_097
    doe = z - era * 146_097
    yoe = (doe - doe // 1460 + doe // 36_524 - doe // 146_096) // 365
    doy = doe - (365 * yoe + yoe // 4 - yoe // 100)
    mp = (5 * doy + 2) // 153
    day = doy - (153 * mp + 2) // 5 + 1
    month = mp + 3 if mp < 10 else mp - 9
    year = yoe + era * 400 + (1 if month <= 2 else 0)
    return f"{year:04d}-{month:02d}-{day:02d}"
