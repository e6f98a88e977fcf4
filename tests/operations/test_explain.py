"""`tradectl explain`: the right page for whatever is pasted, from a checkout and from an installed wheel alike."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tradectl.domain.tags import Tag
from tradectl.errors import ToolError, UsageError
from tradectl.operations import runbooks

ROOT = Path(__file__).resolve().parents[2]


def tradectl(folder: Path, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tradectl", *words],
        cwd=folder,
        env={"PATH": os.environ.get("PATH", ""), "HOME": str(folder), **env},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        stdin=subprocess.DEVNULL,
    )


@pytest.mark.parametrize("tag", list(Tag), ids=str)
def test_a_tag_and_its_alert_type_lead_to_one_page(tag: Tag) -> None:
    page = runbooks.explain(tag.value)
    assert page.entry is not None and page.entry.name == tag.value and page.text.startswith("# ")
    assert runbooks.explain(f"ALERT[{tag.value.lower()}]") == page


@pytest.mark.parametrize(
    ("asked", "name", "page"),
    [
        ("Safety_Halt", "SAFETY_HALT", "halted"),
        ("safety_halt:", "SAFETY_HALT", "halted"),
        ("alert[x] is not it, ALERT[position_closed] is", "position_closed", "trades"),
        (
            "2024-01-01T05:45:00.000Z WARNING tradectl.engine.cycle SAFETY_SESSION_TRADES: Session trades=2 | a=b",
            "SAFETY_SESSION_TRADES",
            "session",
        ),
        ('INFO tradectl.alerts ALERT[new_position]: long | context={"qty": "32"}', "new_position", "trades"),
    ],
)
def test_what_is_pasted_out_of_a_log_finds_its_page(asked: str, name: str, page: str) -> None:
    found = runbooks.explain(asked)
    assert found.entry is not None and (found.entry.name, found.page) == (name, page)


@pytest.mark.parametrize("asked", ["incident", "incident.md", "Kill-Switch-Drill", "kill_switch_drill", "halted"])
def test_a_page_can_be_asked_for_by_its_name(asked: str) -> None:
    found = runbooks.explain(asked)
    assert found.entry is None and found.page == asked.lower().removesuffix(".md").replace("_", "-")


@pytest.mark.parametrize(
    ("asked", "near"),
    [("safty_halt", "SAFETY_HALT"), ("PHANTOM", "RECON_PHANTOM"), ("naked", "SAFETY_NAKED_POSITION"), ("zzz", "lists")],
)
def test_an_unknown_name_is_bad_usage_with_the_nearest_one(tmp_path: Path, asked: str, near: str) -> None:
    done = tradectl(tmp_path, "explain", asked)
    assert (done.returncode, done.stdout) == (3, "") and near in done.stderr
    with pytest.raises(UsageError):
        runbooks.explain("")


def test_without_an_argument_every_tag_and_page_has_one_line(tmp_path: Path) -> None:
    done = tradectl(tmp_path, "explain")
    lines = done.stdout.splitlines()
    assert done.returncode == 0
    for tag in Tag:
        assert len([line for line in lines if line.split()[:1] == [tag.value]]) == 1
    pages = {path.stem for path in (ROOT / "runbooks").glob("*.md")}
    assert pages <= {word for line in lines for word in line.split()[:2]}
    body = json.loads(tradectl(tmp_path, "explain", "--json").stdout)
    assert body["schema"] == "tradectl/explain-list/1" and len(body["entries"]) == len(Tag) + 2


def test_the_page_is_printed_as_it_is_written(tmp_path: Path) -> None:
    written = (ROOT / "runbooks" / "halted.md").read_text(encoding="utf-8")
    done = tradectl(tmp_path, "explain", "safety_halt")
    assert done.returncode == 0 and done.stdout.startswith("SAFETY_HALT: ") and done.stdout.endswith(written)
    body = json.loads(tradectl(tmp_path, "explain", "safety_halt", "--json").stdout)
    assert (body["schema"], body["page"], body["text"]) == ("tradectl/explain/1", "halted", written)
    assert body["entry"]["name"] == "SAFETY_HALT"


def test_it_needs_no_configuration_and_no_store(tmp_path: Path) -> None:
    done = tradectl(tmp_path, "explain", "SAFETY_HALT", TRADECTL_CONFIG="/nonexistent", TRADECTL_STATE="/nonexistent")
    assert done.returncode == 0
    assert list(tmp_path.iterdir()) == []


def test_a_row_without_its_page_is_an_error_and_not_left_out() -> None:
    with pytest.raises(ToolError, match="without its page"):
        runbooks.rows("| tag | a | b | page |\n|---|---|---|---|\n| SAFETY_HALT | halted | look | halted.md |\n")


def test_an_installed_wheel_carries_the_pages(tmp_path: Path) -> None:
    """Built from a copy (a build leaves its traces) and run from where no checkout is near."""
    source, site = tmp_path / "source", tmp_path / "site"
    for name in ("tradectl", "runbooks"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source / name)
    built = subprocess.run(
        [sys.executable, "-c", f"from setuptools import build_meta; build_meta.build_wheel({str(tmp_path)!r})"],
        cwd=source, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert built.returncode == 0, built.stderr[-2000:]
    (wheel,) = tmp_path.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(site)
    assert {path.name for path in (site / "tradectl" / "runbooks").iterdir()} == {
        path.name for path in (ROOT / "runbooks").glob("*.md")
    }
    shutil.rmtree(source)
    # In front of the editable install on the path; that this one answers shows in the copy of the page it is given.
    page = site / "tradectl" / "runbooks" / "naked-position.md"
    page.write_text(page.read_text(encoding="utf-8") + "the wheel's own\n", encoding="utf-8")
    done = tradectl(tmp_path, "explain", "SAFETY_NAKED_POSITION", PYTHONPATH=str(site))
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("the wheel's own\n")
