"""`tradectl orders`: list, cancel."""

from typing import Annotated

import typer

from tradectl.cli.context import invocation
from tradectl.cli.page import page
from tradectl.errors import ExitCode


@page(
    "Every open order at the venue (plain, conditional, attached): what it is, and whose. Below, the intents whose"
    " outcome is not known yet. With --unknown only those, and the venue is asked about each; nothing is changed.",
    example=[
        "tradectl orders list",
        "tradectl orders list --symbol btc --json",
        "tradectl orders list --unknown",
    ],
    exits={
        ExitCode.OK: "read; nothing is in doubt, and every order of ours is explained",
        ExitCode.DRIFT: "read; an order is in doubt, a stray or another store's, or the store could not be read beside "
        "the venue",
        ExitCode.REFUSED: "there is no such store, or it cannot be trusted",
        ExitCode.BUSY: "the venue is unreachable, or did not answer for one in doubt: try again",
        ExitCode.CONFIG: "the store had to be found through a configuration that is invalid",
    },
)
def list_orders(
    ctx: typer.Context,
    symbol: Annotated[str | None, typer.Option("--symbol", help="Only this market: BTCUSDT, btc, BTC/USDT.")] = None,
    unknown: Annotated[bool, typer.Option("--unknown", help="Only what is in doubt, and ask the venue.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="At most so many orders, strange ones first.")] = 50,
) -> ExitCode:
    inv = invocation(ctx)
    import asyncio

    from tradectl.cli import render
    from tradectl.cli.commands import orders_screen as screens
    from tradectl.operations import orders_list
    from tradectl.operations.killswitch_venue import Books
    from tradectl.operations.opening import find_store

    books = Books.open_for_exit(find_store(inv.state, inv.config))
    try:
        found = asyncio.run(orders_list.read(books, typed_symbol=symbol, ask=unknown, limit=limit))
    finally:
        books.close()
    render.answer(inv, "orders list", screens.body(found), lambda screen: screens.listing(screen, found))
    return found.exit_code
