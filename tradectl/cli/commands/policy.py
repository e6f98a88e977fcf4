"""`tradectl policy …`: the risk profile in force."""

from typing import TYPE_CHECKING, Annotated

import typer

from tradectl.cli.context import invocation, operator_name
from tradectl.cli.page import page
from tradectl.errors import ExitCode

if TYPE_CHECKING:
    from decimal import Decimal

    from tradectl.cli.render import Screen
    from tradectl.domain.policy import Policy, Profile
    from tradectl.operations.policy import Effect, PolicyPage

_EXITS = {
    ExitCode.OK: "done",
    ExitCode.REFUSED: "there is no such store, or it cannot be used",
    ExitCode.BUSY: "the store is locked: try again",
    ExitCode.CONFIG: "the store had to be found through a configuration that is invalid",
}


@page(
    "The profile that was set last, what it allows, and which limits it binds. A limit in force is the strictest"
    " of profile, configuration and mode.",
    example="tradectl policy show",
    exits=_EXITS,
)
def show(ctx: typer.Context) -> ExitCode:
    inv = invocation(ctx)
    from tradectl.cli import render
    from tradectl.operations import policy as operation
    from tradectl.operations.opening import opened_store

    with opened_store(inv.state, inv.config, readonly=True) as db:
        found = operation.show(db)
    body = {"current": found.current, "configured": found.configured, "bound": found.bound}
    render.answer(inv, "policy show", body, lambda screen: _page(screen, found))
    return ExitCode.OK


@page(
    "Sets the profile: DEFENSIVE, NORMAL or AGGRESSIVE. The running bot goes by it from its next cycle on. It can only"
    " restrict what the configuration allows, never widen it.",
    example='tradectl policy set DEFENSIVE --reason "FOMC tonight"',
    exits={**_EXITS, ExitCode.USAGE: "there is no such profile, or no reason was given"},
)
def put(
    ctx: typer.Context,
    profile: Annotated[str, typer.Argument(metavar="PROFILE", help="DEFENSIVE, NORMAL or AGGRESSIVE.")],
    reason: Annotated[str, typer.Option("--reason", help="Why, for the journal.")],
) -> ExitCode:
    inv = invocation(ctx)
    from tradectl.cli import render
    from tradectl.operations import policy as operation
    from tradectl.operations.opening import opened_store

    chosen = operation.choose(profile)
    with opened_store(inv.state, inv.config) as db:
        now, changed = operation.put(db, chosen, by=operator_name(), reason=reason)
        found = operation.effects(db, chosen)

    def draw(screen: "Screen") -> None:
        word = "SET" if changed else "was set already:"
        screen.text(f"{word} {_line(now)}", "good" if changed else "")
        _effects(screen, found)
        screen.text("a running bot goes by it from its next cycle on")

    effects = [
        {"limit": one.limit, "without": one.without, "allows": one.allows, "in_force": one.in_force, "binds": one.binds}
        for one in found
    ]
    render.answer(inv, "policy set", {"changed": changed, "current": now, "effects": effects}, draw)
    return ExitCode.OK


@page(
    "Every version that was set: when, by whom, why.",
    example="tradectl policy history --limit 10",
    exits=_EXITS,
)
def history(
    ctx: typer.Context, limit: Annotated[int, typer.Option(min=1, help="At most this many, the newest.")] = 20
) -> ExitCode:
    inv = invocation(ctx)
    from tradectl.cli import render
    from tradectl.operations import policy as operation
    from tradectl.operations.opening import opened_store

    with opened_store(inv.state, inv.config, readonly=True) as db:
        found = operation.show(db, limit)

    def draw(screen: "Screen") -> None:
        for one in found.history:
            screen.text(_line(one))
        if not found.history:
            screen.text("none was set: the configuration's own profile and limits hold")

    render.answer(inv, "policy history", {"history": list(found.history)}, draw)
    return ExitCode.OK


def _page(screen: "Screen", found: "PolicyPage") -> None:
    if found.current is None:
        profile = found.configured or "the configuration's"
        screen.text(f"no policy was set: {profile} holds, with the configuration's own limits")
    else:
        screen.text(_line(found.current))
        screen.text(f"  {_limits(found.current.profile)}")
    for name, source in sorted(found.bound.items()):
        screen.text(f"{name}: {source} binds")


_NAMES = {
    "risk_per_trade": "risk of a trade",
    "daily_loss": "loss of a day",
    "leverage": "leverage",
    "confidence_floor": "confidence from",
}


def _effects(screen: "Screen", found: "tuple[Effect, ...]") -> None:
    """What holds now, and whose it is: a policy that is looser than the configuration changes nothing."""
    from tradectl.domain.money import percent, text

    def shown(limit: str, value: "Decimal") -> str:
        return {"leverage": f"{text(value)}x", "confidence_floor": text(value)}.get(limit) or percent(value)

    rows = []
    for one in found:
        allows = shown(one.limit, one.allows)
        if one.without is None:
            rows.append((f"  {_NAMES[one.limit]}", f"{allows} at most by the policy; the bot's own is not known yet"))
            continue
        own = shown(one.limit, one.without)
        said = f"{allows}, the policy's ({own} without it)" if one.binds else f"{own}, as without it ({allows} in it)"
        rows.append((f"  {_NAMES[one.limit]}", said))
    if all(one.without is not None for one in found) and not any(one.binds for one in found):
        screen.text(
            "it makes no limit stricter: the configuration, its profile and the mode are as strict already", "warn"
        )
    screen.facts(rows)


def _line(one: "Policy") -> str:
    from tradectl.operations.times import when

    return f"{one.profile.name} (version {one.version}) since {when(one.at_ms)} by {one.by}: {one.reason}"


def _limits(profile: "Profile") -> str:
    from tradectl.domain.money import percent, text

    return (
        f"at most {percent(profile.max_risk_per_trade)} of equity at risk in one trade, "
        f"{percent(profile.max_daily_loss)} lost in a day, {text(profile.max_leverage)}x leverage; "
        f"confidence from {text(profile.confidence_floor)} on"
    )
