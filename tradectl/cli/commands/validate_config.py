"""`tradectl validate-config`: a configuration held against every rule, before it costs money."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tradectl.cli.context import invocation, is_terminal
from tradectl.cli.page import page
from tradectl.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from tradectl.scenarios.proof import Proof


@page(
    "Holds a configuration against every rule of threshold coordination: what is wrong, how bad it is, the arithmetic "
    "with its own numbers, the line of every knob in it, and what to change. Each file on its own, a folder's files "
    "each on their own; without one, what `run` would load. A rule is accepted by `accept: {TC06: reason}` in the "
    "configuration: it is shown, and does not count. With --online the venue itself is asked for its markets, tiers, "
    "prices and, with the API key in the environment, the account's fees and equity; nothing is changed there. With "
    "--prove a solver looks for a portfolio that the gates let "
    "in and an invariant halts within a move of the market, and what it finds is entered on the simulated exchange.",
    example=(
        "tradectl validate-config configs/paper.yaml",
        "tradectl --config base.yaml --config mine.toml validate-config --strict --mode live_limited",
        "tradectl validate-config --online --mode live bot.yaml",
        "tradectl validate-config --prove --move 0.5% bot.yaml",
        "tradectl validate-config configs/ --json",
    ),
    exits={
        ExitCode.OK: "clean, or warnings without --strict",
        ExitCode.DRIFT: "warnings, with --strict; with --prove: neither proved nor shown",
        ExitCode.REFUSED: "errors, or a file that does not load; a portfolio that is halted; a key that is refused",
        ExitCode.BUSY: "with --online: the venue did not answer all that it was asked",
    },
)
def validate_config(
    ctx: typer.Context,
    files: Annotated[list[Path] | None, typer.Argument(metavar="FILE|DIR", help="Files or folders to check.")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Warnings exit 1.")] = False,
    online: Annotated[
        bool, typer.Option("--online", help="Ask the venue itself for fees, tiers, limits, prices and equity.")
    ] = False,
    mode: Annotated[
        str | None,
        typer.Option(help="paper, testnet, live_limited, live. [default: what the configuration is evidently for]"),
    ] = None,
    prove: Annotated[bool, typer.Option("--prove", help="Prove that no entry leads to a halt, or show one.")] = False,
    move: Annotated[
        str | None,
        typer.Option(help="With --prove: the move against all positions, as 1% or 0.01. [default: 1%]"),
    ] = None,
) -> ExitCode:
    from tradectl.cli import render
    from tradectl.cli.commands import proof_screen, validate_config_screen
    from tradectl.config.available import MODES
    from tradectl.operations import validate_config as operation

    inv = invocation(ctx)
    if mode is not None and mode not in MODES:
        raise UsageError(f"there is no mode {mode!r}", hint=f"one of: {', '.join(MODES)}")
    if move is not None and not prove:
        raise UsageError("--move is for --prove", hint="add --prove, or leave --move out")

    def tell(line: str) -> None:
        if is_terminal(inv.stderr) and not inv.json:
            print(line, file=inv.stderr, flush=True)

    checked = operation.plan(files or (), inv.config, mode, online=online, tell=tell)
    code = operation.exit_code(checked, strict=strict)
    proofs: list[Proof | None] = [None] * len(checked)
    if prove:
        from tradectl.scenarios import proof

        proofs = [proof.of(one.resolved, mode, move, one.market) for one in checked]
        code = proof.exit_code(code, proofs)
    shown = list(zip(checked, proofs, strict=True))
    configs = [
        validate_config_screen.plain(one, online=online) | ({"proof": proof_screen.plain(found)} if prove else {})
        for one, found in shown
    ]
    render.answer(
        inv,
        "validate-config",
        {"exit": code, "strict": strict, "configs": configs},
        lambda screen: validate_config_screen.draw(screen, shown, strict=strict, verbose=inv.verbose > 0),
    )
    return code
