"""The exchange's own file: crash, lock, damage, strangers, and the cost of its thousandth day."""

from __future__ import annotations

import os
import signal
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from sim_actions import SYMBOL, config, in_memory, wall

from tradectl.domain.order import OrderType, Unknown
from tradectl.errors import StoreMismatch, StoreTooNew, VenueUnreachable
from tradectl.sim.embedded import Embedded, open_embedded, open_existing
from tradectl.sim.host import MemoryHost
from tradectl.sim.ops import SetServerTime, SetSymbolStatus

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = """
import sys
sys.path.insert(0, "tests/sim")
from pathlib import Path
from sim_script import play
play(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
"""


def opened(path: Path, *, busy_ms: int = 2000, **sim: object) -> Embedded:
    return open_embedded(config(**sim), path, wall_ms=wall, durable=False, busy_ms=busy_ms)


def script(path: Path, start: int, stop: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(path), str(start), str(stop)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )


def message(error: pytest.ExceptionInfo[VenueUnreachable]) -> str:
    return "\n".join(error.value.lines())


def test_only_its_owner_can_read_the_file(tmp_path: Path) -> None:
    path = tmp_path / "exchange.db"
    opened(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_durable_files_are_written_with_extra_and_a_rollback_journal(tmp_path: Path) -> None:
    exchange = open_embedded(config(), tmp_path / "exchange.db", wall_ms=wall)
    conn = exchange.host._conn  # type: ignore[attr-defined]
    assert conn.execute("PRAGMA synchronous").fetchone()[0] == 3
    assert conn.execute("PRAGMA journal_mode").fetchone()[0] == "delete"


def test_killed_between_any_two_commits_the_file_holds_a_prefix(tmp_path: Path) -> None:
    from sim_script import prefix_states

    states = prefix_states(60)
    for round_number in range(5):
        path = tmp_path / f"exchange{round_number}.db"
        process = script(path, 0, 60)
        assert process.stdout is not None
        for _ in range(1 + 9 * round_number):
            process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        found = opened(path)
        reached = [number for number, state in enumerate(states) if state == found.host.state]
        assert reached and reached[-1] >= 9 * round_number
        found.host.close()


def test_two_processes_taking_turns_leave_the_state_of_one(tmp_path: Path) -> None:
    from sim_script import prefix_states

    path = tmp_path / "exchange.db"
    ours = opened(path)
    for start in range(0, 40, 20):
        process = script(path, start, start + 10)
        process.communicate()
        assert process.returncode == 0
        from sim_script import act

        for number in range(start + 10, start + 20):
            act(ours, number)
    assert ours.host.state == prefix_states(40)[-1]


def test_a_locked_file_is_an_unreachable_venue(tmp_path: Path) -> None:
    path = tmp_path / "exchange.db"
    exchange = opened(path, busy_ms=20)
    before = exchange.host.state
    blocker = sqlite3.connect(path, isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    with pytest.raises(VenueUnreachable, match="locked by another process") as caught:
        exchange.step()
    assert caught.value.exit_code == 75
    assert exchange.host.state == before  # readers are not blocked by a writer that has not committed
    blocker.execute("ROLLBACK")
    assert exchange.step()


def test_a_reader_that_blocks_the_commit_leaves_nothing_half_done(tmp_path: Path) -> None:
    path = tmp_path / "exchange.db"
    exchange = opened(path, busy_ms=20)
    before = exchange.host.state
    reader = sqlite3.connect(path, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM market").fetchall()
    with pytest.raises(VenueUnreachable, match="locked by another process"):
        exchange.step()
    reader.execute("COMMIT")
    assert exchange.host.state == before
    assert exchange.step()


def test_a_missing_exchange_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(VenueUnreachable) as caught:
        open_existing(tmp_path / "none.db", wall_ms=wall)
    assert "has no file" in message(caught)
    assert not (tmp_path / "none.db").exists()


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "is empty"),
        (b"this is a shopping list, not a database. " * 40, "is damaged"),
    ],
)
def test_a_file_that_is_no_exchange_is_named_as_what_it_is(tmp_path: Path, content: bytes, expected: str) -> None:
    path = tmp_path / "exchange.db"
    path.write_bytes(content)
    with pytest.raises(VenueUnreachable) as caught:
        open_existing(path, wall_ms=wall)
    assert expected in message(caught)


def test_another_kind_of_database_is_not_an_exchange(tmp_path: Path) -> None:
    path = tmp_path / "exchange.db"
    conn = sqlite3.connect(path)
    conn.execute("CREATE TABLE t (x)")
    conn.commit()
    conn.close()
    with pytest.raises(VenueUnreachable, match="not a simulated exchange"):
        open_existing(path, wall_ms=wall)
    with pytest.raises(VenueUnreachable, match="not a simulated exchange"):
        opened(path)


def test_a_truncated_file_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "exchange.db"
    opened(path).host.close()
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 3])
    with pytest.raises(VenueUnreachable, match="damaged"):
        open_existing(path, wall_ms=wall)


def test_a_file_of_a_newer_build_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "exchange.db"
    opened(path).host.close()
    conn = sqlite3.connect(path)
    conn.execute("PRAGMA user_version = 99")
    conn.close()
    with pytest.raises(StoreTooNew):
        opened(path)


def test_an_edited_row_is_said_to_be_unreadable(tmp_path: Path) -> None:
    path = tmp_path / "exchange.db"
    opened(path).host.close()
    conn = sqlite3.connect(path)
    conn.execute("UPDATE market SET body = '{}'")
    conn.commit()
    conn.close()
    with pytest.raises(VenueUnreachable, match="unreadable"):
        open_existing(path, wall_ms=wall)


