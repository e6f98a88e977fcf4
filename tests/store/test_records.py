"""The smaller tables: what goes in comes out, sessions survive, decisions are counted, pruned and bounded."""

from __future__ import annotations

from decimal import Decimal

import pytest
from store_kit import sized

from tradectl.domain.candle import DAY_MS, HOUR_MS
from tradectl.domain.order import OrderFact, OrderSide, OrderStatus, OrderType, TriggerBy
from tradectl.domain.position import PositionFact
from tradectl.domain.risk_state import RiskState
from tradectl.domain.signal import Decision, Verdict
from tradectl.domain.snapshot import Account, Snapshot
from tradectl.domain.tags import Tag
from tradectl.errors import ToolError
from tradectl.store import cycles, decisions, journal, lease, limits, outbox, risk, session, views
from tradectl.store.database import Database

STATE = RiskState("2025-10-10", Decimal("2500.1"), True, Decimal("-3"), Decimal(2600), Decimal(2400), 5, 2, 4, True)
POSITION = PositionFact(
    "BTCUSDT", Decimal("-0.5"), Decimal(60_000), Decimal("60100.5"), Decimal("-50.25"), Decimal(3000), Decimal(150),
    Decimal(10), "isolated", None, 99,
)  # fmt: skip
ORDER = OrderFact(
    "o1", None, "BTCUSDT", OrderSide.BUY, OrderType.STOP_MARKET, OrderStatus.NEW, Decimal("0.5"), Decimal(0), None, 1,
    2, None, Decimal(61_000), TriggerBy.MARK, True, False, "o0", "",
)  # fmt: skip
SNAPSHOT = Snapshot(
    77, Account("USDT", Decimal(2500), Decimal("-50.25"), Decimal(3000), Decimal(150), Decimal(1)), (POSITION,),
    (ORDER,), 12,
)  # fmt: skip
EMPTY = Snapshot(88, SNAPSHOT.account, (), (), 12)
VERDICTS = (
    Verdict("latches", True, "no latch"),
    Verdict("daily_loss", False, 'too "much"', Decimal("0.06"), Decimal("0.05"), Decimal("-0.01"), "fraction",
            Tag.SAFETY_DAILY_LOSS, (("symbol", "BTCUSDT"),), "alert"),
)  # fmt: skip


def quiet(code: str = "history", symbol: str = "BTCUSDT", sentence: str = "too few candles") -> Decision:
    return Decision(symbol, "refused", code, sentence, 1, verdicts=VERDICTS, facts=(("a", "b"),))


def real(code: str = "daily_loss") -> Decision:
    return Decision("BTCUSDT", "refused", code, "lost too much", 1, sized().admitted.signal, VERDICTS)


def save(db: Database, cycle: int, at_ms: int, *made: Decision) -> None:
    with db.transaction() as conn:
        decisions.save(conn, cycle, at_ms, made)


def test_risk_state_round_trip(db: Database) -> None:
    with db.transaction() as conn:
        assert risk.load(conn) is None
        risk.save(conn, STATE)
        risk.save(conn, STATE)
    assert risk.load(db.conn) == STATE


def test_session_counts_across_a_crash_and_ends_once(db: Database) -> None:
    with db.transaction() as conn:
        assert session.resume(conn, at_ms=1) is None
        with pytest.raises(ToolError):
            session.count_entry(conn)
        session.start(conn, mode="paper", config_digest="d", started_ms=10, started_wall_ms=20)
        assert [session.count_entry(conn), session.count_entry(conn)] == [1, 2]
    with Database.open(db.path, expect=None) as again, again.transaction() as conn:
        resumed = session.resume(conn, at_ms=30)
        assert resumed == session.Session(1, "paper", "d", 10, 20, 2)
        with pytest.raises(ToolError, match="has not ended"):
            session.start(conn, mode="paper", config_digest="d", started_ms=10, started_wall_ms=20)
        ended = session.end(conn, at_ms=40, reason="stopped")
        assert ended == session.Session(1, "paper", "d", 10, 20, 2, 40, "stopped")
        assert session.end(conn, at_ms=41, reason="again") is None
        assert session.current(conn) is None
        assert session.last(conn) == ended
        assert session.start(conn, mode="paper", config_digest="d", started_ms=50, started_wall_ms=60).number == 2
    assert [row.body["result"] for row in journal.page(db.conn, kind="session")] == [
        "started",
        "resumed",
        "ended",
        "started",
    ]


def test_operator_resets_of_a_session(db: Database) -> None:
    with db.transaction() as conn:
        session.start(conn, mode="paper", config_digest="d", started_ms=10, started_wall_ms=20)
        session.count_entry(conn)
        session.reset_entries(conn)
        session.restart_clock(conn, started_ms=70, started_wall_ms=80)
    assert session.current(db.conn) == session.Session(1, "paper", "d", 70, 80, 0)


def test_progress_and_candles(db: Database) -> None:
    assert cycles.progress(db.conn) == cycles.Progress(0, 0, 0)
    with db.transaction() as conn:
        cycles.save_progress(conn, cycles.Progress(3, 4, 5))
        cycles.set_processed(conn, "BTCUSDT", 6)
        cycles.set_processed(conn, "BTCUSDT", 7)
    assert cycles.progress(db.conn) == cycles.Progress(3, 4, 5)
    assert cycles.processed(db.conn) == {"BTCUSDT": 7}


