"""`tradectl scenarios`: list, run."""

from pathlib import Path
from typing import Annotated

import typer

from tradectl.cli.context import invocation
from tradectl.cli.page import page
from tradectl.errors import ExitCode


@page(
    "Every scenario that ships: what it is about, why it matters, and whether it means anything with your"
    " configuration. The files are YAML to read, and to begin your own from: `--show NAME` prints one.",
    example=["tradectl scenarios list", "tradectl scenarios list --show daily-loss > own.yaml"],
    exits={ExitCode.OK: "listed", ExitCode.CONFIG: "the configuration is invalid"},
)
def list_scenarios(
    ctx: typer.Context,
    show: Annotated[str, typer.Option(metavar="NAME", help="Print the file of one scenario.")] = "",
) -> ExitCode:
    inv = invocation(ctx, unnamed=True)

    from tradectl.cli import render
    from tradectl.cli.commands import scenarios_screen as screens
    from tradectl.config.load import load
    from tradectl.scenarios import shelf
    from tradectl.scenarios.effective import effective

    if show:
        text = shelf.text_of(show)
        render.answer(inv, "scenarios list", {"name": show, "file": text}, lambda screen: screens.source(screen, text))
        return ExitCode.OK
    own = load(inv.config).config
    rows = [(story, effective(inv.config, own, story)) for story in shelf.shipped()]
    render.answer(inv, "scenarios list", screens.listed(rows), lambda screen: screens.listing(screen, rows))
    return ExitCode.OK


@page(
    "Plays scenarios: the real bot and the real commands, with your configuration, on a simulated exchange in virtual"
    " time. Each expectation comes with its evidence: the log's line, or the exchange's books. Nothing of your account"
    " is read or touched. A scenario that your configuration has switched off says so instead of passing."
    " --chaos lives through small worlds of chance instead, each drawn from a seed: lost and false answers, kills, full"
    " disks, clocks, outages, people who trade on the account, and other operators' commands. It holds each to the"
    " tool's promises, and names the command that replays a seed that breaks one.",
    example=[
        "tradectl scenarios run --config configs/live.toml",
        "tradectl scenarios run daily-loss --watch",
        "tradectl scenarios run --file own.yaml --junit results.xml",
        "tradectl scenarios run --chaos --seeds 200 --config configs/live.toml",
    ],
    exits={
        ExitCode.OK: "every scenario passed that means anything with this configuration; no seed broke a law",
        ExitCode.DRIFT: "none failed, but one that was named is not meaningful here, or one could not be tried;"
        " no order was entered in any seed, which proves nothing",
        ExitCode.REFUSED: "a scenario failed or a seed broke a law: do not trade with this build and configuration",
        ExitCode.CONFIG: "the configuration or a scenario's file is invalid: file, line and what to write",
    },
)
def run(
    ctx: typer.Context,
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help="Of the library; none: all.")] = None,
    file: Annotated[list[Path] | None, typer.Option("--file", metavar="FILE", help="Your own; repeatable.")] = None,
    junit: Annotated[Path | None, typer.Option(metavar="FILE", help="Write JUnit XML for a CI system.")] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Play one slowly, with its steps and its log.")] = False,
    pause: Annotated[int, typer.Option(metavar="MS", min=0, max=5000, help="Between two lines of --watch.")] = 40,
    evidence: Annotated[
        bool, typer.Option("--evidence", help="The evidence of what passed as well, and whole.")
    ] = False,
    chaos: Annotated[bool, typer.Option("--chaos", help="Worlds of chance around your configuration.")] = False,
    seeds: Annotated[
        int | None, typer.Option(metavar="N", min=1, max=100_000, help="With --chaos: how many; else 50.")
    ] = None,
    first: Annotated[int | None, typer.Option(metavar="K", min=0, help="With --chaos: the first one; else 0.")] = None,
    jobs: Annotated[
        int | None, typer.Option(metavar="N", min=1, max=256, help="With --chaos: processes; else all cores.")
    ] = None,
) -> ExitCode:
    inv = invocation(ctx, unnamed=True)

    from tradectl.cli import render
    from tradectl.cli.commands import scenarios_screen as screens
    from tradectl.config.load import load
    from tradectl.errors import UsageError
    from tradectl.scenarios import junit as xml
    from tradectl.scenarios import play, shelf

    if chaos:
        from tradectl.cli.commands import scenarios_chaos

        scenarios_chaos.alone(
            {"NAME": bool(names), "--file": bool(file), "--watch": watch, "--junit": junit, "--evidence": evidence}
        )
        return scenarios_chaos.run(inv, seeds=seeds, first=first or 0, jobs=jobs)
    for option, given in {"--seeds": seeds, "--first": first, "--jobs": jobs}.items():
        if given is not None:
            raise UsageError(f"{option} goes with --chaos", hint="tradectl scenarios run --chaos --seeds 50")
    own = load(inv.config).config
    stories = shelf.chosen(names or (), file or ())
    if watch and (len(stories) != 1 or inv.json):
        raise UsageError("--watch plays one scenario for eyes", hint="tradectl scenarios run daily-loss --watch")
    whole = evidence or len(stories) == 1
    progress = screens.Progress(inv, evidence=whole, pause_ms=pause if watch else None)
    played = []
    for story in stories:
        progress.begin(story)
        done = play.play(inv.config, own, story, on_line=progress.line, on_step=progress.step)
        progress.end(done)
        played.append(done)
    if junit is not None:
        xml.write(junit, played)
    code = play.exit_code(played, chosen=bool(names or file))
    body = screens.body(played, code)
    render.answer(inv, "scenarios run", body, lambda screen: screens.ending(screen, played, whole=whole))
    return code
