"""`tradectl reconcile`."""

from pathlib import Path
from typing import Annotated

import typer

from tradectl.cli.context import invocation, operator_name
from tradectl.cli.page import page
from tradectl.errors import ExitCode

_NO_REASON = "reconciled by an operator"


@page(
    "Holds the venue against the books: what differs, the evidence, what is done about it and what needs you."
    " With --apply it asks, carries out the plan it showed, and reads both again; it is refused where the world has"
    " moved since. --adopt takes over, in one symbol, what the venue shows. --save keeps the plan, --plan FILE applies"
    " a saved one. The bot does the same at its start and every 120 s, only the safe part.",
    example=[
        "tradectl reconcile",
        "tradectl reconcile --apply",
        'tradectl reconcile --adopt BTCUSDT --apply --reason "opened by hand, the bot is to manage it"',
        "tradectl reconcile --save plan.json && tradectl reconcile --plan plan.json --apply --yes",
    ],
    exits={
        ExitCode.OK: "venue and books agree, or were brought to agree, read again",
        ExitCode.DRIFT: "they differ, and --apply can put it right (without --apply nothing was changed)",
        ExitCode.REFUSED: "something needs a person and stays as it is, the world has moved, or it was not confirmed",
        ExitCode.BUSY: "the venue or the store could not be read: nothing was changed, try again",
        ExitCode.CONFIG: "the configuration that was named is invalid",
    },
)
def reconcile(
    ctx: typer.Context,
    apply: Annotated[bool, typer.Option("--apply", help="Carry the plan out, after a question.")] = False,
    adopt: Annotated[
        list[str] | None,
        typer.Option("--adopt", metavar="SYMBOL", help="Take over what the venue shows in this symbol (repeatable)."),
    ] = None,
    save: Annotated[Path | None, typer.Option("--save", metavar="FILE", help="Keep the plan in this file.")] = None,
    plan: Annotated[
        Path | None, typer.Option("--plan", metavar="FILE", help="A saved plan: apply it if the world is the same.")
    ] = None,
    reason: Annotated[str, typer.Option("--reason", help="Why, for the journal; --adopt needs it to apply.")] = "",
) -> ExitCode:
    inv = invocation(ctx)
    import asyncio
    from dataclasses import replace

    from tradectl.cli import confirm, render
    from tradectl.cli.commands import reconcile_screen as screens
    from tradectl.errors import UsageError
    from tradectl.operations import reconcile as operation
    from tradectl.operations import reconcile_origins
    from tradectl.operations.killswitch_venue import Books
    from tradectl.operations.opening import find_store, open_venue
    from tradectl.operations.stop_rules import stop_rules

    if plan is not None and (adopt or save is not None):
        raise UsageError("a saved plan is applied as it is", hint="leave --adopt and --save out, or make a new plan")
    books = Books.must_open(find_store(inv.state, inv.config))

    async def whole() -> operation.Reconciliation | operation.Applied:
        desk = open_venue(books.path, books.identity(), books.db)
        try:
            rules = stop_rules(books, inv.config)
            saved = operation.load(plan, books.identity()) if plan is not None else None
            names = saved.adopt if saved is not None else await operation.symbols_of(desk, adopt or [])
            if names and apply and not reason.strip():
                raise UsageError("adopting a position takes a reason", hint="--reason TEXT")
            found = await operation.plan(books, desk, rules, names)
            if saved is not None:
                found = operation.of_saved(saved, found)
            if save is not None:
                operation.save(found, save)
            found = await reconcile_origins.told(books, desk, found)
            if not apply or not found.anything_to_do:
                return found
            if (screen := confirm.plan_screen(inv)) is not None:
                screens.plan(screen, found)
            confirm.confirm(inv, screens.question(found))
            done = await operation.apply(
                books, desk, rules, found, reason=reason.strip() or _NO_REASON, actor=operator_name()
            )
            return replace(done, after=await reconcile_origins.told(books, desk, done.after))
        finally:
            await desk.venue.close()

    try:
        done = asyncio.run(whole())
    finally:
        books.close()
    render.answer(inv, "reconcile", screens.body(done), lambda screen: screens.result(screen, done, save, plan))
    return done.exit_code
