"""`tradectl config`: show, explain, init."""

from typing import Annotated

import typer

from tradectl.cli.context import invocation
from tradectl.cli.page import page
from tradectl.errors import ExitCode


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
    "One knob: its value, default, unit, bounds and origin. The key may be written either way.",
    example="tradectl --config bot.yaml config explain perps.riskPct",
    exits=(ExitCode.OK, ExitCode.CONFIG),
)
def explain(
    ctx: typer.Context, key: Annotated[str, typer.Argument(help="A key such as perps.riskPct or perps.risk_pct.")]
) -> ExitCode:
    inv = invocation(ctx)
    from tradectl.cli import render
    from tradectl.operations import config_explain

    knob = config_explain.plan(inv.config, key)

    def draw(screen: render.Screen) -> None:
        screen.title(knob.key)
        screen.text(knob.meaning)
        facts = [
            ("value", knob.text),
            ("set by", "; ".join(knob.set_at)),
            ("default", knob.default),
            ("unit", knob.unit),
        ]
        optional = (("bounds", knob.bounds), ("choices", ", ".join(knob.choices)), ("also written", knob.also))
        facts += [(name, text) for name, text in optional if text]
        facts += [("read by", knob.step), ("available", "yes" if knob.available else "not yet: only the default runs")]
        if knob.unavailable_values:
            facts.append(("not yet", ", ".join(knob.unavailable_values)))
        screen.facts(facts)

    render.answer(inv, "config explain", knob, draw)
    return ExitCode.OK


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
