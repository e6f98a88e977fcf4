"""`tradectl ess …`: the emergency stop by hand."""

from typing import TYPE_CHECKING, Annotated

import typer

from tradectl.cli.context import invocation, operator_name
from tradectl.cli.page import page
from tradectl.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Callable

    from tradectl.operations.ess import EssChange
    from tradectl.store.database import Database

_STORE_EXITS = {
    ExitCode.BUSY: "the store is locked: try again",
    ExitCode.CONFIG: "the store had to be found through a configuration that is invalid",
}
_REASON = typer.Option("--reason", help="Why, for the journal.")


@page(
    "The emergency stop: its state, what tripped it, what is left of its cooldown, and what would trip it by the last"
    " cycle's numbers.",
    example="tradectl ess status --json",
    exits={
        ExitCode.OK: "armed, and nothing would trip it",
        ExitCode.DRIFT: "tripped, cooling down, disabled, or about to trip",
        ExitCode.REFUSED: "there is no such store, or it cannot be read",
        **_STORE_EXITS,
    },
)
def status(ctx: typer.Context) -> ExitCode:
    inv = invocation(ctx)
    from tradectl.cli import render
    from tradectl.cli.commands import ess_screen
    from tradectl.domain.emergency_stop import EssState
    from tradectl.operations import ess as operation
    from tradectl.operations.opening import opened_store

    with opened_store(inv.state, inv.config, readonly=True) as db:
        shown = operation.status(db)
    render.answer(inv, "ess status", ess_screen.body(shown), lambda screen: ess_screen.status(screen, shown))
    quiet = shown.now.state is EssState.ARMED and shown.rules.enabled and not shown.trips
    return ExitCode.OK if quiet else ExitCode.DRIFT


@page(
    "Trips it by hand: halted from this moment on, and the running bot cancels what could add exposure, keeping every"
    " stop. For a bot that hangs, use `killswitch activate`. Tripping it twice is once.",
    example='tradectl ess trip --reason "the feed shows nonsense"',
    exits={
        ExitCode.OK: "tripped, or it was already",
        ExitCode.REFUSED: "there is no such store, or it cannot be written",
        **_STORE_EXITS,
    },
)
def trip(ctx: typer.Context, reason: Annotated[str, _REASON]) -> ExitCode:
    from tradectl.operations import ess as operation

    return _change(ctx, "trip", lambda db: operation.trip(db, by=operator_name(), reason=reason))


@page(
    "Re-arms it after its cooldown. Refused before that, and while an evaluator would trip it again; --override does it"
    " all the same once it is swept, and stays on the record.",
    example='tradectl ess reset --approver "A. Operator" --reason "losses closed, feed checked"',
    exits={
        ExitCode.OK: "armed, or it was already",
        ExitCode.REFUSED: "refused: what speaks against it is printed",
        **_STORE_EXITS,
    },
)
def reset(
    ctx: typer.Context,
    approver: Annotated[str, typer.Option("--approver", help="Who takes the responsibility.")],
    reason: Annotated[str, _REASON],
    override: Annotated[bool, typer.Option("--override", help="Also against what is printed; recorded.")] = False,
) -> ExitCode:
    from tradectl.operations import ess as operation

    return _change(ctx, "reset", lambda db: operation.reset(db, by=approver, reason=reason, override=override))


@page(
    "Takes the emergency stop out of service, until `ess reset` arms it again. Invariants and kill switch stay.",
    example='tradectl ess disable --approver "A. Operator" --reason "venue test: rejections expected"',
    exits={
        ExitCode.OK: "disabled, or it was already",
        ExitCode.REFUSED: "refused: it has tripped or cools down",
        **_STORE_EXITS,
    },
)
def disable(
    ctx: typer.Context,
    approver: Annotated[str, typer.Option("--approver", help="Who takes the responsibility.")],
    reason: Annotated[str, _REASON],
) -> ExitCode:
    from tradectl.operations import ess as operation

    return _change(ctx, "disable", lambda db: operation.disable(db, by=approver, reason=reason))


def _change(ctx: typer.Context, verb: str, act: "Callable[[Database], EssChange]") -> ExitCode:
    inv = invocation(ctx)
    from tradectl.cli import render
    from tradectl.cli.commands import ess_screen
    from tradectl.operations.opening import opened_store

    with opened_store(inv.state, inv.config) as db:
        done = act(db)
    render.answer(
        inv, f"ess {verb}", ess_screen.change_body(done), lambda screen: ess_screen.change(screen, verb, done)
    )
    return ExitCode.OK
