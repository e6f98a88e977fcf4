"""`safety.protection.unexplained`: set, it holds in a guard session too; left out, the guard only reports."""

from __future__ import annotations

from pathlib import Path

import pytest

from tradectl.config.in_guard import unexplained
from tradectl.config.load import load


@pytest.mark.parametrize(
    ("written", "normal", "guard"),
    [
        ("", "protect", "report"),
        ("safety: {protection: {strikes: 3}}", "protect", "report"),
        ("safety: {protection: {unexplained: protect}}", "protect", "protect"),
        ("safety: {protection: {unexplained: report}}", "report", "report"),
    ],
)
def test_the_default_is_the_guards_own_and_a_word_of_the_operator_wins(
    tmp_path: Path, written: str, normal: str, guard: str
) -> None:
    file = tmp_path / "bot.yaml"
    file.write_text(f"account: main\n{written}\n", encoding="utf-8")
    config = load((file,)).config
    assert (unexplained(config, guard=False), unexplained(config, guard=True)) == (normal, guard)


def test_a_loaded_section_knows_what_was_given() -> None:
    assert load().config.safety.protection.model_fields_set == set()
