"""Which exchange a file holds: account, market and rules, written when it is made and compared when it is opened.

An exchange that was begun with one seed, fee or replay file cannot be continued with another: its books would be of
two markets. So a difference is refused, field by field, never blended.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from tradectl.errors import StoreMismatch

_NOT_COMPARED = ("start_ms",)  # when it was begun: true of the file, unknown to whoever opens it later


@dataclass(frozen=True, slots=True)
class Stamp:
    """`facts` are (name as an operator knows it, value as text), in a fixed order."""

    account: str
    facts: tuple[tuple[str, str], ...]

    def fact(self, name: str) -> str:
        """One fact's text. Raises KeyError for a name that is not stamped."""
        return dict(self.facts)[name]

    def must_match(self, found: Stamp, where: str) -> None:
        """Raises StoreMismatch naming every field in which the file's stamp `found` differs from this one."""
        differing = [("account", found.account, self.account)] if found.account != self.account else []
        theirs, ours = dict(found.facts), dict(self.facts)
        for name in (*ours, *(name for name in theirs if name not in ours)):
            if name not in _NOT_COMPARED and theirs.get(name) != ours.get(name):
                differing.append((name, theirs.get(name, "(not set)"), ours.get(name, "(not set)")))
        if differing:
            raise StoreMismatch(
                "the simulated exchange's file was begun with other settings",
                where=where,
                why="; ".join(f"{name} was {was}, now {now}" for name, was, now in differing),
                hint="put the settings back, give another --state, or move the store and this file away together "
                "to begin anew",
            )

    def body(self) -> str:
        return json.dumps(self.facts, separators=(",", ":"))

    @classmethod
    def read(cls, account: str, body: str) -> Stamp:
        return cls(account, tuple((str(name), str(value)) for name, value in json.loads(body)))
