"""`tradectl killswitch drill`: apart from the kill switch itself, which loads nothing that a drill needs."""

import typer

from tradectl.cli.context import Given, invocation
from tradectl.cli.page import page
from tradectl.errors import ExitCode


@page(
    "Rehearses it: starts a paper bot with your configuration on the simulated exchange, hangs it, activates the kill"
    " switch for real, wakes the bot, clears, and does it once more beside a locked store. Nothing of your account is"
    " read or touched; it takes some ten seconds.",
    example=["tradectl killswitch drill", "tradectl killswitch drill --config configs/live.toml --json"],
    exits={
        ExitCode.OK: "every step did what it should",
        ExitCode.REFUSED: "a step did not: do not trade with this build and configuration",
        ExitCode.CONFIG: "the configuration is invalid",
    },
)
def drill(ctx: typer.Context) -> ExitCode:
    inv = invocation(ctx, unnamed=True)

    from tradectl.cli import render
    from tradectl.cli.commands import drill_screen as screens
    from tradectl.errors import UsageError
    from tradectl.scenarios import killswitch_drill

    # a variable that is set for every command is no answer to this one
    if isinstance(ctx.obj, Given) and ctx.obj.options.get("state"):
        raise UsageError("a drill has a store of its own", hint="leave --state out; --config says what it runs with")
    progress = screens.Progress(inv)
    done = killswitch_drill.run(inv.config, on_step=progress.step)
    render.answer(inv, "killswitch drill", screens.body(done), lambda screen: screens.ending(screen, done))
    return done.exit_code
