"""Every command there is: its name, where its code lives, and its one line of help.

`tradectl --help` and the shell's completion read this table and import no command at all.

How to add a command
--------------------
1. A line here: `"state show": ("state:show", "one line of help")`. The target is `module:function` within
   `tradectl/cli/commands/`; a name of two words belongs to a group, and the group has its line in `GROUPS`.
2. The function, with its page. Everything heavy (rich, pydantic, yaml, ccxt, sqlite_utils, the operation itself) is
   imported in its body, never at the top of the module:

       import typer
       from tradectl.cli.context import invocation
       from tradectl.cli.page import page
       from tradectl.errors import ExitCode

       @page(
           "What is latched, what the limits leave, what is open: one page.",
           example="tradectl state show --json",
           exits=(ExitCode.OK, ExitCode.REFUSED, ExitCode.BUSY),
       )
       def show(ctx: typer.Context, at: Annotated[str, typer.Option(help="as of this time")] = "") -> ExitCode:
           inv = invocation(ctx)                     # --state, --config, --json, streams, ...
           from tradectl.operations import state_show
           from tradectl.cli import render
           page = state_show.plan(...)
           render.answer(inv, "state show", page, lambda screen: draw(screen, page))
           return ExitCode.OK                        # the returned code is the exit code; None is 0

3. Errors are not caught in commands: raise (or let pass) a `tradectl.errors` class, `cli/main.py` prints it and
   exits with its code. Questions go through `cli/confirm.py`, everything shown through `cli/render.py`.
4. Options of every command (`--json`, `--state`, …) are added by the frame, before and after the name alike.

`tests/architecture/test_commands.py` holds each entry to it: a page with an example and exit codes, and what it loads.
"""

PACKAGE = "tradectl.cli.commands"

GROUPS: dict[str, str] = {
    "config": "The configuration: what is in force, and where it comes from.",
    "state": "The store: what is latched, what is open, what is left of each limit.",
    "positions": "Open positions, what protects them, and the way out of one.",
    "stops": "Protective stops: what covers each position, the missing ones, and moving one.",
    "orders": "Orders at the venue beside our own intents, and the end of one.",
    "killswitch": "Stop it now, look at it, and let it go again.",
    "policy": "The risk profile in force, set under a running bot.",
    "ess": "The emergency stop: what trips it, its cooldown, and re-arming it.",
    "scenarios": "What can go wrong, rehearsed: the real bot, your configuration, a simulated exchange.",
}

# What people type who look for a command in a hurry; only ever a suggestion, never run in its place.
MEANT: dict[str, tuple[str, ...]] = {
    "stop": ("killswitch activate", "pause"),
    "halt": ("killswitch activate", "pause"),
    "kill": ("killswitch activate",),
    "drill": ("killswitch drill",),
    "rehearse": ("scenarios run", "killswitch drill"),
    "test": ("scenarios run", "killswitch drill"),
    "panic": ("killswitch activate",),
    "activate": ("killswitch activate",),
    "exit": ("positions close", "flatten"),
    "close": ("positions close", "flatten"),
    "cancel": ("orders cancel",),
    "order": ("orders list",),
    "naked": ("stops place-missing", "stops list"),
    "protect": ("stops place-missing",),
    "sl": ("stops list", "stops move"),
    "stop-loss": ("stops place-missing", "stops move"),
    "sync": ("reconcile",),
    "drift": ("reconcile",),
    "adopt": ("reconcile",),
    "risk": ("exposure",),
    "equity": ("exposure", "state show"),
    "status": ("state show", "killswitch status"),
    "emergency": ("killswitch activate", "ess status"),
    "start": ("run", "resume"),
    "log": ("events",),
    "logs": ("events",),
    "backup": ("state backup",),
    "tag": ("explain",),
    "alert": ("explain",),
    "runbook": ("explain",),
    "runbooks": ("explain",),
    "meaning": ("explain",),
    "help": ("--help",),
    "validate": ("validate-config",),
    "check": ("validate-config",),
    "lint": ("validate-config",),
    "diff": ("config diff", "reconcile"),
    "compare": ("config diff",),
    "changed": ("config diff",),
    "changes": ("config diff",),
}

