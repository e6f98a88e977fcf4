"""`tradectl validate-config`: a configuration held against every rule, before it costs money."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tradectl.cli.context import invocation
from tradectl.cli.page import page
from tradectl.errors import ExitCode, UsageError


@page(
    "Holds a configuration against every rule of threshold coordination: what is wrong, how bad it is, the arithmetic "
    "with its own numbers, the line of every knob in it, and what to change. Each file on its own, a folder's files "
    "each on their own; without one, what `run` would load. A rule is accepted by `accept: {TC06: reason}` in the "
    "configuration: it is shown, and does not count.",
    example=(
        "tradectl validate-config configs/paper.yaml",
        "tradectl --config base.yaml --config mine.toml validate-config --strict --mode live_limited",
        "tradectl validate-config configs/ --json",
    ),
    exits={
        ExitCode.OK: "clean, or warnings without --strict",
        ExitCode.DRIFT: "warnings, with --strict",
        ExitCode.REFUSED: "errors, or a file that does not load",
    },
)
def validate_config(
    ctx: typer.Context,
    files: Annotated[list[Path] | None, typer.Argument(metavar="FILE|DIR", help="Files or folders to check.")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Warnings exit 1.")] = False,
    mode: Annotated[
        str | None,
        typer.Option(help="paper, testnet, live_limited, live. [default: what the configuration is evidently for]"),
    ] = None,
) -> ExitCode:
    from tradectl.cli import render
    from tradectl.cli.commands import validate_config_screen
    from tradectl.config.available import MODES
    from tradectl.operations import validate_config as operation

    inv = invocation(ctx)
    if mode is not None and mode not in MODES:
        raise UsageError(f"there is no mode {mode!r}", hint=f"one of: {', '.join(MODES)}")
    checked = operation.plan(files or (), inv.config, mode)
    code = operation.exit_code(checked, strict=strict)
    body = {"exit": code, "strict": strict, "configs": [validate_config_screen.plain(one) for one in checked]}
    render.answer(
        inv,
        "validate-config",
        body,
        lambda screen: validate_config_screen.draw(screen, checked, code, verbose=inv.verbose > 0),
    )
    return code
