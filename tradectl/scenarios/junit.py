"""What was played as JUnit XML, which every CI system reads. A scenario that proved nothing is `skipped`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

from tradectl.errors import UsageError
from tradectl.scenarios.play import Outcome, Played

_UNWRITABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def document(played: Sequence[Played]) -> str:
    counts = {outcome: sum(one.outcome is outcome for one in played) for outcome in Outcome}
    skipped = counts[Outcome.UNPROVEN] + counts[Outcome.MEANINGLESS]
    suite = ElementTree.Element(
        "testsuite",
        name="tradectl scenarios",
        tests=str(len(played)),
        failures=str(counts[Outcome.FAILED]),
        errors="0",
        skipped=str(skipped),
        time=_seconds(sum(one.took_ms for one in played)),
    )
    for one in played:
        case = ElementTree.SubElement(
            suite, "testcase", classname="scenarios", name=one.story.name, time=_seconds(one.took_ms)
        )
        if one.outcome is Outcome.FAILED:
            missed = [seen for seen in one.seen if not seen.met]
            failure = ElementTree.SubElement(case, "failure", message=_plain(missed[0].expected))
            failure.text = _plain("\n".join(f"{seen.expected}: {seen.evidence}" for seen in missed))
        elif one.outcome is not Outcome.PASSED:
            ElementTree.SubElement(case, "skipped", message=_plain(f"{one.outcome.value}: {one.why}"))
        out = ElementTree.SubElement(case, "system-out")
        out.text = _plain("\n".join([*(f"{seen.expected}: {seen.evidence}" for seen in one.seen), *one.log]))
    ElementTree.indent(suite)
    body = ElementTree.tostring(suite, encoding="unicode")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{body}\n'


def write(path: Path, played: Sequence[Played]) -> None:
    """Raises UsageError where the file cannot be written."""
    try:
        path.write_text(document(played), encoding="utf-8")
    except OSError as error:
        raise UsageError(
            "the JUnit file cannot be written", where=str(path), why=error.strerror or str(error), hint="--junit FILE"
        ) from error


def _plain(text: str) -> str:
    return _UNWRITABLE.sub("�", text)


def _seconds(ms: int) -> str:
    return f"{ms / 1000:.3f}"
