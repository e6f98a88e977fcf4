"""The session report: what `run` says last, and the commands to try next."""

from __future__ import annotations

import os
import shutil
import sys
from decimal import Decimal

from tradectl.cli.context import Invocation
from tradectl.cli.figures import counted
from tradectl.cli.render import Cell, Screen, answer
from tradectl.domain.candle import utc_text
from tradectl.domain.ledger import ClosedTrade
from tradectl.domain.money import amount, text
from tradectl.engine.session_report import SessionReport

PROGRAM = "tradectl"
LAST_TRADES = 8
DATA_ENDED = "the market data ended"  # how the engine says that a replay is over


def show(inv: Invocation, report: SessionReport) -> None:
    own, taken_in = _own(report)
    body = {
        "report": report,
        "wins": sum(trade.net >= 0 for trade in own),
        "net": sum((trade.net for trade in own), Decimal(0)),
        "fees": sum((trade.fees for trade in own), Decimal(0)),
        "funding": sum((trade.funding for trade in own), Decimal(0)),
        "carried": len(_carried(report, own)),
        "taken_in": len(taken_in),
    }
    answer(inv, "run", body, lambda screen: _draw(screen, report))


def _draw(screen: Screen, report: SessionReport) -> None:
    money = report.currency
    screen.blank()
    screen.title(f"Session over: {report.end_reason}")
    for sentence in report.unwritten:
        screen.text(sentence, "bad")
    if report.unwritten:
        screen.text("nothing is lost at the venue; start again once the store is free: it takes both over", "warn")
    if not report.cycles:
        screen.text("no cycle was completed")
        if report.end_reason == DATA_ENDED:
            screen.text("this store has seen these candles to their end already: --fresh begins anew", "warn")
        _next(screen, report)
        return
    screen.facts(
        [
            ("market time", f"{_minute(report.venue_from_ms)} to {_minute(report.venue_to_ms)}"),
            ("cycles", f"{report.cycles} completed, {report.failed_cycles} not completed"),
            ("equity", f"{amount(report.equity_start, money)} → {amount(report.equity_end, money)}"),
            *(_guarded(report) if report.guard else _traded(report)),
        ]
    )
    if report.trades and not report.guard:
        screen.blank()
        screen.table(
            ("trade", "side", "entry", "exit", "net", "R", "closed by", "closed at"),
            [_trade_row(trade) for trade in reversed(report.trades[:LAST_TRADES])],
            title=f"Last trades ({min(len(report.trades), LAST_TRADES)} of {len(report.trades)})",
        )
    screen.blank()
    _positions(screen, report)
    for latch in report.latches:
        screen.text(f"{latch.name.value} holds: {latch.reason} (clear with: {latch.cleared_by})", "bad")
    if report.in_doubt:
        screen.text(f"{report.in_doubt} orders are in doubt; the next start asks the venue about them", "bad")
    _next(screen, report)


def _traded(report: SessionReport) -> list[tuple[str, object]]:
    return [
        ("trades", _trades(report)),
        *_taken_in(report),
        ("net P&L", _toned(report)),
        ("refused", _counted(report.refusals, "signals") or "none"),
        ("held back", _counted(report.held_back, "cycles") or "none"),
    ]


def _guarded(report: SessionReport) -> list[tuple[str, object]]:
    """What happened on the account is whoever's traded it: no statistics of a strategy."""
    own, _ = _own(report)
    net = sum((trade.net for trade in own), Decimal(0))
    closed = f"{counted(len(own), 'position')} closed meanwhile, by whoever trades (net {amount(net, report.currency)})"
    bare = [held.position.symbol for held in report.held if held.protection != "covered"]
    return [
        ("guard", "no strategy, no entries"),
        ("account", closed if own else "no position was closed meanwhile"),
        ("not protected", Cell(", ".join(bare), "bad") if bare else "none"),
        ("not fenced", Cell("what else trades this account goes on, unguarded from now", "warn")),
    ]


def _counted(counts: tuple[tuple[str, int], ...], of_what: str) -> str:
    return ", ".join(f"{code} ({count} {of_what if count > 1 else of_what[:-1]})" for code, count in counts)


