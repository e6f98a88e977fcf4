"""The one default that a guard session has of its own."""

from __future__ import annotations

from typing import Literal

from tradectl.config.schema import Config


def unexplained(config: Config, *, guard: bool) -> Literal["protect", "report"]:
    """`safety.protection.unexplained` as it holds: in a guard session `report`, unless the configuration sets it."""
    protection = config.safety.protection
    if guard and "unexplained" not in protection.model_fields_set:
        return "report"
    return protection.unexplained
