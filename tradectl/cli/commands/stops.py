"""`tradectl stops`: list, place-missing, move."""

from typing import Annotated

import typer

from tradectl.cli.context import invocation, operator_name
from tradectl.cli.page import page
from tradectl.errors import ExitCode

_NO_REASON = "missing stop"


@page(
    "Each position with its stops: what each covers, how far it is, what is given up when it fires. A position that its"
    " stops do not cover is said in words, with the command that covers it.",
    example=["tradectl stops list", "tradectl stops list --symbol btc --json"],
    exits={
        ExitCode.OK: "read; every position is covered",
        ExitCode.DRIFT: "read; a position is not covered by its stops",
        ExitCode.REFUSED: "there is no such store, or it cannot be trusted",
        ExitCode.BUSY: "the venue is unreachable: try again",
        ExitCode.CONFIG: "the store had to be found through a configuration that is invalid",
    },
)
def list_stops(
    ctx: typer.Context,
    symbol: Annotated[str, typer.Option("--symbol", help="Only this market: BTCUSDT, btc, BTC/USDT.")] = "",
) -> ExitCode:
    inv = invocation(ctx)
    import asyncio

    from tradectl.cli import render
    from tradectl.cli.commands import stops_screen as screens
    from tradectl.operations import stops_list
    from tradectl.operations.killswitch_venue import Books
    from tradectl.operations.opening import find_store, open_venue

    books = Books.open_for_exit(find_store(inv.state, inv.config))

    async def whole() -> stops_list.Stops:
        desk = open_venue(books.path, books.identity(), books.db)
        try:
            return await stops_list.read(books, desk, symbol)
        finally:
            await desk.venue.close()

    try:
        found = asyncio.run(whole())
    finally:
        books.close()
    render.answer(inv, "stops list", screens.body(found), lambda screen: screens.listing(screen, found))
    return found.exit_code


@page(
    "Every position that its stops do not cover gets the missing one. Shows where each goes and what says so; with"
    " --apply it asks, places, and reads the venue again. Works in every system state, beside a running bot, and where"
    " the store cannot be written. Run twice, it places once. Where the market has passed the level already, you choose"
    " with --on-breached: close the position, place the stop tighter (measured from the mark), or skip it.",
    example=[
        "tradectl stops place-missing",
        "tradectl stops place-missing --apply",
        "tradectl stops place-missing --symbol eth --apply --yes --on-breached tighten",
    ],
    exits={
        ExitCode.OK: "every position is covered, read again at the venue",
        ExitCode.DRIFT: "without --apply: something is missing; nothing was changed",
        ExitCode.REFUSED: "refused, not confirmed, or a position is not covered yet: what to do is printed",
        ExitCode.BUSY: "the venue is unreachable, nothing was sent: try again",
        ExitCode.CONFIG: "the configuration that was named is invalid",
    },
)
def place_missing(
    ctx: typer.Context,
    symbol: Annotated[str, typer.Option("--symbol", help="Only this market: BTCUSDT, btc, BTC/USDT.")] = "",
    apply: Annotated[bool, typer.Option("--apply", help="Place them, after the plan and a question.")] = False,
    on_breached: Annotated[
        str,
        typer.Option(
            "--on-breached", metavar="CHOICE", help="Where the level is passed already: close, tighten or skip."
        ),
    ] = "",
    reason: Annotated[str, typer.Option("--reason", help="Why, for the journal.")] = "",
) -> ExitCode:
    inv = invocation(ctx)
    import asyncio

    from tradectl.cli import confirm, render
    from tradectl.cli.commands import stops_screen as screens
    from tradectl.operations import stops_place
    from tradectl.operations.killswitch_venue import Books
    from tradectl.operations.opening import find_store, open_venue
    from tradectl.operations.stop_rules import stop_rules

    choice = stops_place.parse_choice(on_breached)
    books = Books.open_for_exit(find_store(inv.state, inv.config))

    async def whole() -> stops_place.PlacedAll | stops_place.StopPlan:
        desk = open_venue(books.path, books.identity(), books.db)
        try:
            rules = stop_rules(books, inv.config)
            planned = await stops_place.plan(books, desk, rules, symbol)
            if not apply or not planned.missing:
                return planned
            if (screen := confirm.plan_screen(inv)) is not None:
                screens.plan(screen, planned, choice)
            if question := screens.question(planned, choice):
                confirm.confirm(inv, question)
            return await stops_place.apply(
                books,
                desk,
                rules,
                planned,
                on_breached=choice,
                reason=reason.strip() or _NO_REASON,
                actor=operator_name(),
            )
        finally:
            await desk.venue.close()

    try:
        done = asyncio.run(whole())
    finally:
        books.close()
    render.answer(
        inv, "stops place-missing", screens.placed_body(done), lambda screen: screens.placed(screen, done, choice)
    )
    return done.exit_code


