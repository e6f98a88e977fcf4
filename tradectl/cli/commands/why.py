"""`tradectl why`: each gate's verdict for the last decisions on a symbol."""

from typing import TYPE_CHECKING, Annotated

import typer

from tradectl.cli.context import invocation
from tradectl.cli.page import page
from tradectl.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from tradectl.cli.render import Screen
    from tradectl.operations.why import DecisionLine, Why

WIDE = 80  # characters; below, a gate shows its sentence alone


@page(
    "Why a symbol did or did not trade: the answer in one sentence, then each gate's verdict in order with value, "
    "limit and headroom. The symbol may be written in any usual way: btc, BTC/USDT, BTCUSDT. With --summary, how "
    "often each gate or reason decided; without a symbol then, over all of them.",
    example=("tradectl why btc", "tradectl why BTCUSDT --last 5", "tradectl why --summary --hours 6"),
    exits={
        ExitCode.OK: "shown",
        ExitCode.DRIFT: "nothing was decided yet",
        ExitCode.REFUSED: "no store, another schema, or it is damaged",
        ExitCode.BUSY: "another process held the store's lock for longer than 2 s: try again",
        ExitCode.CONFIG: "the store had to be found through a configuration that is invalid",
    },
)
def why(
    ctx: typer.Context,
    symbol: Annotated[str | None, typer.Argument(help="For example btc, BTC/USDT or BTCUSDT.")] = None,
    last: Annotated[int, typer.Option(min=1, help="How many decisions, newest first (20 are kept).")] = 1,
    summary: Annotated[bool, typer.Option("--summary", help="Counts per gate or reason instead.")] = False,
    hours: Annotated[int, typer.Option(min=1, max=720, help="How far back --summary counts.")] = 24,
) -> ExitCode:
    inv = invocation(ctx)
    if symbol is None and not summary:
        raise UsageError("which symbol?", hint="tradectl why BTCUSDT, or tradectl why --summary over all of them")
    from tradectl.cli import render
    from tradectl.operations import opening
    from tradectl.operations import why as operation

    now_ms = opening.wall_ms()
    with opening.opened_store(inv.state, inv.config, readonly=True) as db:
        if summary:
            counts = operation.summary(db, symbol, hours)
        else:
            assert symbol is not None
            found = operation.read(db, symbol, last, now_ms)
    if summary:

        def draw_counts(screen: render.Screen) -> None:
            screen.text(counts.answer)
            if counts.counts:
                screen.table(("decided by", "times"), counts.counts)

        render.answer(inv, "why summary", counts, draw_counts)
        return ExitCode.OK if counts.counts else ExitCode.DRIFT
    render.answer(inv, "why", found, lambda screen: _draw(screen, found, now_ms))
    return ExitCode.OK if found.decisions else ExitCode.DRIFT


def _draw(screen: "Screen", found: "Why", now_ms: int) -> None:
    screen.text(found.answer)
    for index, line in enumerate(found.decisions):
        if index:
            screen.blank()
            screen.text(line.answer)
        _decision(screen, found, line, now_ms)


def _decision(screen: "Screen", found: "Why", line: "DecisionLine", now_ms: int) -> None:
    from tradectl.cli.render import Cell
    from tradectl.operations.limit_lines import figure
    from tradectl.operations.times import when
    from tradectl.operations.why import decided

    rows: list[tuple[str, object]] = [("decided", decided(line, found, now_ms))]
    if line.candle_open_ms is not None:
        rows.append(("candle", f"opened {when(line.candle_open_ms)}"))
    if line.signal:
        rows.append(("signal", line.signal))
    rows += line.facts
    screen.facts(rows)
    if not line.gates:
        return
    if screen.width < WIDE:  # the sentence tells value and limit; a card per gate would be pages long
        screen.table(
            ("", "gate", "verdict"),
            [(Cell("✓", "good") if gate.passed else Cell("✗", "bad"), gate.gate, gate.sentence) for gate in line.gates],
        )
        return
    screen.table(
        ("", "gate", "value", "limit", "headroom", "verdict"),
        [
            (
                Cell("✓", "good") if gate.passed else Cell("✗", "bad"),
                gate.gate,
                figure(gate.value, gate.unit),
                figure(gate.limit, gate.unit),
                figure(gate.headroom, gate.unit),
                gate.sentence,
            )
            for gate in line.gates
        ],
    )
