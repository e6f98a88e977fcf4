"""How two configurations are shown beside each other: the bottom line, then the loosest change first."""

from __future__ import annotations

from typing import Any

from tradectl.cli.render import Screen
from tradectl.config.compare import Change
from tradectl.config.stake import Word
from tradectl.errors import ExitCode
from tradectl.operations.config_diff import Diff, Ruled, Turn
from tradectl.validation.judge import Judged

_TONE = {Word.LOOSER: "bad", Word.DIFFERENT: "warn", Word.TIGHTER: "good", Word.NONE: "dim"}
_RULE_TONE = {Turn.NEW: "bad", Turn.WORSE: "bad", Turn.BETTER: "good", Turn.GONE: "good", Turn.SAME: "dim"}
_NAMED = 6


def plain(found: Diff) -> dict[str, Any]:
    """For JSON: the counts, then everything, changes without risk and unchanged findings included."""
    return {
        "exit": found.exit_code,
        "a": found.a,
        "b": found.b,
        "base": found.base,
        "looser": found.count(Word.LOOSER),
        "tighter": found.count(Word.TIGHTER),
        "different": found.count(Word.DIFFERENT),
        "breaks": found.breaks,
        "worse": found.worse,
        "mends": found.mends,
        "changes": [_plain(one) for one in found.changes],
        "no_risk": [_plain(one) for one in found.no_risk],
        "figures": found.figures,
        "rules": found.rules,
        "unavailable": found.unavailable,
    }


def _plain(one: Change) -> dict[str, Any]:
    return {"key": one.key, "word": one.word, "says": one.says, "a": one.a, "b": one.b}


def draw(screen: Screen, found: Diff, *, verbose: bool) -> None:
    screen.text(bottom_line(found), _tone(found))
    beneath = f"; both over {' + '.join(found.base)}" if found.base else ""
    screen.facts([("  A", found.a.file + beneath), ("  B", found.b.file + beneath)])
    for name, side in (("A", found.a), ("B", found.b)):
        for notice in side.notices:
            screen.text(f"notice for {name}: {notice}", "warn")
    for fault in found.unavailable:
        screen.text(f"`run` refuses B: {fault}", "bad")
    for one in found.changes:
        screen.blank()
        _change(screen, one)
    if found.figures:
        screen.blank()
        modes = found.a.mode if found.a.mode == found.b.mode else f"{found.a.mode}, then {found.b.mode}"
        screen.facts([(f"  {one.name}", f"{one.a} → {one.b}") for one in found.figures], title=f"In force ({modes}):")
    _rules(screen, found, verbose=verbose)
    _without_risk(screen, found, verbose=verbose)


def bottom_line(found: Diff) -> str:
    counts = [
        f"{said} in {number}"
        for said, word in (("looser", Word.LOOSER), ("tighter", Word.TIGHTER), ("different", Word.DIFFERENT))
        if (number := found.count(word))
    ]
    risk = f"B is {', '.join(counts)}" if counts else "B changes nothing of the risk"
    refused = found.b.errors + len(found.unavailable)
    rules = [
        text
        for number, text in (
            (found.breaks, f"breaks {_rules_of(found.breaks)} that A keeps"),
            (found.worse, f"breaks {_rules_of(found.worse)} worse than A does"),
            (found.mends, f"keeps {_rules_of(found.mends)} that A breaks"),
            (refused, f"has {refused} error{'s' * (refused != 1)}: `run` refuses it"),
        )
        if number
    ]
    return f"{risk}; B {', '.join(rules)}" if rules else f"{risk}; the rules say the same of both"


def _rules_of(number: int) -> str:
    return f"{number} rule{'s' * (number != 1)}"


def _tone(found: Diff) -> str:
    return (
        "bad"
        if found.exit_code is ExitCode.REFUSED or found.count(Word.LOOSER)
        else "warn"
        if found.exit_code
        else "good"
    )


def _change(screen: Screen, one: Change) -> None:
    screen.text(f"{one.word.value} {one.key}: {one.says}", _TONE[one.word])
    screen.facts([("  A", f"{one.a.text}  {one.a.place}"), ("  B", f"{one.b.text}  {one.b.place}")])


def _rules(screen: Screen, found: Diff, *, verbose: bool) -> None:
    faults = [one for one in found.rules if one.fault and one.turn is not Turn.SAME]
    notes = [one for one in found.rules if not one.fault and one.turn is not Turn.SAME]
    same = [one for one in found.rules if one.turn is Turn.SAME]
    for one in faults + (notes if verbose else []):
        screen.blank()
        _ruled(screen, one, verbose=verbose)
    standing = [one for one in same if one.fault]
    if standing:
        screen.blank()
        for one in standing:
            assert one.b is not None
            was = f" (A: {one.a.says})" if one.a is not None and one.a.says != one.b.says else ""
            screen.text(f"as before, {one.rule} is {_a(one.b.severity)} in both: {one.b.says}{was}", "warn")
    if len(same) > len(standing) or (notes and not verbose):
        screen.blank()
        quiet = f"{len(notes)} notes differ" if notes and not verbose else ""
        alike = (
            f"{len(same) - len(standing)} notes and accepted faults are in both" if len(same) > len(standing) else ""
        )
        more = "; -v lists what differs" if quiet else ""
        screen.text(f"rules: {', '.join(part for part in (quiet, alike) if part)}{more}", "dim")


def _ruled(screen: Screen, one: Ruled, *, verbose: bool) -> None:
    shown = one.b or one.a
    assert shown is not None
    if one.turn is Turn.NEW:
        said = f"B: {one.rule} is new, {_a(_standing(shown))}: {shown.says}"
    elif one.turn is Turn.GONE:
        said = f"B: {one.rule} is gone, {_a(_standing(shown))} in A: {shown.says}"
    else:
        assert one.a is not None
        said = f"B: {one.rule} becomes {_a(_standing(shown))}, {_a(_standing(one.a))} in A: {shown.says}"
    screen.text(said, _RULE_TONE[one.turn] if one.fault else "dim")
    rows = [("  rule", shown.title)]
    if verbose:
        rows.append(("  sum", shown.arithmetic))
        rows += [
            ("  where" if index == 0 else "", f"{knob.key} = {knob.value}  {knob.place}")
            for index, knob in enumerate(shown.knobs)
        ]
    if one.turn is not Turn.GONE:
        rows.append(("  do", shown.change))
    screen.facts([(name, text) for name, text in rows if text])


def _standing(one: Judged) -> str:
    return f"accepted {one.severity}" if one.accepted else one.severity


def _a(word: str) -> str:
    return f"an {word}" if word[0] in "aeiou" else f"a {word}"


def _without_risk(screen: Screen, found: Diff, *, verbose: bool) -> None:
    if not found.no_risk:
        return
    screen.blank()
    keys = [one.key for one in found.no_risk]
    more = f" and {len(keys) - _NAMED} more" if len(keys) > _NAMED else ""
    number = f"{len(keys)} change{'s' * (len(keys) != 1)} without risk"
    screen.text(number + (":" if verbose else f" ({', '.join(keys[:_NAMED])}{more}): -v lists them"), "dim")
    if verbose:
        screen.table(
            ("knob", "A", "B", "set by"),
            [(one.key, one.a.text, one.b.text, f"{one.a.place} → {one.b.place}") for one in found.no_risk],
        )
