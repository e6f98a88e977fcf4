"""How a checked configuration is shown: the worst first, then what is accepted, then notes on one line each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tradectl.cli.commands import proof_screen, venue_terms_screen
from tradectl.cli.render import Screen
from tradectl.operations.validate_config import Checked, Unreadable
from tradectl.validation.judge import Judged

if TYPE_CHECKING:
    from tradectl.scenarios.proof import Proof

TONE = {"error": "bad", "warning": "warn", "note": "dim"}


def plain(one: Checked, *, online: bool) -> dict[str, Any]:
    """For JSON: the counts beside what was found. online: the venue was to be asked."""
    verdict = one.verdict
    return {
        "name": one.name,
        "files": one.files,
        "errors": one.errors,
        "warnings": one.warnings,
        "accepted": verdict.accepted if verdict else 0,
        "mode": verdict.mode if verdict else None,
        "notices": one.notices,
        "faults": one.faults,
        "findings": verdict.findings if verdict else (),
        **({"online": venue_terms_screen.plain(one.online)} if online else {}),
    }


def draw(screen: Screen, shown: Sequence[tuple[Checked, Proof | None]], *, strict: bool, verbose: bool) -> None:
    checked = [one for one, _ in shown]
    for index, (one, proof) in enumerate(shown):
        if index:
            screen.blank()
        _one(screen, one, verbose)
        if proof is not None:
            proof_screen.draw(screen, proof, verbose=verbose)
    if len(checked) > 1:
        screen.blank()
        bad = sum(1 for one in checked if one.errors)
        doubtful = sum(1 for one in checked if one.warnings and not one.errors)
        words = f"{len(checked)} configurations: {bad} with errors, {doubtful} with warnings only"
        screen.text(words, "bad" if bad else "warn" if doubtful else "ok")
    if strict and any(one.warnings for one in checked) and not any(one.errors for one in checked):
        screen.text("warnings count as failure with --strict", "warn")


def _one(screen: Screen, one: Checked, verbose: bool) -> None:
    findings = one.verdict.findings if one.verdict else ()
    accepted = [each for each in findings if each.accepted]
    notes = [each for each in findings if each.severity == "note" and not each.accepted]
    counts = [
        text
        for number, text in (
            (one.errors, f"{one.errors} error{'s' * (one.errors != 1)}"),
            (one.warnings, f"{one.warnings} warning{'s' * (one.warnings != 1)}"),
            (len(accepted), f"{len(accepted)} accepted"),
            (len(notes), f"{len(notes)} note{'s' * (len(notes) != 1)}"),
        )
        if number
    ]
    mode = f" (for mode {one.verdict.mode})" if one.verdict else ""
    tone = "bad" if one.errors else "warn" if one.warnings else "ok"
    untold = one.online is not None and one.online.exit_code
    if untold and tone == "ok":
        tone = "warn"
    said = "no rule is broken by what is known, and the venue did not tell all" if untold else "no rule is broken"
    clean = "" if one.errors or one.warnings else said + ("; " if counts else "")
    screen.text(f"{one.name}: {clean}{', '.join(counts)}{mode}", tone)
    if one.online is not None:
        venue_terms_screen.draw(screen, one.online)
    for notice in one.notices:
        screen.text(f"notice: {notice}", "warn")
    for fault in one.faults:
        _fault(screen, fault)
    for each in findings:
        if each not in notes and each not in accepted:
            _finding(screen, each)
    for each in accepted:
        screen.text(
            f"accepted {each.rule} ({each.severity}) at {each.accepted_at}: {each.accepted}. {each.says}", "warn"
        )
        if verbose:
            _facts(screen, each)
    for each in notes:
        screen.text(f"note {each.rule}: {each.says}", "dim")
        if verbose:
            _facts(screen, each)


def _fault(screen: Screen, fault: Unreadable) -> None:
    screen.text(f"ERROR {fault.where}: {fault.says}", "bad")
    screen.facts([(name, text) for name, text in (("  why", fault.why), ("  do", fault.change)) if text])


def _finding(screen: Screen, each: Judged) -> None:
    screen.text(f"{each.severity.upper()} {each.rule} {each.says}", TONE[each.severity])
    _facts(screen, each)


def _facts(screen: Screen, each: Judged) -> None:
    rows = [("  rule", each.title), ("  sum", each.arithmetic)]
    for index, knob in enumerate(each.knobs):
        rows.append(("  where" if index == 0 else "", f"{knob.key} = {knob.value}  {knob.place}"))
    rows.append(("  do", each.change))
    screen.facts([(name, text) for name, text in rows if text])
