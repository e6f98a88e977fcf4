"""Whatever a file holds, the outcome is a configuration or located faults: never a traceback, never a silent guess."""

from __future__ import annotations

import string
import tomllib
from pathlib import Path
from typing import Any

import pytest
import tomli_w
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tradectl.config.knob import walk
from tradectl.config.load import check
from tradectl.config.nearest import key_of
from tradectl.config.schema import Config
from tradectl.config.toml_places import Path as TomlPath
from tradectl.config.toml_places import locate

KEYS = [key for path, _ in walk(Config) for key in (".".join(path), key_of(path))]
WORDS = st.sampled_from(
    ["on", "1:30", "010", "5%", "1e-4", "~", "", "none", "true", "0x1F", ".nan", "-1", "5", "0.05", "sim", "[", "{}",
     "*a", "&a 5", "!!int 5", "'x", "BTCUSDT", "[BTCUSDT, BTCUSDT]", "1_000", "9" * 70, "2026-11-21", "|", "- a"]
)  # fmt: skip
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20), st.sampled_from(["5%", "on", "none"])
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
FUZZ = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def outcome(folder: Path, text: str, name: str) -> None:
    """Holds the promise for one text: config or faults, each with a place in this file and printable on one line."""
    path = folder / name
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    checked = check([path])
    assert (checked.resolved is None) == bool(checked.faults)
    for fault in checked.faults:
        assert fault.place is not None
        assert fault.place.file == str(path)
        assert "\n" not in str(fault)
    if checked.resolved is not None:
        assert Config.model_validate(checked.resolved.config.model_dump()) == checked.resolved.config
        assert set(checked.resolved.provenance) <= {
            known for known in checked.resolved.provenance if known.split(".")[0] in Config.model_fields
        }


def nested(key: str, value: Any) -> dict[str, Any]:
    *groups, last = key.split(".")
    inner: dict[str, Any] = {last: value}
    for group in reversed(groups):
        inner = {group: inner}
    return inner


@FUZZ
@given(text=st.text(max_size=200))
@example("a: &a [*a]")
@example("%YAML 1.1\n---\n")
@example("? \n")
@example("\ud800")
@example("\x85account: a")
def test_any_text_as_yaml(tmp_path: Path, text: str) -> None:
    outcome(tmp_path, text, "fuzz.yaml")


@FUZZ
@given(text=st.text(alphabet=string.ascii_lowercase + "[]{}=.,#'\"\\\n\t 0159-:T", max_size=120))
@example('"" = 1')
@example("a.b.c = 1\n[a.b]\n")
def test_any_text_as_toml(tmp_path: Path, text: str) -> None:
    outcome(tmp_path, text, "fuzz.toml")


@FUZZ
@given(key=st.sampled_from(KEYS), word=WORDS)
def test_any_word_on_any_knob_in_yaml(tmp_path: Path, key: str, word: str) -> None:
    *groups, last = key.split(".")
    lines = [f"{'  ' * depth}{group}:" for depth, group in enumerate(groups)]
    outcome(tmp_path, "\n".join([*lines, f"{'  ' * len(groups)}{last}: {word}", ""]), "fuzz.yaml")


@FUZZ
@given(key=st.sampled_from(KEYS), value=VALUES)
def test_any_structure_on_any_knob_in_yaml(tmp_path: Path, key: str, value: Any) -> None:
    outcome(tmp_path, yaml.safe_dump(nested(key, value)), "fuzz.yaml")


@FUZZ
@given(key=st.sampled_from(KEYS), value=VALUES)
def test_any_structure_on_any_knob_in_toml(tmp_path: Path, key: str, value: Any) -> None:
    outcome(tmp_path, tomli_w.dumps(nested(key, without_none(value))), "fuzz.toml")


def without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: without_none(each) for name, each in value.items()}
    if isinstance(value, list):
        return [without_none(each) for each in value]
    if isinstance(value, float) and value != value:
        return "nan"
    return "none" if value is None else value


def paths_of(value: Any, here: TomlPath = ()) -> set[TomlPath]:
    """Every key and list element that tomllib sees."""
    found: set[TomlPath] = {here} if here else set()
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, inner in pairs:
        found |= paths_of(inner, (*here, name))
    return found


@FUZZ
@given(data=st.dictionaries(st.text(max_size=6), VALUES, max_size=4))
def test_the_locator_finds_exactly_the_paths_of_tomllib(data: dict[str, Any]) -> None:
    text = tomli_w.dumps(without_none(data))
    assert set(locate(text)) == paths_of(tomllib.loads(text))


LAYOUTS = """
# a comment with = and [brackets]
plain = 1 # after
"quoted key"."inner.dot" = "a # no comment"
'literal' = 'C:\\path'
long = \"\"\"
[not.a.table]
x = 1 \\"\"\" ""\"\"\"
raw = '''
y = 2
'''''
list = [ 1, # one
  [2, 3], {a = 1, b = [4]}, ]
empty = []
dates = [1979-05-27T07:32:00Z, 07:32:00]
[ table . sub ]
key = {x.y = 1, "z" = {}}
[[array]]
a = 1
[array.inner]
b = 2
[[array]]
[[array.deep]]
c = 3
[[array.deep]]
"""


def test_the_locator_reads_every_layout_toml_allows() -> None:
    data = tomllib.loads(LAYOUTS)
    places = locate(LAYOUTS)
    assert set(places) == paths_of(data)
    lines = LAYOUTS.split("\n")
    for path, (line, column) in places.items():
        if isinstance(path[-1], str):
            assert path[-1] in lines[line - 1][column - 1 :], path


@pytest.mark.parametrize("name", ["bot.yaml", "bot.toml"])
def test_endless_repetitions_of_a_token_are_answered(tmp_path: Path, name: str) -> None:
    for text in ("a.", "[", "{a: ", "a:\n ", "- ", "'", "a=1\n", "&a ", "x: 1\n", '"', "[[a]]\n"):
        body = (text * 8000)[:8000] + "\n"
        outcome(tmp_path, body * 20, name)
