"""`config show`, `explain` and `init` through the real executable."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

from tradectl.config.load import load
from tradectl.config.nearest import spelling
from tradectl.operations import config_init


def tradectl(folder: Path, *args: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tradectl", *args],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONPATH": os.pathsep.join(sys.path), **env},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def answer(folder: Path, *args: str, **env: str) -> Any:
    done = tradectl(folder, "--json", *args, **env)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_show_lists_every_knob_with_who_set_it(tmp_path: Path) -> None:
    (tmp_path / "bot.yaml").write_text("perps:\n  risk_pct: 1%\n")
    body = answer(tmp_path, "--config", "bot.yaml", "config", "show")
    knobs = {knob["key"]: knob for knob in body["knobs"]}
    assert list(knobs) == list(spelling().values())
    assert (knobs["perps.riskPct"]["value"], knobs["perps.riskPct"]["source"]) == ("0.01", "bot.yaml:2:3")
    assert (knobs["sim.seed"]["value"], knobs["sim.seed"]["source"]) == (7, "default")
    assert body["digest"] == load([tmp_path / "bot.yaml"]).digest


def test_show_changed_lists_only_what_differs(tmp_path: Path) -> None:
    (tmp_path / "bot.yaml").write_text("perps: {leverage: 3, symbol: SOLUSDT}\n")
    done = tradectl(tmp_path, "config", "show", "--changed", TRADECTL_CONFIG="bot.yaml")
    assert "perps.leverage" in done.stdout
    assert "perps.symbol" not in done.stdout


def test_a_broken_config_exits_78_with_every_fault_on_stderr(tmp_path: Path) -> None:
    (tmp_path / "bot.yaml").write_text("perps:\n  levrage: 3\n  apiSecret: do-not-print-me\n")
    done = tradectl(tmp_path, "--config", "bot.yaml", "config", "show")
    assert done.returncode == 78
    assert done.stdout == ""
    assert "bot.yaml:2:3: unknown key perps.levrage → did you mean perps.leverage?" in done.stderr
    assert "bot.yaml:3:3: apiSecret is a secret" in done.stderr
    assert "do-not-print-me" not in done.stderr


def test_explain_tells_a_knob_in_either_spelling(tmp_path: Path) -> None:
    (tmp_path / "bot.toml").write_text('[perps]\nriskPct = "1%"\n')
    camel = answer(tmp_path, "--config", "bot.toml", "config", "explain", "perps.riskPct")
    assert camel == answer(tmp_path, "--config", "bot.toml", "config", "explain", "perps.risk_pct")
    assert (camel["value"], camel["default"], camel["unit"]) == ("0.01", "0.005", "fraction")
    assert (camel["bounds"], camel["set_at"], camel["step"]) == ("above 0, at most 1", ["bot.toml:2:1"], "sizing")


def test_explain_says_what_is_not_available_yet(tmp_path: Path) -> None:
    assert "not yet" in tradectl(tmp_path, "config", "explain", "market.shrinkFloor").stdout
    assert "cross" in tradectl(tmp_path, "config", "explain", "perps.marginMode").stdout.split("not yet")[1]
    assert "not yet" not in tradectl(tmp_path, "config", "explain", "perps.triggerBy").stdout


def test_explain_of_an_unknown_key_names_the_nearest_and_exits_3(tmp_path: Path) -> None:
    done = tradectl(tmp_path, "config", "explain", "perps.rskPct")
    assert (done.returncode, done.stdout) == (3, "")
    assert "did you mean perps.riskPct?" in done.stderr
    assert "perps.leverage" in tradectl(tmp_path, "config", "explain", "perps").stderr
    assert "TRADECTL_API_SECRET" in tradectl(tmp_path, "config", "explain", "perps.apiSecret").stderr


def test_init_writes_a_file_that_loads_to_exactly_the_defaults(tmp_path: Path) -> None:
    done = tradectl(tmp_path, "config", "init", "sub/bot.toml")
    assert done.returncode == 0, done.stderr
    resolved = load([tmp_path / "sub" / "bot.toml"])
    assert resolved.digest == load().digest
    assert len(resolved.provenance) > 50
    assert [path.name for path in (tmp_path / "sub").iterdir()] == ["bot.toml"]


def test_the_commented_lines_of_init_load_to_the_defaults_too(tmp_path: Path) -> None:
    lines = config_init.template().splitlines()
    values = [line.removeprefix("# ") for line in lines if re.match(r"# \w+ = ", line)]
    assert len(values) > 30
    kept, table = [], False
    for line in lines:
        table = line.startswith("# [") or (table and line.startswith("#"))
        bare = line.removeprefix("# ")
        kept.append(bare if bare in values and not table else line)
    path = tmp_path / "all.toml"
    path.write_text("\n".join(kept))
    resolved = load([path])
    assert resolved.digest == load().digest
    assert len(resolved.provenance) >= len(spelling()) - 3  # the tables are shown by an example


def test_init_never_overwrites_unasked_and_force_replaces(tmp_path: Path) -> None:
    target = tmp_path / "tradectl.toml"
    target.write_text("# mine\n")
    refused = tradectl(tmp_path, "config", "init")
    assert (refused.returncode, target.read_text()) == (2, "# mine\n")
    assert "--force" in refused.stderr
    assert tradectl(tmp_path, "config", "init", "--force").returncode == 0
    assert load([target]).digest == load().digest


def test_init_of_a_dash_prints_and_writes_nothing(tmp_path: Path) -> None:
    done = tradectl(tmp_path, "config", "init", "-")
    assert done.stdout == config_init.template()
    assert list(tmp_path.iterdir()) == []


def test_init_refuses_what_is_no_toml_name_and_a_folder_it_cannot_write(tmp_path: Path) -> None:
    assert tradectl(tmp_path, "config", "init", "bot.yaml").returncode == 3
    (tmp_path / "file").write_text("")
    done = tradectl(tmp_path, "config", "init", "file/bot.toml")
    assert done.returncode == 2
    assert "cannot be written" in done.stderr
    assert stat.S_ISREG((tmp_path / "file").stat().st_mode)


def test_show_into_a_pipe_that_closes_is_silent(tmp_path: Path) -> None:
    done = subprocess.run(
        ["sh", "-c", f"{sys.executable} -m tradectl config show | head -1"],
        cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    assert done.stdout.startswith("files: none")
    assert done.stderr == ""
