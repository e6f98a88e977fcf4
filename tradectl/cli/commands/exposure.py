"""`tradectl exposure`: what is at risk, in one line and a table."""

import typer

from tradectl.cli.context import invocation
from tradectl.cli.page import page
from tradectl.errors import ExitCode


@page(
    "What is at risk now: positions, notional, margin, what is given up if every stop fills (from the mark, and from"
    " the entry prices), what no stop covers, the way to the nearest liquidation; and what entries that rest or are in"
    " doubt could add.",
    example=["tradectl exposure", "tradectl exposure --json"],
    exits={
        ExitCode.OK: "read; stops cover all that is open, or nothing is",
        ExitCode.DRIFT: "read; something that is open has no stop: its loss has no bound",
        ExitCode.REFUSED: "there is no such store, or it cannot be trusted",
        ExitCode.BUSY: "the venue is unreachable: try again",
        ExitCode.CONFIG: "the store had to be found through a configuration that is invalid",
    },
)
def exposure(ctx: typer.Context) -> ExitCode:
    inv = invocation(ctx)
    import asyncio

    from tradectl.cli import render
    from tradectl.cli.commands import exposure_screen as screens
    from tradectl.operations import exposure as operation
    from tradectl.operations.killswitch_venue import Books
    from tradectl.operations.opening import find_store

    books = Books.open_for_exit(find_store(inv.state, inv.config))
    try:
        found = asyncio.run(operation.read(books))
    finally:
        books.close()
    render.answer(inv, "exposure", screens.body(found), lambda screen: screens.draw(screen, found))
    return ExitCode.DRIFT if found.uncovered else ExitCode.OK
