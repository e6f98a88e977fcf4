"""`tradectl state`: show, reset, backup, verify."""

from pathlib import Path
from typing import Annotated

import typer

from tradectl.cli.context import invocation, operator_name
from tradectl.cli.page import page
from tradectl.errors import ExitCode, UsageError


@page(
    "One page: may it trade, is it running, what is open and covered, what is left of each limit. Reads only the "
    "store, so it works while the bot runs, after it was killed, and without a configuration.",
    example=("tradectl state show", "tradectl state show --state data/main-paper.db --json"),
    exits={
        ExitCode.OK: "shown, whatever the state is",
        ExitCode.REFUSED: "no store, another schema, or it is damaged",
        ExitCode.BUSY: "another process held the store's lock for longer than 2 s: try again",
        ExitCode.CONFIG: "the store had to be found through a configuration that is invalid",
    },
)
def show(ctx: typer.Context) -> ExitCode:
    inv = invocation(ctx)
    from tradectl.cli import render
    from tradectl.cli.commands import state_screen
    from tradectl.operations import opening, state_show

    with opening.opened_store(inv.state, inv.config, readonly=True) as db:
        shown = state_show.read(db, opening.wall_ms())
    render.answer(inv, "state show", shown, lambda screen: state_screen.draw(screen, shown))
    return ExitCode.OK


@page(
    "Clear a risk counter or a latch, with a name and a reason. What still holds is refused unless --override; a "
    "streak needs none. The store is backed up first; a running bot reads the new counters in its next cycle. "
    "Closes no position, cancels no order.",
    example=(
        'tradectl state reset --scope streak --reason "losses reviewed, market was closed"',
        'tradectl state reset --scope daily --override --approver ada --reason "fee refund booked late"',
        "tradectl state reset --scope latch:unknown_order:BTCUSDT --reason ...",
    ),
    exits={
        ExitCode.OK: "cleared, or there was nothing to clear",
        ExitCode.REFUSED: "its cause still holds, or not confirmed: nothing was changed",
        ExitCode.BUSY: "another process held the store's lock for longer than 2 s: nothing was changed",
        ExitCode.CONFIG: "a scope that is not part of this build yet",
    },
)
def reset(
    ctx: typer.Context,
    scope: Annotated[str, typer.Option(help="daily, peak, streak, session, latch:NAME[:SYMBOL] or all.")],
    reason: Annotated[str, typer.Option(help="Why it may be cleared; kept in the journal.")],
    approver: Annotated[str, typer.Option(help="Who decides it. [default: you; must be given with --override]")] = "",
    override: Annotated[bool, typer.Option("--override", help="Clear it although its cause still holds.")] = False,
) -> ExitCode:
    if override and not approver:
        raise UsageError("an override needs the name of who decides it", hint="--approver NAME")
    inv = invocation(ctx)
    from tradectl.cli import render
    from tradectl.cli.commands import state_reset_screen
    from tradectl.cli.confirm import confirm
    from tradectl.operations import opening, state_reset

    request = state_reset.Request(scope, approver or operator_name(), reason, override)
    with opening.opened_store(inv.state, inv.config) as db:
        planned = state_reset.plan(db, request)
        if not inv.json:
            state_reset_screen.plan(render.Screen(inv), planned)
        if not planned.nothing:
            confirm(inv, f"Reset {scope} of {planned.account}?")
        done = state_reset.apply(db, planned, opening.wall_ms())
    render.answer(inv, "state reset", done, lambda screen: state_reset_screen.result(screen, done))
    return ExitCode.OK


@page(
    "Copy the store while the bot runs: stepwise, mode 0600, verified. A folder gets a file named by time; without "
    "a target it goes to backups/ beside the store. Never copy a live store with cp.",
    example=("tradectl state backup", "tradectl state backup /mnt/usb/"),
    exits={
        ExitCode.OK: "copied and verified",
        ExitCode.REFUSED: "no store, a file in the way, no space, or the copy did not verify (and was removed)",
        ExitCode.BUSY: "another process held the store's lock for longer than 2 s: try again",
        ExitCode.CONFIG: "the store had to be found through a configuration that is invalid",
    },
)
def backup(
    ctx: typer.Context,
    target: Annotated[Path | None, typer.Argument(help="A file that is not there yet, or a folder.")] = None,
) -> ExitCode:
    inv = invocation(ctx)
    from tradectl.cli import figures, render
    from tradectl.operations import opening, state_backup

    store = opening.find_store(inv.state, inv.config).path
    done = state_backup.apply(state_backup.plan(store, target, opening.wall_ms()))

    def draw(screen: render.Screen) -> None:
        screen.text(f"Backed up and verified: {done.target} ({figures.size(done.size_bytes)})", "good")
        screen.facts([("account", done.account), ("from", done.store), ("checked", "; ".join(done.checks))])

    render.answer(inv, "state backup", done, draw)
    return ExitCode.OK


@page(
    "Is the store whole: SQLite's own checks, foreign keys, the journal's chain, the ledger's sums, schema, file "
    "mode, free disk. Changes nothing. A large store is better checked on a backup, which blocks no commit.",
    example=("tradectl state verify", "tradectl state verify --state data/backups/main-paper-20251010T211500.000Z.db"),
    exits={
        ExitCode.OK: "every check passed",
        ExitCode.REFUSED: "a check failed, or there is no store",
        ExitCode.BUSY: "another process held the store's lock for longer than 2 s: try again",
        ExitCode.CONFIG: "the store had to be found through a configuration that is invalid",
    },
)
def verify(ctx: typer.Context) -> ExitCode:
    inv = invocation(ctx)
    from tradectl.cli import figures, render
    from tradectl.operations import opening, state_verify

    found = state_verify.read(opening.find_store(inv.state, inv.config).path)

    def draw(screen: render.Screen) -> None:
        screen.text(found.answer, "good" if found.ok else "bad")
        screen.text(f"{found.path} ({figures.size(found.size_bytes)}) · {found.account or 'account unknown'}")
        screen.table(
            ("", "check", "result"),
            [(render.Cell("✓", "good") if c.ok else render.Cell("✗", "bad"), c.name, c.detail) for c in found.checks],
        )
        if found.next:
            screen.title("Do this now:")
        for row in found.next:
            screen.text(f"  {row}")

    render.answer(inv, "state verify", found, draw)
    return ExitCode.OK if found.ok else ExitCode.REFUSED
