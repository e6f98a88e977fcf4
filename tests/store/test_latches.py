"""Latches: the first reason stays, clearing is named, and no order of changes loses one (promise 9)."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from store_kit import create

from tradectl.domain.system_state import Latch, LatchName, SystemState, system_state
from tradectl.errors import StoreTooNew
from tradectl.store import journal, latches
from tradectl.store.database import Database


def test_second_setting_keeps_the_first_reason_and_is_journalled(db: Database) -> None:
    first = Latch(LatchName.KILL_SWITCH, "", "ann", 5, "too fast")
    with db.transaction() as conn:
        assert latches.set_latch(conn, first)
        assert not latches.set_latch(conn, Latch(LatchName.KILL_SWITCH, "", "bob", 9, "me too"))
    assert latches.active(db.conn) == (first,)
    results = [(row.actor, row.body["result"], row.body["reason"]) for row in journal.page(db.conn)]
    assert results == [("ann", "set", "too fast"), ("bob", "already set", "me too")]
    assert system_state(latches.active(db.conn)) is SystemState.HALTED


def test_clearing_tells_who_why_and_what_it_was(db: Database) -> None:
    with db.transaction() as conn:
        latches.set_latch(conn, Latch(LatchName.UNKNOWN_ORDER, "BTCUSDT", "bot", 5, "no answer"))
        assert latches.clear(conn, LatchName.UNKNOWN_ORDER, "ETHUSDT", by="bot", reason="found", at_ms=7) is None
        was = latches.clear(conn, LatchName.UNKNOWN_ORDER, "BTCUSDT", by="bot", reason="found", at_ms=8)
    assert was is not None
    assert was.reason == "no answer"
    assert latches.active(db.conn) == ()
    last = journal.latest(db.conn, 1)[0]
    assert (last.actor, last.symbol, last.body["reason"]) == ("bot", "BTCUSDT", "found")
    assert last.body["was"] == {"at_ms": 5, "by": "bot", "reason": "no answer"}


def test_latch_of_a_newer_tradectl_allows_nothing(db: Database) -> None:
    db.conn.execute("INSERT INTO latches VALUES ('moon_phase', '', 'bot', 1, 'full')")
    with pytest.raises(StoreTooNew, match="moon_phase"):
        latches.active(db.conn)


KEYS = st.tuples(st.sampled_from(LatchName), st.sampled_from(["", "BTCUSDT", "ETHUSDT"]))
WORDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)


class LatchMachine(RuleBasedStateMachine):
    """Against a dict: set, clear and reopen in any order."""

    @initialize()
    def begin(self) -> None:
        self.folder = TemporaryDirectory()
        self.db = create(Path(self.folder.name))
        self.model: dict[tuple[LatchName, str], Latch] = {}
        self.now = 0

    @rule(key=KEYS, reason=WORDS)
    def set_one(self, key: tuple[LatchName, str], reason: str) -> None:
        self.now += 1
        latch = Latch(*key, "ann", self.now, reason)
        with self.db.transaction() as conn:
            assert latches.set_latch(conn, latch) == (key not in self.model)
        self.model.setdefault(key, latch)

    @rule(key=KEYS)
    def clear_one(self, key: tuple[LatchName, str]) -> None:
        with self.db.transaction() as conn:
            assert latches.clear(conn, *key, by="bob", reason="over", at_ms=self.now) == self.model.pop(key, None)

    @rule()
    def reopen(self) -> None:
        self.db.close()
        self.db = Database.open(Path(self.folder.name) / "store.db", expect=None, durable=False)

    @invariant()
    def same_as_model(self) -> None:
        if hasattr(self, "db"):
            assert {(latch.name, latch.scope): latch for latch in latches.active(self.db.conn)} == self.model
            assert journal.verify(self.db.conn).ok

    def teardown(self) -> None:
        if hasattr(self, "db"):
            self.db.close()
            self.folder.cleanup()


TestLatchMachine = LatchMachine.TestCase
TestLatchMachine.settings = settings(max_examples=25, stateful_step_count=15, deadline=None)
