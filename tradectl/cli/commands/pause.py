"""`tradectl pause` and `tradectl resume`."""

from typing import Annotated

import typer

from tradectl.cli.context import invocation, operator_name
from tradectl.cli.page import page
from tradectl.errors import ExitCode

_EXITS = {
    ExitCode.OK: "done, or it was so already",
    ExitCode.REFUSED: "there is no such store, or it cannot be written",
    ExitCode.BUSY: "the store is locked: try again",
    ExitCode.CONFIG: "the store had to be found through a configuration that is invalid",
}


@page(
    "No new entries until `tradectl resume`; open positions stay managed and protected, nothing is cancelled."
    " Survives a restart of the bot.",
    example='tradectl pause --reason "CPI at 12:30"',
    exits={**_EXITS, ExitCode.DRIFT: "the latch is set, and pauses nothing: a guard session, others trade the account"},
)
def pause(
    ctx: typer.Context, reason: Annotated[str, typer.Option("--reason", help="Why, for the journal.")] = ""
) -> ExitCode:
    inv = invocation(ctx)
    from tradectl.cli import render
    from tradectl.operations import pause as operation
    from tradectl.operations.opening import opened_store
    from tradectl.operations.times import when
    from tradectl.store import guard

    with opened_store(inv.state, inv.config) as db:
        done = operation.pause(db, by=operator_name(), reason=reason)
        path = db.path

    def draw(screen: render.Screen) -> None:
        latch = done.latch
        assert latch is not None
        word = "PAUSED" if done.changed else "PAUSED already"
        screen.text(f"{word} {path}: since {when(latch.set_at_ms)} by {latch.set_by}: {latch.reason}", "warn")
        if done.guard:
            screen.text(
                f"guard: {guard.NOT_FENCED}, nor paused: this latch only keeps a later trading bot waiting", "bad"
            )
            screen.text("to stop it, disable its API key at the venue; to cancel what could add:", "bad")
            screen.command(f"tradectl killswitch activate --state {path}")
        else:
            screen.text("no entries; everything else goes on. Back with: tradectl resume --reason TEXT")

    render.answer(inv, "pause", {"path": path, "guard": done.guard, **_body(done)}, draw)
    return ExitCode.DRIFT if done.guard else ExitCode.OK


@page(
    "Ends a pause. Other latches stay: what still restricts trading is printed.",
    example='tradectl resume --reason "CPI is out"',
    exits=_EXITS,
)
def resume(
    ctx: typer.Context, reason: Annotated[str, typer.Option("--reason", help="Why, for the journal.")] = ""
) -> ExitCode:
    inv = invocation(ctx)
    from tradectl.cli import render
    from tradectl.operations import pause as operation
    from tradectl.operations.opening import opened_store
    from tradectl.operations.times import when

    with opened_store(inv.state, inv.config) as db:
        done = operation.resume(db, by=operator_name(), reason=reason)
        path = db.path

    def draw(screen: render.Screen) -> None:
        if done.latch is None:
            screen.text(f"was not paused {path}")
        else:
            was = f"paused since {when(done.latch.set_at_ms)} by {done.latch.set_by}: {done.latch.reason}"
            screen.text(f"RESUMED {path} ({was})", "good")
        if done.halt_text is not None:
            screen.text("still HALTED by a halt file; see tradectl killswitch status", "bad")
        for latch in done.still:
            screen.text(f"still set: {latch.name.value} {latch.scope} - cleared by {latch.cleared_by}", "warn")
        screen.text(f"state: {done.state.value}")

    render.answer(inv, "resume", {"path": path, **_body(done)}, draw)
    return ExitCode.OK


def _body(done: object) -> dict[str, object]:
    from tradectl.operations.pause import Paused

    assert isinstance(done, Paused)
    return {"changed": done.changed, "latch": done.latch, "state": done.state, "still": done.still}
