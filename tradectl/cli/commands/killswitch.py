"""`tradectl killswitch`: activate, status, clear."""

from typing import Annotated

import typer

from tradectl.cli.context import invocation, operator_name
from tradectl.cli.page import page
from tradectl.errors import ExitCode

_STRICTEST = (ExitCode.REFUSED, ExitCode.DRIFT, ExitCode.OK)


@page(
    "Fences all entries first, asking nothing; then waits out what was on its way, cancels every order that could"
    " still add exposure and every take-profit, keeps protective stops, and reads the venue again."
    " Without --state or --account it takes the bot that runs on this machine, or all of them. Safe to repeat.",
    example=[
        'tradectl killswitch activate --reason "spread blew out"',
        "tradectl killswitch activate --flatten --yes --state data/default-paper.db",
    ],
    exits={
        ExitCode.OK: "fenced and verified",
        ExitCode.DRIFT: "fenced, but not verified: what is left, and how to finish by hand, is printed; or swept, and "
        "nothing can be fenced (guard session)",
        ExitCode.REFUSED: "not fenced, or cleared by somebody else while it ran",
        ExitCode.CONFIG: "the configuration is invalid, and no bot is known here: not fenced",
    },
)
def activate(
    ctx: typer.Context,
    reason: Annotated[str, typer.Option("--reason", help="Why, for the journal.")] = "",
    flatten: Annotated[
        bool, typer.Option("--flatten", help="Then close every position, reduce-only; asks unless --yes.")
    ] = False,
    account: Annotated[str, typer.Option("--account", help="Only this account's bot.")] = "",
) -> ExitCode:
    inv = invocation(ctx, unnamed=True)
    # The fence before anything else: where the fast path has left the line to us, this is the first act too.
    from tradectl.operations import killswitch_fence

    report = killswitch_fence.done_already()
    if report is not None:
        results = tuple(report.results)
    else:
        fenced = killswitch_fence.fence_stores(inv.state, inv.config, account=account, reason=reason)
        results = fenced.results
        if fenced.note:
            print(fenced.note, file=inv.stderr, flush=True)
        for result in results:
            if not inv.json:
                print(result.line(), file=inv.stdout if result.how == "latch" else inv.stderr, flush=True)
    if any(result.interrupted for result in results):
        raise KeyboardInterrupt
    import asyncio

    from tradectl.cli import render
    from tradectl.cli.commands import killswitch_screen as screens
    from tradectl.operations import killswitch_activate

    done = []
    for result in results:
        if not result.fenced:
            done.append(killswitch_activate.not_fenced(result))
            continue
        if result.guard and not inv.json:
            said = "sweeping until nothing new comes up for twice the receive window; Ctrl-C ends that, the latch stays"
            print(said, file=inv.stderr, flush=True)
        work = killswitch_activate.apply(
            result, flatten=flatten, ask_flatten=lambda held: screens.ask_flatten(inv, held), actor=operator_name()
        )
        try:
            done.append(asyncio.run(work))
        except KeyboardInterrupt:
            again = f"tradectl killswitch activate --state {result.path}"
            stands = "the latch stands, and fences nobody else" if result.guard else "the fence stands"
            raise KeyboardInterrupt(f"{stands}; the sweep did not end. Again, it is safe: {again}") from None
    render.answer(
        inv,
        "killswitch activate",
        {"stores": [screens.activation_body(one) for one in done]},
        lambda screen: screens.activations(screen, done),
    )
    codes = {one.exit_code for one in done}
    return next(code for code in _STRICTEST if code in codes)


@page(
    "Is it set, since when, by whom and why; what was cancelled and kept; and what the venue shows now.",
    example="tradectl killswitch status",
    exits={
        ExitCode.OK: "not active",
        ExitCode.DRIFT: "active",
        ExitCode.REFUSED: "there is no such store, or it cannot be trusted",
        ExitCode.BUSY: "the store is locked and no halt file answers for it: try again",
        ExitCode.CONFIG: "the store had to be found through a configuration that is invalid",
    },
)
def status(ctx: typer.Context) -> ExitCode:
    inv = invocation(ctx)
    import asyncio

    from tradectl.cli import render
    from tradectl.cli.commands import killswitch_screen as screens
    from tradectl.operations import killswitch_status
    from tradectl.operations.opening import find_store

    shown = asyncio.run(killswitch_status.read(find_store(inv.state, inv.config)))
    render.answer(inv, "killswitch status", screens.status_body(shown), lambda screen: screens.status(screen, shown))
    return shown.exit_code


@page(
    "Clears the latch and removes the halt file. Refused while an entry is in doubt, a position is not covered, or the"
    " venue cannot be read; --override clears it all the same, and stays on the record. It asks; where nobody"
    " can be asked, it takes --yes.",
    example='tradectl killswitch clear --approver "A. Operator" --reason "feed is back, positions covered"',
    exits={
        ExitCode.OK: "cleared, or it was not active",
        ExitCode.REFUSED: "refused or not confirmed: its cause still holds, or the store cannot be used",
        ExitCode.BUSY: "the store is locked: try again",
        ExitCode.CONFIG: "the store had to be found through a configuration that is invalid",
    },
)
def clear(
    ctx: typer.Context,
    approver: Annotated[str, typer.Option("--approver", help="Who takes the responsibility.")],
    reason: Annotated[str, typer.Option("--reason", help="Why it may trade again.")],
    override: Annotated[bool, typer.Option("--override", help="Clear it although its cause still holds.")] = False,
) -> ExitCode:
    inv = invocation(ctx)
    import asyncio

    from tradectl.cli import confirm, render
    from tradectl.cli.commands import killswitch_screen as screens
    from tradectl.errors import UsageError
    from tradectl.operations import killswitch_clear
    from tradectl.operations.opening import find_store

    if not approver.strip() or not reason.strip():
        raise UsageError("clearing the kill switch takes a name and a reason", hint="--approver NAME --reason TEXT")
    books = killswitch_clear.open_books(find_store(inv.state, inv.config))
    try:
        planned = asyncio.run(killswitch_clear.plan(books, actor=approver))
        if (screen := confirm.plan_screen(inv)) is not None:
            screens.clear_plan(screen, planned)
        if not planned.active:
            if inv.json:
                render.document(inv, "killswitch clear", {"cleared": False, "state": planned.state})
            return ExitCode.OK
        killswitch_clear.refuse(planned, override=override)
        confirm.confirm(inv, "End the sweep?" if planned.guard else "Let entries go again?")
        done = killswitch_clear.apply(books, planned, approver=approver, reason=reason, override=override)
    finally:
        books.close()
    render.answer(inv, "killswitch clear", screens.cleared_body(done), lambda screen: screens.cleared(screen, done))
    return ExitCode.OK
