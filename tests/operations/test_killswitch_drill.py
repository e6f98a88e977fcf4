"""`killswitch drill`: the whole of it, with real processes, and nothing of the operator's own touched."""

from __future__ import annotations

from pathlib import Path

from desk import tradectl

STEPS = [
    "the scene",
    "the bot hangs",
    "fence committed",
    "swept by id",
    "verified at the venue",
    "every position covered",
    "the bot wakes up, and opens nothing",
    "status says it",
    "cleared",
    "fenced beside a locked store",
]


def test_every_step_passes_and_nothing_is_left_behind(tmp_path: Path) -> None:
    (tmp_path / "tmp").mkdir()
    ran = tradectl("killswitch", "drill", "--json", home=tmp_path, TMPDIR=str(tmp_path / "tmp"))
    assert ran.code == 0, ran.all
    assert [(one["name"], one["passed"]) for one in ran.json["steps"]] == [(name, True) for name in STEPS]
    assert list((tmp_path / "tmp").iterdir()) == []
    assert not list(tmp_path.rglob("*.db"))


def test_a_configuration_that_is_wrong_is_78(tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text("[perps]\nstopLossPct = 'much'\n")
    ran = tradectl("--config", "bad.toml", "killswitch", "drill", home=tmp_path)
    assert ran.code == 78 and "Traceback" not in ran.all


def test_a_store_cannot_be_named(tmp_path: Path) -> None:
    ran = tradectl("killswitch", "drill", "--state", "x.db", home=tmp_path)
    assert ran.code == 3 and "store of its own" in ran.err


def test_a_step_that_fails_fails_the_drill(tmp_path: Path) -> None:
    """A build whose sweep leaves entries resting."""
    site = tmp_path / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(
        "import sys\n"
        "if 'activate' in sys.argv:\n"
        "    import importlib.abc, importlib.util\n"
        "    class Finder(importlib.abc.MetaPathFinder):\n"
        "        def find_spec(self, name, path, target=None):\n"
        "            if name != 'tradectl.execution.sweep':\n"
        "                return None\n"
        "            sys.meta_path.remove(self)\n"
        "            spec = importlib.util.find_spec(name)\n"
        "            run = spec.loader.exec_module\n"
        "            def load(module):\n"
        "                run(module)\n"
        "                module.must_go = lambda order: ''\n"
        "            spec.loader.exec_module = load\n"
        "            return spec\n"
        "    sys.meta_path.insert(0, Finder())\n"
    )
    from desk import ROOT

    ran = tradectl("killswitch", "drill", home=tmp_path, PYTHONPATH=f"{site}:{ROOT}")
    assert ran.code == 2, ran.all
    assert "FAILED swept by id" in ran.out and "DRILL FAILED" in ran.out


def test_a_variable_that_names_a_store_for_the_other_commands_is_none_of_its_business(tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text("[perps]\nstopLossPct = 'much'\n")
    ran = tradectl("--config", "bad.toml", "killswitch", "drill", home=tmp_path, TRADECTL_STATE=str(tmp_path / "x.db"))
    assert ran.code == 78, "it came as far as its configuration"
