"""What the bot says: tagged lines with their exact form, alerts, the line of each cycle, and that none is lost."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from bot_kit import CALM, CRASH, FIVE_MS, FLAT, SOL, UP, D, Row, lines, rig

from tradectl.domain.system_state import LatchName
from tradectl.domain.tags import Tag
from tradectl.engine.assemble import RunOptions
from tradectl.engine.daemon import Run, _attempt
from tradectl.errors import StoreBusy
from tradectl.sim.faults import DropRequest, Refuse
from tradectl.store import cycles, halt, latches, outbox, risk

LINE = re.compile(
    r"(?P<at>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z) (?P<level>[A-Z]+) (?P<logger>tradectl(\.\w+)+) "
    r"(?P<tag>[A-Z_]+|ALERT\[\w+\]): (?P<sentence>.+?)(?: \| (?P<context>.*))?"
)


def parsed(text: str) -> dict[str, str | None]:
    match = LINE.fullmatch(text)
    assert match is not None, text
    return match.groupdict()


def tagged(text: list[str], tag: Tag) -> list[dict[str, str | None]]:
    return [row for row in map(parsed, text) if row["tag"] == tag.value]


def test_every_line_of_a_session_has_the_one_form_and_a_known_tag(tmp_path):
    with rig(tmp_path, [UP, CALM, CRASH, FLAT], ready=False) as desk, lines(desk, tmp_path) as log:
        desk.start()
        for _ in range(4):
            desk.cycle()
        rows = [parsed(line) for line in log()]
    tags = {str(row["tag"]) for row in rows}
    known = {tag.value for tag in Tag}
    assert {tag for tag in tags if not tag.startswith("ALERT[")} <= known
    assert {"SESSION", "ENTRY", "FILL", "TRADE_CLOSED", "CYCLE_SUMMARY", "SIGNAL", "SAFETY_SIZE_CAPPED"} <= tags
    assert {"ALERT[new_position]", "ALERT[position_closed]"} <= tags


@pytest.mark.parametrize(
    ("tag", "level", "sentence"),
    [
        (Tag.SAFETY_CIRCUIT_BREAKER, "WARNING", r"3 consecutive losses \(limit=3\)"),
        (Tag.SAFETY_DAILY_LOSS, "WARNING", r"Daily loss limit exceeded: 6\.20% \(limit=5\.00%\)"),
        (Tag.SAFETY_DRAWDOWN, "WARNING", r"Drawdown limit exceeded: 20\.00% \(limit=10\.00%\)"),
        (Tag.SAFETY_PAUSED, "WARNING", r"no entries; everything else goes on; set .* by ann: maintenance"),
        (Tag.SAFETY_KILL_SWITCH, "CRITICAL", r"no entries; only protection .*; set .* by ann: maintenance"),
        (Tag.SAFETY_SESSION_RUNTIME, "WARNING", r"Session runtime [\d.]+ minutes exceeded limit=1; halting .*"),
    ],
)
def test_what_stops_entries_is_said_in_the_documents_words_and_alerted(tmp_path, tag, level, sentence):
    knobs: dict[str, object] = {"perps.consecutive_loss_limit": 3}
    if tag is Tag.SAFETY_SESSION_RUNTIME:
        knobs["perps.session_max_runtime_minutes"] = 1
    with rig(tmp_path, [FLAT, FLAT], knobs) as desk, lines(desk, tmp_path) as log:
        changes: dict[Tag, dict[str, Any]] = {
            Tag.SAFETY_CIRCUIT_BREAKER: {"streak": 3, "streak_at_ms": 1},
            Tag.SAFETY_DAILY_LOSS: {"realised_today": D(-620)},
            Tag.SAFETY_DRAWDOWN: {"peak_equity": D(12_500)},
        }
        with desk.db.transaction() as conn:
            stored = risk.load(conn)
            assert stored is not None
            risk.save(conn, replace(stored, **changes.get(tag, {})))
        if tag in (Tag.SAFETY_PAUSED, Tag.SAFETY_KILL_SWITCH):
            desk.latch(LatchName.PAUSE if tag is Tag.SAFETY_PAUSED else LatchName.KILL_SWITCH)
        desk.cycle()
        said = [row for row in tagged(log(), tag) if row["level"] == level]
        alerts = [row for row in map(parsed, log()) if row["tag"] == f"ALERT[{tag.value.lower()}]"]
    assert any(re.fullmatch(sentence, str(row["sentence"])) for row in said), said
    context = str(alerts[0]["context"])
    assert context.startswith("context={") and isinstance(json.loads(context.removeprefix("context=")), dict)


def test_an_alert_line_is_the_documents_with_json_context(tmp_path):
    with rig(tmp_path, [FLAT, FLAT]) as desk, lines(desk, tmp_path) as log:
        with desk.db.transaction() as conn:
            stored = risk.load(conn)
            assert stored is not None
            risk.save(conn, replace(stored, realised_today=D(-620)))
        desk.cycle()
        (line,) = [line for line in log() if "ALERT[safety_daily_loss]" in line]
    assert "ALERT[safety_daily_loss]: Daily loss 6.20% exceeded limit 5.00% | context={" in line
    assert json.loads(line.split("context=")[1])["symbol"] == SOL


def test_a_standing_refusal_is_said_when_it_begins_and_then_once_an_hour(tmp_path):
    with rig(tmp_path, [FLAT] * 30) as desk, lines(desk, tmp_path) as log:
        desk.latch()
        for _ in range(25):  # two hours and five minutes
            desk.cycle()
        gate = [row for row in tagged(log(), Tag.SAFETY_PAUSED) if "cleared by" in str(row["sentence"])]
    assert len(gate) == 3


def test_the_return_to_normal_is_said(tmp_path):
    with rig(tmp_path, [FLAT] * 4) as desk, lines(desk, tmp_path) as log:
        desk.latch()
        desk.cycle()
        with desk.elsewhere() as other, other.transaction() as conn:
            latches.clear(conn, LatchName.PAUSE, "", by="ann", reason="done", at_ms=1)
        desk.cycle()
        (row,) = tagged(log(), Tag.SAFETY_RECOVERED)
        assert row["level"] == "INFO" and row["context"] == "before=PAUSED"


def test_a_halt_file_is_said_with_the_command_that_clears_it_on_one_line(tmp_path):
    with rig(tmp_path, [FLAT] * 4) as desk, lines(desk, tmp_path) as log:
        halt.write(str(desk.db.path), "by ann\nreason: fire")
        desk.cycle()
        (row,) = tagged(log(), Tag.SAFETY_KILL_SWITCH)
        assert "fire" in str(row["sentence"]) and "tradectl killswitch clear" in str(row["context"])


# The line of each cycle.


def test_the_summary_has_every_field_of_the_documents(tmp_path):
    rows: list[Row] = [UP, CALM]
    with rig(tmp_path, rows, {"risk.signal_cooldown_hours": D(4)}) as desk, lines(desk, tmp_path) as log:
        desk.cycle()
        (row,) = tagged(log(), Tag.CYCLE_SUMMARY)
    fields = dict(pair.split("=", 1) for pair in str(row["context"]).split(" "))
    for name in (
        "cycle", "duration_ms", "positions", "universe", "symbols_processed", "signals", "system_state",
        "cooldowns_active", "throttled_ms",
    ):  # fmt: skip
        assert name in fields
    assert row["level"] == "INFO"
    assert (fields["cycle"], fields["positions"], fields["universe"], fields["signals"]) == ("1", "1", "1", "1")
    assert (fields["system_state"], fields["cooldowns_active"]) == ("NORMAL", "1")


def test_a_summary_that_cannot_be_computed_is_said_and_the_cycle_counts(tmp_path):
    with rig(tmp_path, [FLAT, UP]) as desk, lines(desk, tmp_path) as log:
        desk.bot.memory.signalled_ms["ELSEWHERE"] = None  # type: ignore[assignment]
        desk.cycle()
        assert desk.cycle().decisions[0].outcome == "entered"
        failed = tagged(log(), Tag.CYCLE_SUMMARY_FAILED)
        assert len(failed) == 2 and failed[0]["level"] == "ERROR" and "TypeError" in str(failed[0]["sentence"])
        assert tagged(log(), Tag.CYCLE_SUMMARY) == []
        assert desk.read(cycles.progress).cycle == 2


def test_a_throttled_cycle_says_how_long_it_waited(tmp_path):
    knobs: dict[str, object] = {"perps.max_requests_per_second": 1}
    with rig(tmp_path, [FLAT, FLAT], knobs) as desk, lines(desk, tmp_path) as log:
        report = desk.cycle()
        rows = tagged(log(), Tag.SAFETY_RATE_LIMIT)
    assert report.throttled_ms > 0
    assert [row["level"] for row in rows].count("INFO") == 1 and "DEBUG" in [row["level"] for row in rows]
    assert any(
        re.fullmatch(r"Sleeping \d+\.\d{3}s to respect per-second limit \(sec=1\)", str(r["sentence"])) for r in rows
    )


# JSON lines.


def test_json_lines_say_the_same(tmp_path):
    with rig(tmp_path, [UP, CALM]) as desk, lines(desk, tmp_path, fmt="json") as log:
        desk.cycle()
        rows = [json.loads(line) for line in log()]
    by_tag = {row["tag"]: row for row in rows if "tag" in row}
    assert by_tag["CYCLE_SUMMARY"]["context"]["cycle"] == "1" and by_tag["CYCLE_SUMMARY"]["level"] == "INFO"
    assert (
        by_tag["ENTRY"]["message"].startswith("entered long") and by_tag["ENTRY"]["logger"] == "tradectl.engine.acting"
    )
    (alert,) = [row for row in rows if row.get("alert") == "new_position"]
    assert alert["context"]["symbol"] == SOL and "tag" not in alert
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", rows[0]["at"])


# Alerts are not lost (promise 13).


def test_an_alert_of_a_cycle_whose_record_fails_is_kept_for_the_next(tmp_path):
    with rig(tmp_path, [FLAT] * 4) as desk, lines(desk, tmp_path) as log:
        desk.latch(LatchName.KILL_SWITCH, reason="fire")
        desk.db.conn.execute(
            "CREATE TEMP TRIGGER cut BEFORE UPDATE ON main.progress BEGIN SELECT RAISE(ABORT, 'cut'); END"
        )
        with pytest.raises(Exception, match="cut"):
            desk.cycle()
        desk.db.conn.execute("DROP TRIGGER cut")
        assert not [line for line in log() if "ALERT[safety_kill_switch]" in line]
        desk.cycle(step=False)
        assert len([line for line in log() if "ALERT[safety_kill_switch]" in line]) == 1


def test_a_busy_store_ends_the_cycle_and_its_alerts_come_with_the_next(tmp_path):
    """The daemon's own handling of it, a lock held by another connection for one cycle."""
    with rig(tmp_path, [FLAT] * 4) as desk, lines(desk, tmp_path) as log:
        assembled = replace(desk.assembled, bot=desk.bot)
        tally = Run(RunOptions())
        desk.latch(LatchName.KILL_SWITCH, reason="fire")
        with desk.elsewhere() as other, other.transaction():
            assert desk.run(_attempt(assembled, tally)) is False
        assert tally.failed == 1 and any("cycle not completed" in line for line in log())
        assert desk.run(_attempt(assembled, tally)) is True
        assert len([line for line in log() if "ALERT[safety_kill_switch]" in line]) == 1
        assert StoreBusy.__name__ in "".join(log())