def test_a_file_of_the_first_version_opens_with_todays_rules_at_their_defaults_and_goes_on(tmp_path: Path) -> None:
    """`exchange_of_version_1.sql` was written before settings, symbols and orders had their later fields."""
    path = tmp_path / "exchange.db"
    conn = sqlite3.connect(path)
    conn.executescript((Path(__file__).parent / "exchange_of_version_1.sql").read_text(encoding="utf-8"))
    conn.execute("PRAGMA application_id = 1952733253")
    conn.execute("PRAGMA user_version = 1")
    conn.close()
    exchange = opened(path)
    state = exchange.host.state
    assert (state.settings.client_ids, state.settings.max_conditional_orders) == ("open", None)
    assert (state.symbols[SYMBOL].leverage, state.symbols[SYMBOL].status) == (5, "trading")
    assert [(order.fact.order_id, order.fact.type) for order in state.orders.values()] == [
        ("o2", OrderType.STOP_MARKET),
        ("o3", OrderType.TAKE_PROFIT_MARKET),
        ("o4", OrderType.LIMIT),
        ("o5", OrderType.LIMIT),
    ]
    assert len(exchange.host.events_after(0, 100)) == state.next_seq - 1 == 9
    assert exchange.step()
    exchange.host.execute(SetSymbolStatus(SYMBOL, "reduce_only", exchange.host.state.server_ms))
    after = opened(path).host.state
    assert after == exchange.host.state
    assert (after.symbols[SYMBOL].status, list(after.orders)) == ("reduce_only", ["o2", "o3"])
    assert sum(after.balances.values()) == 10_000


def test_other_settings_are_refused_field_by_field(tmp_path: Path) -> None:
    path = tmp_path / "exchange.db"
    opened(path).host.close()
    with pytest.raises(StoreMismatch) as caught:
        opened(path, seed=8)
    assert "sim.seed was 7, now 8" in caught.value.why
    with pytest.raises(StoreMismatch) as caught:
        open_embedded(config().model_copy(update={"account": "second"}), path, wall_ms=wall)
    assert "account was main, now second" in caught.value.why


def test_an_order_to_a_locked_exchange_is_unknown(tmp_path: Path) -> None:
    import asyncio

    path = tmp_path / "exchange.db"
    exchange = opened(path, busy_ms=20)
    blocker = sqlite3.connect(path, isolation_level=None)
    blocker.execute("BEGIN EXCLUSIVE")
    outcome = asyncio.run(exchange.venue.cancel(SYMBOL, "1", wall(), wall() + 5000))
    assert isinstance(outcome, Unknown)
    assert "locked" in outcome.reason
    with pytest.raises(VenueUnreachable):
        asyncio.run(exchange.venue.snapshot())
    blocker.execute("ROLLBACK")
    assert asyncio.run(exchange.venue.snapshot()).positions == ()


def test_an_operation_costs_the_same_with_a_long_history(tmp_path: Path) -> None:
    """Counted in SQLite's own steps, not in time: the work of a bar does not grow with the history."""
    path = tmp_path / "exchange.db"
    exchange = opened(path)
    conn: sqlite3.Connection = exchange.host._conn  # type: ignore[attr-defined]

    def steps_of_a_bar() -> int:
        count = 0

        def tick() -> int:
            nonlocal count
            count += 1
            return 0

        conn.set_progress_handler(tick, 1)
        exchange.step()
        conn.set_progress_handler(None, 0)
        return count

    exchange.step()
    young = steps_of_a_bar()
    with sqlite3.connect(path) as other:
        other.executemany(
            "INSERT INTO event (seq, kind, account, body) VALUES (?, 'Aged', 0, '{}')",
            ((-number,) for number in range(1, 50_000)),
        )
        other.executemany(
            "INSERT INTO closed_order (order_id, client_id, ended_seq, body) VALUES (?, ?, ?, '{}')",
            ((f"old{number}", f"c{number}", -number) for number in range(50_000)),
        )
    exchange.step()
    assert steps_of_a_bar() <= young + 5


def test_another_process_moves_server_time_without_moving_the_market(tmp_path: Path) -> None:
    path = tmp_path / "exchange.db"
    bot = opened(path)
    market_ms, server_ms = bot.host.state.market_ms, bot.host.state.server_ms
    operator = open_existing(path, wall_ms=wall, durable=False)
    operator.host.execute(SetServerTime(server_ms + 7000))
    assert bot.host.state.server_ms == bot.clock.now_ms() == server_ms + 7000
    assert bot.host.state.market_ms == market_ms


def test_a_continued_exchange_draws_the_same_market(tmp_path: Path) -> None:
    path = tmp_path / "exchange.db"
    memory = in_memory()
    assert isinstance(memory.host, MemoryHost)
    for _ in range(1300):  # far enough for the oldest block of bars to be dropped
        memory.step()
    exchange = opened(path)
    for _ in range(1290):
        exchange.step()
    exchange.host.close()
    again = opened(path)
    for _ in range(10):
        again.step()
    assert again.host.state == memory.host.state
    at_ms = again.host.state.market_ms
    assert len(again.feed.candles(SYMBOL, "5m", 300, at_ms)) == 300
    assert again.feed.candles(SYMBOL, "5m", 300, at_ms) == memory.feed.candles(SYMBOL, "5m", 300, at_ms)
    assert again.feed.checkpoint() == memory.feed.checkpoint() != ""
