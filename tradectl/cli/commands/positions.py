"""`tradectl positions`: list, close."""

from typing import Annotated

import typer

from tradectl.cli.context import invocation, operator_name
from tradectl.cli.page import page
from tradectl.errors import ExitCode


@page(
    "What is open at the venue now, how much of it each stop covers, and how far away the stop is.",
    example="tradectl positions list",
    exits={
        ExitCode.OK: "read; every position is covered, or there is none",
        ExitCode.DRIFT: "read; a position is not fully covered by its stops",
        ExitCode.REFUSED: "there is no such store, or it cannot be trusted",
        ExitCode.BUSY: "the store is locked or the venue unreachable: try again",
        ExitCode.CONFIG: "the store had to be found through a configuration that is invalid",
    },
)
def list_positions(ctx: typer.Context) -> ExitCode:
    inv = invocation(ctx)
    import asyncio

    from tradectl.cli import render
    from tradectl.cli.commands import positions_screen as screens
    from tradectl.operations import positions_list
    from tradectl.operations.killswitch_venue import Books
    from tradectl.operations.opening import find_store

    books = Books.open_for_exit(find_store(inv.state, inv.config))
    try:
        found = asyncio.run(positions_list.read(books))
    finally:
        books.close()
    render.answer(inv, "positions list", found, lambda screen: screens.listing(screen, found))
    return ExitCode.DRIFT if found.unprotected or found.absent else ExitCode.OK


@page(
    "Closes a position, or a share of it, with reduce-only market orders: shows the plan, asks, closes, reads the venue"
    " again, and cancels the position's own stop only once it is gone. Works in every state of the system.",
    example=[
        'tradectl positions close BTCUSDT --reason "news"',
        'tradectl positions close btc --fraction 0.5 --reason "half off" --yes',
    ],
    exits={
        ExitCode.OK: "closed and verified",
        ExitCode.DRIFT: "closed, but something is left to do, or the order has left and the venue could not be read "
        "after it: it is printed",
        ExitCode.REFUSED: "refused, or the position is not closed",
        ExitCode.BUSY: "the venue is unreachable, nothing was sent: try again",
        ExitCode.CONFIG: "the store had to be found through a configuration that is invalid",
    },
)
def close(
    ctx: typer.Context,
    symbol: Annotated[str, typer.Argument(help="The market: BTCUSDT, btc, BTC/USDT.")],
    reason: Annotated[str, typer.Option("--reason", help="Why, for the journal.")],
    fraction: Annotated[str, typer.Option("--fraction", help="The share to close, above 0 and up to 1.")] = "1",
) -> ExitCode:
    inv = invocation(ctx)
    import asyncio

    from tradectl.cli import confirm, render
    from tradectl.cli.commands import positions_screen as screens
    from tradectl.errors import UsageError
    from tradectl.operations import positions_close
    from tradectl.operations.killswitch_venue import Books
    from tradectl.operations.opening import find_store, open_venue
    from tradectl.operations.position_exit import Closed

    if not reason.strip():
        raise UsageError("closing a position takes a reason", hint="--reason TEXT")
    share = positions_close.parse_fraction(fraction)
    books = Books.open_for_exit(find_store(inv.state, inv.config))

    async def whole() -> Closed:
        desk = open_venue(books.path, books.identity(), books.db, for_exit=True)
        try:
            planned = await positions_close.plan(books, desk, symbol, share)
            if (screen := confirm.plan_screen(inv)) is not None:
                screens.close_plan(screen, planned)
            confirm.confirm(inv, f"Close {planned.line.symbol} now?")
            return await positions_close.apply(books, desk, planned, reason=reason, actor=operator_name())
        finally:
            await desk.venue.close()

    try:
        done = asyncio.run(whole())
    finally:
        books.close()
    render.answer(inv, "positions close", screens.closed_body(done), lambda screen: screens.closed(screen, done))
    return done.exit_code