def test_alerts_left_by_a_crash_are_delivered_by_the_next_process(tmp_path):
    with rig(tmp_path, [FLAT] * 6) as desk:
        desk.cycle()
        desk.write(
            outbox.put, at_ms=1, type="safety_unknown_order", symbol=SOL, urgent=False, text="left behind", context={}
        )
    with rig(tmp_path, [FLAT] * 6) as again, lines(again, tmp_path) as log:
        again.cycle()
        assert len([line for line in log() if "ALERT[safety_unknown_order]: left behind | context={}" in line]) == 1
        again.cycle()
        assert len([line for line in log() if "left behind" in line]) == 1 and again.read(outbox.backlog).waiting == 0


def test_repeated_alerts_of_one_type_and_symbol_are_held_back_and_counted(tmp_path):
    with rig(tmp_path, [FLAT] * 6) as desk, lines(desk, tmp_path) as log:
        for at in (0, 1, 2, 400):
            desk.write(outbox.put, at_ms=at * 1000, type="t", symbol=SOL, urgent=False, text=f"at {at}", context={})
        desk.write(outbox.put, at_ms=3000, type="t", symbol=SOL, urgent=True, text="urgent", context={})
        desk.cycle()
        said = [str(parsed(line)["sentence"]) for line in log() if "ALERT[t]" in line]
    assert said == ["at 0", "at 400 (and 2 more since the last)", "urgent"]


