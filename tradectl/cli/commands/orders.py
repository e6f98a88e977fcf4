"""`tradectl orders`: list, cancel."""

from typing import Annotated

import typer

from tradectl.cli.context import invocation, operator_name
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


@page(
    "Cancels one order, named exactly by the venue's id or by its client id: shows what it is and what cancelling it"
    " means, asks, cancels, and reads the venue again. A protective stop is refused while its position would not stay"
    " fully covered, unless --override. An order that has ended already is gone, and how it ended is said.",
    example=[
        'tradectl orders cancel o12 --reason "entered by hand, not wanted"',
        "tradectl orders cancel tdc.a1b2c3.t1.14 --yes",
    ],
    exits={
        ExitCode.OK: "cancelled and verified, or it had ended already",
        ExitCode.DRIFT: "its outcome is not known or not verified, or the order is in doubt and not at the venue: what "
        "to do is printed",
        ExitCode.REFUSED: "refused, not confirmed, not cancelled, or no order is called that",
        ExitCode.BUSY: "the venue is unreachable, nothing was sent: try again",
        ExitCode.CONFIG: "the store had to be found through a configuration that is invalid",
    },
)
def cancel(
    ctx: typer.Context,
    order: Annotated[str, typer.Argument(metavar="ID", help="The venue's id or the client id, exactly.")],
    reason: Annotated[str, typer.Option("--reason", help="Why, for the journal; --override needs it.")] = "",
    override: Annotated[
        bool, typer.Option("--override", help="Also a protective stop that its position needs; recorded.")
    ] = False,
) -> ExitCode:
    inv = invocation(ctx)
    import asyncio

    from tradectl.cli import confirm, render
    from tradectl.cli.commands import orders_cancel_screen as screens
    from tradectl.errors import UsageError
    from tradectl.operations import orders_cancel
    from tradectl.operations.killswitch_venue import Books
    from tradectl.operations.opening import find_store, open_venue

    name = order.strip()
    if not name:
        raise UsageError("which order?", hint="tradectl orders list shows their ids")
    if override and not reason.strip():
        raise UsageError("an override takes a reason", hint="--reason TEXT")
    books = Books.open_for_exit(find_store(inv.state, inv.config))

    async def whole() -> screens.Outcome:
        desk = open_venue(books.path, books.identity(), books.db)
        try:
            planned = await orders_cancel.plan(books, desk, name)
            if not isinstance(planned, orders_cancel.CancelPlan):
                return planned
            if (screen := confirm.plan_screen(inv)) is not None:
                screens.plan(screen, planned)
            orders_cancel.refuse(planned, planned.cover, override=override)
            confirm.confirm(inv, f"Cancel {planned.order.order_id} now?")
            return await orders_cancel.apply(
                books,
                desk,
                planned,
                reason=reason.strip() or orders_cancel.NO_REASON,
                actor=operator_name(),
                override=override,
            )
        finally:
            await desk.venue.close()

    try:
        done = asyncio.run(whole())
    finally:
        books.close()
    render.answer(inv, "orders cancel", screens.body(name, done), lambda screen: screens.result(screen, done))
    return screens.exit_code(done)
