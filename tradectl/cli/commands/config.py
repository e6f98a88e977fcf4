"""`tradectl config`: show, explain, diff, init."""

from pathlib import Path
from typing import Annotated

import typer

from tradectl.cli.context import invocation, typed_layers
from tradectl.cli.page import page
from tradectl.errors import ExitCode, UsageError


@page(
    "Every value in force, and which file or default it came from.",
    example=["tradectl --config bot.yaml config show", "tradectl config show --changed"],
    exits=(ExitCode.OK, ExitCode.CONFIG),
)
def show(
    ctx: typer.Context,
    changed: Annotated[bool, typer.Option("--changed", help="Only what is not at its default.")] = False,
) -> ExitCode:
    inv = invocation(ctx)
    from tradectl.cli import render
    from tradectl.operations import config_show

    shown = config_show.plan(inv.config)
    rows = [row for row in shown.rows if not (changed and row.is_default)]

    def draw(screen: render.Screen) -> None:
        screen.text(f"files: {', '.join(shown.files) or 'none, built-in defaults'}; digest {shown.digest[:12]}")
        for notice in shown.notices:
            screen.text(f"notice: {notice}", "warn")
        screen.table(
            ("knob", "value", "unit", "set by"),
            [
                (row.key, row.text, row.unit, row.source + ("" if row.available else ", not available yet"))
                for row in rows
            ],
            empty="every knob has its default",
        )

    body = {"files": shown.files, "digest": shown.digest, "notices": shown.notices, "knobs": rows}
    render.answer(inv, "config show", body, draw)
    return ExitCode.OK


@page(
    "One knob: what it does, its value and where it is set, the step that reads it, what limits it now, how far it can "
    "be moved before a rule of validate-config objects, and every rule that reads it with what it says. What an "
    "operator has set by `policy set` counts where the bot's store is found. The key may be written either way; -v "
    "adds the arithmetic of the rules.",
    example=(
        "tradectl --config bot.yaml config explain perps.riskPct",
        "tradectl --config bot.yaml config explain safety.max_margin_utilization_pct --mode live_limited",
    ),
    exits=(ExitCode.OK, ExitCode.CONFIG, ExitCode.USAGE),
)
def explain(
    ctx: typer.Context,
    key: Annotated[str, typer.Argument(help="A key such as perps.riskPct or perps.risk_pct.")],
    mode: Annotated[
        str | None,
        typer.Option(help="paper, testnet, live_limited, live. [default: what the configuration is evidently for]"),
    ] = None,
) -> ExitCode:
    inv = invocation(ctx)
    from tradectl.cli import render
    from tradectl.cli.commands import config_explain_screen as screens
    from tradectl.config.available import MODES
    from tradectl.operations import config_explain

    if mode is not None and mode not in MODES:
        raise UsageError(f"there is no mode {mode!r}", hint=f"one of: {', '.join(MODES)}")
    knob = config_explain.plan(inv.config, key, mode, inv.state)
    render.answer(
        inv,
        "config explain",
        screens.plain(knob),
        lambda screen: screens.draw(screen, knob, verbose=inv.verbose > 0),
    )
    return ExitCode.OK


@page(
    "What changes of the risk when B is run instead of A, and nothing else: each knob as LOOSER (more can be lost, or "
    "it ends later), TIGHTER, or DIFFERENT (it changes risk in no direction that the knob alone tells), the loosest "
    "first; then what that comes to in figures, and what the rules of validate-config say of B that they do not of A. "
    "Values are compared, not lines: a default written out, or 1% for 0.01, is no change. A and B are one file each, "
    "taken alone; a file named by --config lies beneath both, and TRADECTL_CONFIG is not read. -v lists the changes "
    "without risk, the notes and the arithmetic.",
    example=(
        "tradectl config diff running.toml new.toml",
        "tradectl config diff running.toml new.toml --mode live_limited -v",
        "tradectl --config base.toml config diff old.yaml new.yaml --json",
    ),
    exits={
        ExitCode.OK: "nothing gets looser or different, B breaks no rule that A keeps, and run takes it",
        ExitCode.DRIFT: "something gets looser or different, or a warning is new: somebody should look",
        ExitCode.REFUSED: "run refuses B: an error by the rules, new or old, or a knob that is not available yet",
        ExitCode.CONFIG: "A or B does not load: nothing was compared",
    },
)
def diff(
    ctx: typer.Context,
    a: Annotated[Path, typer.Argument(metavar="A", help="What runs today.")],
    b: Annotated[Path, typer.Argument(metavar="B", help="What is meant to run.")],
    mode: Annotated[
        str | None,
        typer.Option(help="paper, testnet, live_limited, live. [default: what each file is evidently for]"),
    ] = None,
) -> ExitCode:
    inv = invocation(ctx)
    from tradectl.cli import render
    from tradectl.cli.commands import config_diff_screen
    from tradectl.config.available import MODES
    from tradectl.operations import config_diff

    if mode is not None and mode not in MODES:
        raise UsageError(f"there is no mode {mode!r}", hint=f"one of: {', '.join(MODES)}")
    found = config_diff.plan(a, b, typed_layers(ctx), mode)
    render.answer(
        inv,
        "config diff",
        config_diff_screen.plain(found),
        lambda screen: config_diff_screen.draw(screen, found, verbose=inv.verbose > 0),
    )
    return found.exit_code


@page(
    "Write a commented TOML configuration that holds every default.",
    example=["tradectl config init bot.toml", "tradectl config init - | less"],
    exits=(ExitCode.OK, ExitCode.REFUSED),
)
def init(
    ctx: typer.Context,
    path: Annotated[str, typer.Argument(help="The file to write, or - for standard output.")] = "tradectl.toml",
    force: Annotated[bool, typer.Option("--force", help="Replace the file if there is one.")] = False,
) -> ExitCode:
    inv = invocation(ctx)
    from tradectl.cli import render
    from tradectl.operations import config_init

    planned = config_init.plan(path, force=force)
    if planned.path is None:
        if inv.json:
            render.document(inv, "config init", {"path": "-", "text": planned.text})
        else:
            inv.stdout.write(planned.text)
        return ExitCode.OK
    done = config_init.apply(planned, force=force)
    verb = "replaced" if done.replaced else "written"
    render.answer(
        inv,
        "config init",
        done,
        lambda screen: screen.text(
            f"{verb}: {done.path}, {done.knobs} knobs; next: tradectl --config {done.path} config show"
        ),
    )
    return ExitCode.OK
