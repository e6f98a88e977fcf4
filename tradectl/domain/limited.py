"""The limits of mode live_limited: the first days with real money. Fractions of equity; checked at the door."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

LIVE_LIMITED = "live_limited"
PREFLIGHT_VALID_MS = 86_400_000  # a green preflight counts for a day


@dataclass(frozen=True, slots=True)
class Limited:
    """max_position: notional of one position, of equity. max_daily_loss: of the day's first equity."""

    max_position: Decimal
    max_daily_loss: Decimal
    max_positions: int


@dataclass(frozen=True, slots=True)
class Preflight:
    """The newest go-live check on record, as it came out for one configuration. at_ms: wall clock."""

    at_ms: int
    config_digest: str
    result: str  # 'green', 'amber', 'red'
    sentence: str = ""

    def refusal(self, config_digest: str, now_ms: int) -> str:
        """Why it does not let live_limited trade now; '' when it does."""
        if self.result != "green":
            return f"the last preflight is {self.result}{f': {self.sentence}' if self.sentence else ''}"
        if self.config_digest != config_digest:
            return "the last preflight was of another configuration"
        age_ms = now_ms - self.at_ms
        if age_ms > PREFLIGHT_VALID_MS:
            return f"the last preflight is {age_ms // 3_600_000} h old (24 h at most)"
        if age_ms < 0:
            return "the last preflight is dated in the future: this machine's clock was set back"
        return ""


NO_PREFLIGHT = "no preflight is on record"
