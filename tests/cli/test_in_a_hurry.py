"""What an operator meets who has never seen the tool and has no time: the first page, wrong names, missing options."""

from __future__ import annotations

from pathlib import Path

import frame_probe
import pytest

from tradectl.cli import table


def test_the_first_page_names_the_ways_to_look_stop_and_get_out_within_60_columns(tmp_path: Path) -> None:
    done = frame_probe.run(tmp_path, "-h", COLUMNS="60")
    hurry = done.stdout.partition("In a hurry:")[2]
    assert done.returncode == 0
    for command in ("state show", "killswitch activate", "positions close SYMBOL --reason WHY"):
        assert f"tradectl {command}" in hurry
    assert max(len(line) for line in done.stdout.splitlines()) <= 60


@pytest.mark.parametrize(("typed", "meant"), [("stop", "killswitch activate"), ("exit", "flatten")])
def test_a_word_typed_in_a_hurry_finds_its_command_and_runs_nothing(tmp_path: Path, typed: str, meant: str) -> None:
    done = frame_probe.run(tmp_path, typed)
    assert (done.returncode, done.stdout) == (3, "")
    assert f"'{meant}'" in done.stderr


def test_every_word_of_a_hurry_leads_to_a_command_there_is() -> None:
    for names in table.MEANT.values():
        for name in names:
            assert name.partition(" --")[0] in table.COMMANDS or name == "--help"


def test_all_missing_options_are_named_at_once(tmp_path: Path) -> None:
    done = frame_probe.run(tmp_path, "killswitch", "clear")
    assert done.returncode == 3 and "'--approver' and '--reason'" in done.stderr
    one = frame_probe.run(tmp_path, "killswitch", "clear", "--reason", "over")
    assert "--approver" in one.stderr and "--reason" not in one.stderr


def test_a_state_that_names_no_file_is_refused_rather_than_replaced_by_another_store(tmp_path: Path) -> None:
    done = frame_probe.run(tmp_path, "pause", "--state", "", TRADECTL_STATE=str(tmp_path / "other.db"))
    assert done.returncode == 3 and "--state names no file" in done.stderr


def test_h_is_help_everywhere_and_fences_nothing(tmp_path: Path) -> None:
    done = frame_probe.run(tmp_path, "killswitch", "activate", "-h", "--state", str(tmp_path / "none.db"))
    assert done.returncode == 0 and "Exit codes:" in done.stdout and "FENCED" not in done.stdout + done.stderr


def test_no_help_page_shows_a_type_of_the_parser(tmp_path: Path) -> None:
    for name in ("run", "events", "why", "positions close"):
        shown = frame_probe.run(tmp_path, *name.split(), "-h").stdout
        assert "Options:" in shown and "<str>" not in shown and "<int" not in shown