def test_limits_are_replaced_and_keep_their_order(db: Database) -> None:
    rows = [
        limits.LimitRow("z", Decimal("0.10"), Decimal(1), Decimal("0.9"), "fraction", "midnight", 5),
        limits.LimitRow("a", None, None, None, "", "", 5),
    ]
    with db.transaction() as conn:
        limits.save(conn, [limits.LimitRow("old", None, None, None, "", "", 1)])
        limits.save(conn, rows)
    assert limits.load(db.conn) == rows


def test_account_view_round_trip(db: Database) -> None:
    with db.transaction() as conn:
        assert views.load_account(conn) is None
        for snapshot in (EMPTY, SNAPSHOT):
            views.save_account(conn, snapshot)
            assert views.load_account(conn) == snapshot


def test_outbox_waits_until_delivered(db: Database) -> None:
    with db.transaction() as conn:
        for number in (1, 2, 3):
            outbox.put(conn, at_ms=number, type="FILL", symbol="X", urgent=number == 2, text="ü", context={"n": number})
        assert outbox.backlog(conn) == outbox.Backlog(3, 1)
        first, second = outbox.pending(conn, 2)
        assert (first.urgent, second.urgent, second.context) == (False, True, {"n": 2})
        outbox.delivered(conn, [first.id, second.id], 9)
        assert [alert.id for alert in outbox.pending(conn, 10)] == [3]
        assert outbox.prune(conn, 9 + 8 * DAY_MS) == 2
        assert outbox.backlog(conn) == outbox.Backlog(1, 3)


def test_alert_of_a_transaction_that_fails_is_never_seen(db: Database) -> None:
    with pytest.raises(ValueError, match="cause"), db.transaction() as conn:
        outbox.put(conn, at_ms=1, type="FILL", symbol="", urgent=False, text="x", context={})
        raise ValueError("cause")
    assert outbox.backlog(db.conn) == outbox.Backlog(0, None)


def test_decision_comes_back_whole(db: Database) -> None:
    save(db, 1, 10, real())
    (stored,) = decisions.last(db.conn, "BTCUSDT", 5)
    assert stored == decisions.StoredDecision(1, 10, 10, 1, real())
    assert decisions.symbols(db.conn) == ["BTCUSDT"]


def test_uneventful_repetition_is_counted_on_one_row_with_its_newest_sentence(db: Database) -> None:
    save(db, 1, 10, quiet(sentence="34 candles"), quiet(symbol="ETHUSDT"))
    save(db, 2, 20, quiet(sentence="35 candles"))
    (stored,) = decisions.last(db.conn, "BTCUSDT", 5)
    assert (stored.cycle, stored.first_at_ms, stored.at_ms, stored.times) == (2, 10, 20, 2)
    assert stored.decision.sentence == "35 candles"
    save(db, 3, 30, quiet("fresh"))
    assert [item.decision.code for item in decisions.last(db.conn, "BTCUSDT", 5)] == ["fresh", "history"]


def test_refusals_of_real_signals_are_never_merged(db: Database) -> None:
    save(db, 1, 10, real())
    save(db, 2, 20, real())
    save(db, 3, 30, quiet("daily_loss"))
    assert [item.times for item in decisions.last(db.conn, "BTCUSDT", 5)] == [1, 1, 1]


def test_summary_counts_by_code_from_the_hour_on(db: Database) -> None:
    for number in range(5):
        save(db, number, number * HOUR_MS + 5, quiet(), quiet("fresh", "ETHUSDT"))
    save(db, 6, 4 * HOUR_MS + 6, quiet())
    assert decisions.summary(db.conn, None, 0) == [("history", 6), ("fresh", 5)]
    assert decisions.summary(db.conn, "BTCUSDT", 4 * HOUR_MS + 59) == [("history", 2)]


def test_pruning_keeps_twenty_and_the_real_refusals_of_thirty_days(db: Database) -> None:
    save(db, 0, 0, real())
    save(db, 1, 2 * DAY_MS, real("drawdown"))
    for number in range(30):
        save(db, number, 2 * DAY_MS + number, quiet(f"code{number}"))
    with db.transaction() as conn:
        assert decisions.prune(conn, 31 * DAY_MS) == 12  # ten quiet ones, the old refusal, its count
    kept = [item.decision.code for item in decisions.last(db.conn, "BTCUSDT", 99)]
    assert kept == [*(f"code{number}" for number in range(29, 9, -1)), "drawdown"]


def test_a_day_of_idle_cycles_writes_no_journal_row_and_few_bytes(db: Database) -> None:
    """1440 cycles of a flat account: what they leave is counts per hour, on rows that are pruned after thirty days."""
    with db.transaction() as conn:
        epoch = lease.acquire(conn, lease.this_holder(), 0)

    def cycle(number: int) -> None:
        at_ms = number * 60_000
        with db.transaction() as conn:
            lease.heartbeat(conn, epoch, at_ms)
            cycles.set_processed(conn, "BTCUSDT", at_ms)
            cycles.save_progress(conn, cycles.Progress(number, at_ms, at_ms))
            decisions.save(conn, number, at_ms, [quiet()])
            views.save_account(conn, EMPTY)

    cycle(0)
    rows, used = journal.head(db.conn)[0], bytes_used(db)
    for number in range(1, 1441):
        cycle(number)
    assert journal.head(db.conn)[0] == rows
    assert db.conn.execute("SELECT count(*) FROM decisions").fetchone() == (1,)
    assert bytes_used(db) - used <= 4096


def bytes_used(db: Database) -> int:
    pages, free, size = (
        db.conn.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
    )
    return (pages - free) * size