@page(
    "Brings the stops of one position to PRICE: the new one is placed and confirmed before the old ones are cancelled."
    " Tightening needs no more than a yes; loosening needs --override, on the record. The new level is stored, so a"
    " running bot keeps it (and its trailing may tighten it further).",
    example=[
        "tradectl stops move BTCUSDT 61250",
        'tradectl stops move btc 58000 --override --reason "room for the news"',
    ],
    exits={
        ExitCode.OK: "the stop stands there, read again at the venue",
        ExitCode.DRIFT: "the stop stands there; something is left to do, and it is printed",
        ExitCode.REFUSED: "refused, not confirmed, or the new stop does not stand: the old ones were left",
        ExitCode.BUSY: "the venue is unreachable, or the store is busy: nothing was sent, try again",
        ExitCode.CONFIG: "the configuration that was named is invalid",
    },
)
def move(
    ctx: typer.Context,
    symbol: Annotated[str, typer.Argument(help="The market: BTCUSDT, btc, BTC/USDT.")],
    price: Annotated[str, typer.Argument(help="Where the stop goes, in quote currency.")],
    reason: Annotated[str, typer.Option("--reason", help="Why, for the journal; --override needs it.")] = "",
    override: Annotated[bool, typer.Option("--override", help="Also where that loosens it; recorded.")] = False,
) -> ExitCode:
    inv = invocation(ctx)
    import asyncio

    from tradectl.cli import confirm, render
    from tradectl.cli.commands import stops_screen as screens
    from tradectl.errors import UsageError
    from tradectl.operations import stops_move
    from tradectl.operations.killswitch_venue import Books
    from tradectl.operations.opening import find_store, open_venue
    from tradectl.operations.stop_rules import stop_rules

    wanted = stops_move.parse_price(price)
    if override and not reason.strip():
        raise UsageError("an override takes a reason", hint="--reason TEXT")
    books = Books.open_for_exit(find_store(inv.state, inv.config))

    async def whole() -> stops_move.Moved | stops_move.MovePlan:
        desk = open_venue(books.path, books.identity(), books.db)
        try:
            rules = stop_rules(books, inv.config)
            planned = await stops_move.plan(books, desk, symbol, wanted)
            if planned.nothing:
                return planned
            if (screen := confirm.plan_screen(inv)) is not None:
                screens.move_plan(screen, planned)
            stops_move.refuse(planned, override=override)
            confirm.confirm(inv, f"Move the stop of {planned.symbol} now?")
            return await stops_move.apply(
                books,
                desk,
                rules,
                planned,
                override=override,
                reason=reason.strip() or stops_move.NO_REASON,
                actor=operator_name(),
            )
        finally:
            await desk.venue.close()

    try:
        done = asyncio.run(whole())
    finally:
        books.close()
    render.answer(inv, "stops move", screens.moved_body(done), lambda screen: screens.moved(screen, done))
    return done.exit_code
