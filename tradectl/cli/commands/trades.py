"""`tradectl trades`: closed trades and what they came to."""

from typing import TYPE_CHECKING, Annotated

import typer

from tradectl.cli.context import Invocation, invocation
from tradectl.cli.page import page
from tradectl.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from tradectl.cli.render import Screen
    from tradectl.operations.trades import TradeLine, Trades

_WIDE = (
    "#", "closed", "symbol", "side", "size", "entry", "exit", "gross", "fees", "funding", "net", "R", "held",
    "closed by",
)  # fmt: skip
_NARROW = ("#", "symbol", "side", "entry", "exit", "net", "R", "held", "closed by")
WIDE = 125  # characters that every column needs; a narrower terminal gets the ones asked for most


@page(
    "Closed trades, oldest first: side, size, prices, gross, fees, funding, net, R (net over the risk taken), "
    "duration, why it closed; and a line of totals. A narrow terminal shows fewer columns; --csv has all of them.",
    example=("tradectl trades --last 20", "tradectl trades --symbol btc --csv > trades.csv"),
    exits={
        ExitCode.OK: "shown; also when none was closed yet",
        ExitCode.REFUSED: "no store, another schema, or it is damaged",
        ExitCode.BUSY: "another process held the store's lock for longer than 2 s: try again",
        ExitCode.CONFIG: "the store had to be found through a configuration that is invalid",
    },
)
def trades(
    ctx: typer.Context,
    last: Annotated[int | None, typer.Option(min=1, help="The newest this many. [default: 20; --csv: all]")] = None,
    symbol: Annotated[str | None, typer.Option(help="Only this symbol: btc, BTC/USDT, BTCUSDT.")] = None,
    csv: Annotated[bool, typer.Option("--csv", help="Comma-separated, exact values, times in UTC.")] = False,
) -> ExitCode:
    inv = invocation(ctx)
    if csv and inv.json:
        raise UsageError("--csv and --json exclude each other")
    from tradectl.cli import render
    from tradectl.operations import opening
    from tradectl.operations import trades as operation

    with opening.opened_store(inv.state, inv.config, readonly=True) as db:
        found = operation.read(db, last=last or (None if csv else 20), symbol=symbol)
    if csv:
        _csv(inv, found)
    else:
        render.answer(inv, "trades", found, lambda screen: _draw(screen, found))
    return ExitCode.OK


def _csv(inv: Invocation, found: "Trades") -> None:
    import csv
    import dataclasses

    from tradectl.cli.render import plain
    from tradectl.domain.candle import utc_text
    from tradectl.operations.trades import TradeLine

    names = [field.name for field in dataclasses.fields(TradeLine)]
    writer = csv.writer(inv.stdout, lineterminator="\n")
    writer.writerow([*names, "opened", "closed", "currency"])
    for line in found.trades:
        values = [plain(getattr(line, name)) for name in names]
        row = [*values, utc_text(line.opened_ms), utc_text(line.closed_ms), found.currency]
        writer.writerow(["" if value is None else value for value in row])


def _draw(screen: "Screen", found: "Trades") -> None:
    from tradectl.cli.figures import signed

    whose = f" of {found.symbol}" if found.symbol else ""
    if not found.trades:
        screen.text(f"no trade{whose} was closed yet")
        return
    totals, money = found.totals, found.currency
    average = f", average R {signed(totals.average_r)}" if totals.average_r is not None else ""
    noun = "trade" if totals.trades == 1 else "trades"
    screen.text(
        f"{totals.trades} {noun}{whose} ({found.in_store} in the store): net {signed(totals.net)} {money}, "
        f"{totals.wins} won, {totals.losses} lost{average}",
        "good" if totals.net >= 0 else "bad",
    )
    if screen.width >= WIDE:
        screen.table(_WIDE, [_wide(line) for line in found.trades])
    else:
        screen.table(_NARROW, [_narrow(line) for line in found.trades])
    screen.text(
        f"totals: gross {signed(totals.gross)}, fees {signed(-totals.fees)}, funding {signed(totals.funding)}, "
        f"net {signed(totals.net)} {money}"
    )


def _wide(line: "TradeLine") -> tuple[object, ...]:
    from tradectl.cli.figures import price, signed
    from tradectl.operations.times import span, when

    return (
        line.number,
        when(line.closed_ms)[:16],
        line.symbol,
        line.side,
        line.qty,
        price(line.entry_price),
        price(line.exit_price),
        signed(line.gross),
        signed(-line.fees),
        signed(line.funding),
        _toned(line),
        signed(line.r) if line.r is not None else "-",
        span(line.duration_ms),
        line.exit_reason,
    )


def _narrow(line: "TradeLine") -> tuple[object, ...]:
    from tradectl.cli.figures import price, signed
    from tradectl.operations.times import span

    return (
        line.number,
        line.symbol,
        line.side,
        price(line.entry_price),
        price(line.exit_price),
        _toned(line),
        signed(line.r) if line.r is not None else "-",
        span(line.duration_ms),
        line.exit_reason,
    )


def _toned(line: "TradeLine") -> object:
    from tradectl.cli.figures import signed
    from tradectl.cli.render import Cell

    return Cell(signed(line.net), "good" if line.net >= 0 else "bad")