# What happens at the venue.


def test_a_read_that_fails_and_is_tried_again_is_a_warning(tmp_path):
    with rig(tmp_path, [FLAT] * 3) as desk, lines(desk, tmp_path) as log:
        desk.plan.before_faults["snapshot"] = [DropRequest()]
        desk.cycle()
        (row,) = tagged(log(), Tag.SAFETY_EXECUTION_ERROR)
        assert row["level"] == "WARNING" and "again in 1s" in str(row["sentence"])


def test_a_rejected_entry_is_said_and_alerted(tmp_path):
    with rig(tmp_path, [UP]) as desk, lines(desk, tmp_path) as log:
        desk.plan.before_faults["place"] = [Refuse("insufficient_margin", "not enough")]
        desk.cycle()
        (row,) = tagged(log(), Tag.SAFETY_ORDER_REJECTED)
        assert "symbol=SOLUSDT client_id=tdc." in str(row["context"])
        assert any("ALERT[safety_order_rejected]" in line for line in log())


def test_the_log_is_stamped_with_venue_time(tmp_path: Path):
    with rig(tmp_path, [FLAT] * 3) as desk, lines(desk, tmp_path) as log:
        desk.cycle()
        desk.cycle()
        stamps = [str(row["at"]) for row in tagged(log(), Tag.CYCLE_SUMMARY)]
    assert stamps == ["2023-11-15T03:25:00.000Z", "2023-11-15T03:30:00.000Z"]
    assert FIVE_MS == 300_000
