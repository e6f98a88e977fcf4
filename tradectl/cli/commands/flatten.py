"""`tradectl flatten`: out of everything."""

from typing import Annotated

import typer

from tradectl.cli.context import invocation, operator_name
from tradectl.cli.page import page
from tradectl.errors import ExitCode


@page(
    "Closes every position, or those named, with reduce-only market orders: one plan, one question, then one after"
    " another, the largest first. What goes wrong with one never keeps the others open; each one's stops and targets"
    " are cancelled only once it is gone. Sets no latch and cancels no entry: whether the bot may open again is said at"
    " the end. Safe to repeat; works in every state of the system.",
    example=[
        'tradectl flatten --reason "exchange announces maintenance"',
        'tradectl flatten --symbol btc --symbol eth --reason "majors only" --yes',
    ],
    exits={
        ExitCode.OK: "nothing is open any more (or was), verified",
        ExitCode.DRIFT: "closed as far as is known, but something is left to do or could not be read again: it is "
        "printed",
        ExitCode.REFUSED: "not confirmed, or a position is not closed",
        ExitCode.BUSY: "the venue is unreachable, nothing was sent: try again",
        ExitCode.CONFIG: "the store had to be found through a configuration that is invalid",
    },
)
def flatten(
    ctx: typer.Context,
    reason: Annotated[str, typer.Option("--reason", help="Why, for the journal.")],
    symbol: Annotated[
        list[str] | None, typer.Option("--symbol", help="Only this market; repeat for more: BTCUSDT, btc, BTC/USDT.")
    ] = None,
) -> ExitCode:
    inv = invocation(ctx)
    import asyncio
    import sys

    from tradectl.cli import confirm, crash, render
    from tradectl.cli.commands import flatten_screen as screens
    from tradectl.errors import UsageError
    from tradectl.operations import flatten as operation
    from tradectl.operations.killswitch_venue import Books
    from tradectl.operations.opening import find_store, open_venue

    if not reason.strip():
        raise UsageError("closing positions takes a reason", hint="--reason TEXT")
    books = Books.open_for_exit(find_store(inv.state, inv.config))
    progress = screens.Progress(inv)

    async def whole() -> operation.Flattened:
        desk = open_venue(books.path, books.identity(), books.db, for_exit=True)
        try:
            planned = await operation.plan(books, desk, symbol or ())
            if planned.nothing:
                return operation.nothing_done(books, planned)
            if (screen := confirm.plan_screen(inv)) is not None:
                screens.plan(screen, planned)
            if planned.closes:
                confirm.confirm_word(inv, screens.question(planned), operation.WORD)
            progress.begin(len(planned.closes))
            return await operation.apply(
                books,
                desk,
                planned,
                reason=reason,
                actor=operator_name(),
                on_done=progress.done,
                on_fault=lambda error: crash.record(error, tuple(sys.argv[1:])),
            )
        finally:
            await desk.venue.close()

    try:
        done = asyncio.run(whole())
    except KeyboardInterrupt:
        progress.interrupted(books.path)
        raise
    finally:
        books.close()
    render.answer(inv, "flatten", screens.body(done), lambda screen: screens.ending(screen, done))
    return done.exit_code
