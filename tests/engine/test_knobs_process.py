"""The knobs of the process: which store it opens, which venue and rules it accepts, where its log and alerts go."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from bot_kit import SOL, configure, lines, rig
from knob_kit import QUIET, Proofs, bot_process, folder, refused_by_this_build

from tradectl.engine.assemble import RunOptions, store_path
from tradectl.errors import StoreMismatch
from tradectl.store import outbox

proves = Proofs()


@proves("account")
def account_names_the_store_and_is_stamped_into_it(tmp_path: Path) -> None:
    assert store_path(configure({"account": "swing"}), RunOptions()) == Path("data/swing-paper.db")
    with rig(tmp_path, QUIET, {"account": "swing"}) as desk:
        assert desk.db.identity.account == "swing"
    with pytest.raises(StoreMismatch, match="account"), rig(tmp_path, QUIET, {"account": "other"}):
        pytest.fail("another account's store was opened")


@proves("state.path")
def state_path_is_where_the_store_lies(tmp_path: Path) -> None:
    config = configure({"state.path": str(tmp_path / "{environment}-of-{account}.db")})
    assert store_path(config, RunOptions()) == tmp_path / "paper-of-main.db"
    assert store_path(config, RunOptions(store_path=Path("given.db"))) == Path("given.db")


@proves("venue.name")
def venue_name_is_stamped_and_only_the_built_one_runs(tmp_path: Path) -> None:
    with rig(tmp_path, QUIET) as desk:
        assert desk.db.identity.venue == "sim"
    with pytest.raises(StoreMismatch, match="venue"), rig(tmp_path, QUIET, {"venue.name": "bybit"}):
        pytest.fail("another venue's store was opened")
    assert refused_by_this_build(tmp_path, 'venue = { name = "bybit" }') == ["venue.name"]


@proves("alerts.per_type_seconds")
def per_type_seconds_holds_alerts_back(tmp_path: Path) -> None:
    said = {}
    for seconds in (0, 300):
        where = folder(tmp_path, seconds)
        with rig(where, QUIET, {"alerts.per_type_seconds": seconds}) as desk, lines(desk, where) as log:
            for at_ms in (0, 100_000, 299_000):
                desk.write(outbox.put, at_ms=at_ms, type="t", symbol=SOL, urgent=False, text="again", context={})
            desk.cycle()
            said[seconds] = sum("ALERT[t]" in line for line in log())
    assert said == {0: 3, 300: 1}


@proves("log.path", "log.level", "log.format")
def the_log_is_written_where_and_as_it_says(tmp_path: Path) -> None:
    plain = folder(tmp_path, "plain")
    assert bot_process(plain, "").returncode == 0
    text = (plain / "logs" / "trading.log").read_text()
    assert " INFO tradectl.engine.cycle CYCLE_SUMMARY: " in text and " DEBUG " not in text
    chosen = folder(tmp_path, "chosen")
    asked = '[log]\npath = "elsewhere/bot.log"\nlevel = "DEBUG"\nformat = "json"'
    assert bot_process(chosen, asked).returncode == 0
    rows = [json.loads(line) for line in (chosen / "elsewhere" / "bot.log").read_text().splitlines()]
    assert {"DEBUG", "INFO"} <= {row["level"] for row in rows} and not (chosen / "logs").exists()


@proves("accept")
def an_accepted_rule_lets_the_bot_start(tmp_path: Path) -> None:
    asked = "[ess]\nmax_daily_drawdown_pct = 0.04\n"
    refused = bot_process(folder(tmp_path, "refused"), asked)
    assert refused.returncode == 78 and "TC16" in refused.stderr
    accepted = bot_process(folder(tmp_path, "accepted"), asked + '[accept]\nTC16 = "meant"')
    assert accepted.returncode == 0, accepted.stderr


test_the_knob_changes_what_it_says = proves.tested()
