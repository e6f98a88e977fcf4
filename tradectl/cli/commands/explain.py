"""`tradectl explain`: what a log tag or an alert means, and what to do about it."""

from typing import TYPE_CHECKING, Annotated

import typer

from tradectl.cli.context import invocation
from tradectl.cli.page import page
from tradectl.errors import ExitCode

if TYPE_CHECKING:
    from tradectl.cli.render import Screen
    from tradectl.operations.runbooks import Contents


@page(
    "The runbook's page for a log tag or an alert type: what it means, what to look at, what to do and not to do, and"
    " how to know that it is over. Capitals do not matter; ALERT[type] or a whole log line may be pasted. A page can"
    " be asked for by its name; without an argument, every tag, alert type and page is listed.",
    example=("tradectl explain SAFETY_HALT", "tradectl explain 'ALERT[position_closed]'", "tradectl explain incident"),
    exits={ExitCode.OK: "shown", ExitCode.USAGE: "no page for that; the nearest names are suggested"},
)
def explain(
    ctx: typer.Context,
    tag: Annotated[str | None, typer.Argument(help="A tag, an alert type, a log line, or a page's name.")] = None,
) -> ExitCode:
    inv = invocation(ctx)
    from tradectl.cli import render
    from tradectl.operations import runbooks

    if tag is None:
        known = runbooks.contents()
        render.answer(inv, "explain list", known, lambda screen: _list(screen, known))
        return ExitCode.OK
    found = runbooks.explain(tag)

    def draw(screen: render.Screen) -> None:
        if found.entry is not None:
            entry = found.entry
            screen.text(f"{entry.name}: {entry.meaning}")
            rows = [("look at, do", entry.look_at)] if entry.look_at else []
            screen.facts([*rows, ("page", f"{found.page}.md, below")])
            screen.blank()
        inv.stdout.write(found.text)

    render.answer(inv, "explain", found, draw)
    return ExitCode.OK


def _list(screen: "Screen", known: "Contents") -> None:
    screen.table(
        ("tag or alert", "page", "what it means"),
        [(entry.name, entry.page, entry.meaning) for entry in known.entries],
    )
    screen.blank()
    screen.table(("page", "about"), [(guide.page, guide.title) for guide in known.guides])
