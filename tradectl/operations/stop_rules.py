"""The rules by which an operator's command protects: the configuration's that was named, else the last run's, else the
defaults. A command never needs a configuration to place a stop."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from tradectl.domain.money import dec, percent, text
from tradectl.domain.order import TriggerBy
from tradectl.domain.position import Side
from tradectl.errors import Busy, StoreRefused
from tradectl.execution.protect import ProtectionRules
from tradectl.operations.killswitch_venue import Books
from tradectl.store import settings

DEFAULTS = "the built-in defaults"


@dataclass(frozen=True, slots=True)
class StopRules:
    """`source`: where they come from, in words."""

    protection: ProtectionRules
    sides: frozenset[Side]
    source: str

    def source_note(self, trouble: str) -> str:
        """Where the built-in defaults stand in for settings that cannot be read (`trouble`); else ''."""
        if not trouble or self.source != DEFAULTS:
            return ""
        return (
            f"a distance of {percent(self.protection.stop_loss_pct)} is the built-in default: the store's settings"
            f" cannot be read ({trouble}); --config FILE gives the bot's own"
        )


def stop_rules(books: Books, config: tuple[Path, ...]) -> StopRules:
    """Raises ConfigError for a configuration that was named and cannot be used."""
    values, source = _configured(config, guard=books.guard()) if config else _stored(books)
    windows = books.windows()
    return StopRules(
        ProtectionRules(
            dec(values["perps.stop_loss_pct"]),
            TriggerBy(values["perps.trigger_by"]),
            books.identity().store_tag,
            windows.max_skew_ms,
            unexplained=values["safety.protection.unexplained"] == "protect",
        ),
        frozenset(Side(name) for name in values["strategy.sides"].split(",") if name) or frozenset(Side),
        source,
    )


def _stored(books: Books) -> tuple[dict[str, str], str]:
    known: dict[str, str] = {}
    if books.db is not None:
        try:
            with books.db.read() as conn:
                known = settings.load(conn)
        except (Busy, StoreRefused) as error:
            books.trouble = error.what
    defaults, _ = _configured((), guard=books.guard())
    return {**defaults, **known}, "the last run's configuration" if known else DEFAULTS


def _configured(config: tuple[Path, ...], *, guard: bool) -> tuple[dict[str, str], str]:
    from tradectl.config.in_guard import unexplained
    from tradectl.config.load import load

    loaded = load(config).config
    values = {
        "perps.stop_loss_pct": text(Decimal(loaded.perps.stop_loss_pct)),
        "perps.trigger_by": loaded.perps.trigger_by,
        "safety.protection.unexplained": unexplained(loaded, guard=guard),
        "strategy.sides": "",
    }
    return values, "the configuration"
