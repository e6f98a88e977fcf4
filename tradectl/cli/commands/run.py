"""`tradectl run`: the bot. Parses, starts it, and prints what the session came to."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tradectl.cli.context import invocation
from tradectl.cli.page import page
from tradectl.errors import ExitCode


@page(
    "The bot: reads candles, decides through every gate, trades and protects until it is told to stop. Ctrl-C or "
    "SIGTERM finishes the cycle, reports and releases the account; a second Ctrl-C ends it where it stands.",
    example=(
        "tradectl run --mode paper --cycles 200",
        "tradectl run --replay candles/BINANCEUSDM_BTCUSDT_5m.csv --speed max",
        "tradectl run --guard --state data/main-paper.db",
    ),
    exits={
        ExitCode.OK: "ended as asked",
        ExitCode.REFUSED: "the store is another account's, damaged, or cannot be written; or live_limited lacks its "
        "preflight",
        ExitCode.BUSY: "the store is busy or the exchange's file cannot be opened: try again; or the run is over, but "
        "the store was locked and its end could not be written: the report says what",
        ExitCode.CONFIG: "configuration invalid, or asks for what is not available yet",
        ExitCode.LEASE: "another bot holds this account",
    },
)
def run(
    ctx: typer.Context,
    mode: Annotated[
        str,
        typer.Option(help="paper; live_limited wants a preflight, which is not built yet; nor are testnet and live."),
    ] = "paper",
    guard: Annotated[
        bool,
        typer.Option(
            "--guard",
            help="No strategy and no entries: invariants, protection, emergency stop and alerts over an account that "
            "something else trades. Fences nothing of that.",
        ),
    ] = False,
    cycles: Annotated[int | None, typer.Option(min=1, help="End after this many cycles.")] = None,
    for_: Annotated[
        str | None, typer.Option("--for", metavar="TIME", help="End after this long by the wall clock: 90s, 10m, 2h.")
    ] = None,
    speed: Annotated[
        str | None,
        typer.Option(
            metavar="FACTOR",
            help="How much faster than the market a stepped session runs: 60, 1200, max. "
            "[default: 300 for generated prices, max for a replay]",
        ),
    ] = None,
    replay: Annotated[
        list[Path] | None,
        typer.Option("--replay", metavar="FILE", help="Candles to replay (CSV, Parquet); repeatable."),
    ] = None,
    symbol: Annotated[str | None, typer.Option(help="The symbol of a replay file whose name does not say it.")] = None,
    interval: Annotated[
        str | None, typer.Option(help="The interval of a replay file whose name does not say it.")
    ] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Begin the paper account anew; the old store and exchange are set aside.")
    ] = False,
    confirm: Annotated[
        str | None,
        typer.Option(
            metavar="ACCOUNT",
            help="The account's name, as the configuration has it; live_limited wants it, another one starts nothing.",
        ),
    ] = None,
    no_fsync: Annotated[
        bool, typer.Option("--no-fsync", help="Do not wait for the disk: faster replays; a power cut can lose data.")
    ] = False,
) -> ExitCode:
    from tradectl.cli.commands import run_report
    from tradectl.operations import run as operation

    inv = invocation(ctx)
    request = operation.RunRequest(
        mode=mode,
        guard=guard,
        cycles=cycles,
        for_text=for_,
        speed_text=speed,
        replay=tuple(replay or ()),
        symbol=symbol,
        interval=interval,
        durable=not no_fsync,
        fresh=fresh,
        confirm=confirm,
        config=inv.config,
        store=inv.state,
        verbose=inv.verbose,
        console=inv.stderr if inv.json else inv.stdout,
        colour=inv.color,
    )
    report = operation.apply(operation.plan(request))
    run_report.show(inv, report)
    return ExitCode.BUSY if report.unwritten else ExitCode.OK
