"""`tradectl events`: the journal."""

from typing import TYPE_CHECKING, Annotated

import typer

from tradectl.cli.context import Invocation, invocation
from tradectl.cli.page import page
from tradectl.errors import ExitCode

if TYPE_CHECKING:
    from tradectl.operations.events import Event

INTERRUPTED = 130


@page(
    "The journal: intents, outcomes, refusals of real signals, fills, trades, state changes, operators' actions; "
    "oldest first, the newest last. With --json one document per line. --follow goes on until Ctrl-C.",
    example=(
        "tradectl events --since 2h",
        "tradectl events --tag SAFETY_DAILY_LOSS --symbol btc",
        "tradectl events --kind operator --limit 10",
        "tradectl events --follow --json",
    ),
    exits={
        ExitCode.OK: "shown; also when nothing matched",
        ExitCode.REFUSED: "no store, another schema, or it is damaged",
        ExitCode.BUSY: "another process held the store's lock for longer than 2 s: try again",
        ExitCode.CONFIG: "the store had to be found through a configuration that is invalid",
    },
)
def events(
    ctx: typer.Context,
    tag: Annotated[str | None, typer.Option(help="What it is about: a log tag, a gate, a latch.")] = None,
    kind: Annotated[str | None, typer.Option(help="intent, outcome, refusal, state, operator, fill, ...")] = None,
    since: Annotated[str | None, typer.Option(metavar="WHEN", help="2h, 1d12h, or an ISO time in UTC.")] = None,
    symbol: Annotated[str | None, typer.Option(help="Only this symbol: btc, BTC/USDT, BTCUSDT.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most this many, the newest.")] = 50,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with new rows as they are written.")] = False,
) -> ExitCode:
    inv = invocation(ctx)
    import time

    from tradectl.cli import render
    from tradectl.operations import events as operation
    from tradectl.operations import opening

    with opening.opened_store(inv.state, inv.config, readonly=True) as db:
        chosen = operation.make_filter(db, kind=kind, tag=tag, since=since, symbol=symbol, now_ms=opening.wall_ms())
        after = operation.newest_seq(db)
        found = operation.last(db, chosen, limit)
        for event in found:
            _show(inv, event)
        if not follow:
            if not found and not inv.json:
                render.Screen(inv).text("nothing in the journal matches")
            return ExitCode.OK
        try:
            inv.stdout.flush()
            for event in operation.follow(db, chosen, max([after, *(event.seq for event in found)]), time.sleep):
                _show(inv, event)
                inv.stdout.flush()
        except KeyboardInterrupt:
            raise typer.Exit(INTERRUPTED) from None
    return ExitCode.OK


def _show(inv: Invocation, event: "Event") -> None:
    from tradectl.cli import render
    from tradectl.operations.times import when

    if inv.json:
        render.document(inv, "events", event, lines=True)
        return
    symbol = f" {event.symbol}" if event.symbol and event.symbol not in event.sentence else ""
    tone = {"refusal": "warn", "operator": "warn", "state": "bad"}.get(event.kind, "")
    line = f"{event.seq:>5} {when(event.at_ms)} {event.kind:<8} {event.actor}{symbol}: {event.sentence}"
    render.Screen(inv).text(line, tone)