COMMANDS: dict[str, tuple[str, str]] = {
    "run": ("run:run", "The bot: reads, decides, trades and protects until it is told to stop."),
    "validate-config": (
        "validate_config:validate_config",
        "Hold a configuration against every rule: arithmetic, lines, what to change.",
    ),
    "config show": ("config:show", "Every value in force, and which file or default it came from."),
    "config explain": ("config:explain", "One knob: value and origin, what limits it now, how far it can be moved."),
    "config diff": ("config:diff", "What a changed file changes of the risk: looser, tighter, rules broken."),
    "config init": ("config:init", "Write a commented configuration to start from."),
    "state show": ("state:show", "One page: system state, latches, limits, positions, lease, store."),
    "state reset": ("state:reset", "Clear a risk counter or latch, with a name and a reason."),
    "state backup": ("state:backup", "Copy the store while the bot runs, and check the copy."),
    "state verify": ("state:verify", "Check the store's integrity and the journal's chain."),
    "why": ("why:why", "Why a symbol did (not) trade: each gate's verdict, value and limit."),
    "explain": ("explain:explain", "A log tag or alert: what it means, what to do, how it ends."),
    "events": ("events:events", "The journal: intents, outcomes, refusals, state changes, operators."),
    "trades": ("trades:trades", "Closed trades with fees and funding."),
    "positions list": ("positions:list_positions", "What is open, and how much of it each stop covers."),
    "positions close": ("positions:close", "Close a position, reduce-only, after showing the plan."),
    "reconcile": ("reconcile:reconcile", "Venue against books: what differs, the evidence, and --apply."),
    "stops list": ("stops:list_stops", "Each position's stops: what they cover, how far, what is given up."),
    "stops place-missing": ("stops:place_missing", "The stop that a position lacks, placed and verified."),
    "stops move": ("stops:move", "A stop to another price: place, confirm, then cancel the old one."),
    "orders list": ("orders:list_orders", "Every open order, what it is and whose; and what is in doubt."),
    "orders cancel": ("orders:cancel", "Cancel one order, after showing what it is and what that means."),
    "killswitch activate": ("killswitch:activate", "Fence all entries first, then cancel what could still open."),
    "killswitch status": ("killswitch:status", "Is it set, by whom, why, and does the venue agree?"),
    "killswitch clear": ("killswitch:clear", "Let entries go again, once its cause is gone."),
    "killswitch drill": ("drill:drill", "Rehearse it on the simulated exchange, with your configuration."),
    "ess status": ("ess:status", "Armed, tripped or cooling down; why, and what would trip it."),
    "ess trip": ("ess:trip", "Trip it by hand: halt, and let the bot sweep."),
    "ess reset": ("ess:reset", "Re-arm it after its cooldown, with a name and a reason."),
    "ess disable": ("ess:disable", "Take it out of service, on the record."),
    "policy show": ("policy:show", "The profile in force, and which limits it binds."),
    "policy set": ("policy:put", "DEFENSIVE, NORMAL or AGGRESSIVE, from the next cycle on."),
    "policy history": ("policy:history", "Every version that was set, by whom and why."),
    "flatten": ("flatten:flatten", "Close every position, reduce-only: one plan, one question."),
    "exposure": ("exposure:exposure", "What is at risk, in one line and a table."),
    "scenarios list": ("scenarios:list_scenarios", "What can be rehearsed, and whether it means anything here."),
    "scenarios run": ("scenarios:run", "Play them: table with evidence, --json, --junit; --watch one."),
    "pause": ("pause:pause", "No new entries; positions stay managed and protected."),
    "resume": ("pause:resume", "End a pause."),
}