def _own(report: SessionReport) -> tuple[list[ClosedTrade], list[ClosedTrade]]:
    """(trades that closed in this run, those that had closed before its first look and were only booked by it)"""
    own = [trade for trade in report.trades if trade.closed_ms >= report.venue_from_ms]
    return own, [trade for trade in report.trades if trade.closed_ms < report.venue_from_ms]


def _carried(report: SessionReport, own: list[ClosedTrade]) -> list[ClosedTrade]:
    return [trade for trade in own if trade.opened_ms < report.venue_from_ms]


def _trades(report: SessionReport) -> str:
    own, _ = _own(report)
    won = sum(trade.net >= 0 for trade in own)
    carried = len(_carried(report, own))
    since = f" ({carried} carried: opened before this run)" if carried else ""
    came = f"{report.entries} entries from {report.signals} signals"
    return f"{len(own)} closed{since}, {won} won, {len(own) - won} lost; {came}"


def _taken_in(report: SessionReport) -> list[tuple[str, object]]:
    _, earlier = _own(report)
    if not earlier:
        return []
    net = sum((trade.net for trade in earlier), Decimal(0))
    return [
        ("taken in", f"{len(earlier)} closed before this run, only booked by it (net {amount(net, report.currency)})")
    ]


def _toned(report: SessionReport) -> Cell:
    own, _ = _own(report)
    net, fees, funding = (
        amount(sum((getattr(trade, name) for trade in own), Decimal(0)), report.currency)
        for name in ("net", "fees", "funding")
    )
    gained = sum((trade.net for trade in own), Decimal(0)) >= 0
    return Cell(f"{net} (fees {fees}, funding {funding})", "good" if gained else "warn")


def _trade_row(trade: ClosedTrade) -> tuple[object, ...]:
    r_multiple = trade.r_multiple
    return (
        f"#{trade.number} {trade.symbol}",
        trade.side.value,
        text(trade.entry_price.normalize()),
        text(trade.exit_price.normalize()),
        Cell(f"{trade.net:.2f}", "good" if trade.net >= 0 else "warn"),
        f"{r_multiple:.2f}" if r_multiple is not None else "-",
        trade.exit_reason,
        _minute(trade.closed_ms),
    )


def _positions(screen: Screen, report: SessionReport) -> None:
    if not report.held:
        screen.text("No position is open.")
        return
    screen.table(
        ("position", "side", "size", "entry", "mark", "unrealised", "stop", "protected"),
        [
            (
                held.position.symbol,
                held.position.side.value,
                text(abs(held.position.qty)),
                f"{held.position.entry_price:.4f}",
                text(held.position.mark_price),
                f"{held.position.unrealised:.2f}",
                text(held.stop_price) if held.stop_price is not None else "none",
                Cell(held.protection, "good" if held.protection == "covered" else "bad"),
            )
            for held in report.held
        ],
        title=f"Still open (the exchange keeps {'the' if report.guard else 'their'} stops while the bot is down)",
    )


def _next(screen: Screen, report: SessionReport) -> None:
    symbol = report.held[0].position.symbol if report.held else report.trades[0].symbol if report.trades else "SYMBOL"
    tool, store = _tool(), _near(report.state_path)
    screen.blank()
    if report.guard:
        rows = [
            ("what stands now", f"{tool} state show --state {store}"),
            ("what is covered", f"{tool} stops list --state {store}"),
            ("place what lacks", f"{tool} stops place-missing --apply --state {store}"),
            ("cancel what adds", f"{tool} killswitch activate --state {store}"),
        ]
    else:
        rows = [
            ("what stands now", f"{tool} state show --state {store}"),
            ("why (not) a trade", f"{tool} why {symbol} --state {store}"),
            ("every trade", f"{tool} trades --state {store}"),
            ("stop all entries", f"{tool} killswitch activate --state {store}"),
        ]
    screen.facts([*rows, ("the log", report.log_path)], title="Next")


def _tool() -> str:
    """The program as it can be typed here: by its name where the shell finds it, else by the path it was run by."""
    if shutil.which(PROGRAM) is None and os.path.basename(sys.argv[0]) == PROGRAM:
        return _near(sys.argv[0])
    return PROGRAM


def _near(path: str) -> str:
    """Short where it lies below the working directory; a command in a terminal of 80 columns stays on its line."""
    short = os.path.relpath(path)
    return path if short.startswith(os.pardir) else short


def _minute(at_ms: int) -> str:
    return utc_text(at_ms)[:16].replace("T", " ")
