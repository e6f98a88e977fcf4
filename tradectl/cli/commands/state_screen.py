"""How `state show` looks: the answer first, then what an operator asks next, in that order."""

from tradectl.cli.figures import price, signed, size
from tradectl.cli.render import Cell, Screen
from tradectl.domain.money import amount, text
from tradectl.operations.bot_life import Life
from tradectl.operations.limit_lines import LimitLine, figure
from tradectl.operations.state_page import PositionLine, StatePage
from tradectl.operations.times import ago, span, when
from tradectl.store import guard

_TONES = {"NORMAL": "good", "PAUSED": "warn", "DEGRADED": "warn", "HALTED": "bad"}
WIDE = 80  # characters; below, a limit is a sentence and not a row
_LIFE = {Life.RUNNING: "good", Life.STALE: "bad", Life.NOT_RUNNING: "warn"}


def draw(screen: Screen, page: StatePage) -> None:
    tone = _TONES[page.state.value]
    held_back = not page.entries_allowed and not (page.guard and page.bot.status is Life.RUNNING)
    screen.text(page.answer, "warn" if tone == "good" and held_back else tone)
    screen.text(f"{page.identity} · {page.store.path}")
    screen.text(f"bot {page.bot.status.value}: {page.bot.sentence}", _LIFE[page.bot.status])
    if page.guard:
        screen.text(f"guard: {guard.NOT_FENCED}", "warn")
    for warning in page.warnings:
        screen.text(f"! {warning}", "bad")
    screen.blank()
    _latches(screen, page)
    _account(screen, page)
    _limits(screen, page)
    _doubts(screen, page)
    _rest(screen, page)


def _latches(screen: Screen, page: StatePage) -> None:
    if not page.latches and page.halt_file is None:
        screen.text("Latches: none")
        return
    screen.title("Latches")
    if page.halt_file is not None:
        screen.text(f"halt file {page.halt_file}: {' · '.join((page.halt_reason or '').splitlines())}", "bad")
    for latch in page.latches:
        scope = f" on {latch.scope}" if latch.scope else ""
        since = f"{when(latch.since_ms)}, {ago(latch.since_ms, page.now_ms)}"
        screen.text(f"{latch.name}{scope}: set {since}, by {latch.by}: {latch.reason or 'no reason given'}", "warn")
        screen.text(f"  effect: {latch.effect}")
        screen.text(f"  cleared by: {latch.cleared_by}")


def _as_of(page: StatePage) -> str:
    """Of the account and its positions."""
    if page.account is not None and page.by_operator:
        return f"as of {when(page.account.at_ms)}, seen by an operator's command"
    return _cycle(page)


def _cycle(page: StatePage) -> str:
    """Of what only the bot's cycles write."""
    if page.account is None or page.bot.cycle_venue_ms is None:
        return "no cycle was completed yet"
    aged = f", {span(page.age_ms)} ago" if page.age_ms is not None else ""
    return f"as of {when(page.bot.cycle_venue_ms)}, cycle {page.bot.cycle}{aged}"


def _account(screen: Screen, page: StatePage) -> None:
    if page.account is not None:
        money = page.account
        screen.text(
            f"Equity {amount(money.equity, money.currency)} (wallet {amount(money.wallet_balance)}, unrealised "
            f"{signed(money.unrealised)}, available {amount(money.available)})"
        )
    screen.blank()
    if page.account is not None and not page.positions:
        screen.text(f"Positions: none ({_as_of(page)})")
    else:
        screen.table(
            ("symbol", "side", "size", "entry", "mark", "uPnL", "stop", "covered"),
            [_position(line, page) for line in page.positions],
            title=f"Positions ({_as_of(page)})",
            empty="the bot has not looked at the venue yet",
        )
    if page.outdated and (page.positions or page.books_only):
        screen.text("no bot keeps this picture up to date; now:", "warn")
        screen.command(f"tradectl stops list --state {page.store.path}")
    if page.account is None:
        for symbol, qty in page.books_only.items():
            screen.text(f"the books hold {text(qty)} {symbol}", "warn")


def _position(line: PositionLine, page: StatePage) -> tuple[object, ...]:
    covered = {"covered": "covered", "naked": "NAKED"}.get(line.protection, f"only {text(line.covered_qty)}")
    if line.naked_since_ms is not None and line.protection != "covered":
        covered += f" since {when(line.naked_since_ms)}"
    if page.outdated and page.account is not None:
        covered += f" when last seen {when(page.account.at_ms)[11:]}"
    return (
        line.symbol,
        line.side,
        line.qty,
        price(line.entry_price),
        price(line.mark_price),
        Cell(signed(line.unrealised), "bad" if line.unrealised < 0 else "good"),
        price(line.stop_price),
        Cell(covered, "bad" if line.protection != "covered" else "warn" if page.outdated else "good"),
    )


def _limits(screen: Screen, page: StatePage) -> None:
    screen.blank()
    if screen.width < WIDE and page.limits:
        screen.title(f"Limits ({_cycle(page)})")
        screen.facts([(line.name, _in_words(line)) for line in page.limits])
    else:
        _limit_table(screen, page)
    for line in page.limits:
        if line.source:
            screen.text(f"  {line.name}: {line.source} binds")
    groups: dict[str, list[str]] = {}
    for line in page.limits:
        groups.setdefault(line.clears, []).append(line.name)
    for clears, names in groups.items():
        screen.text(f"  {', '.join(names)}: cleared by {clears}")


def _in_words(line: LimitLine) -> Cell:
    at_most = f" of {figure(line.limit, line.unit)}" if line.limit is not None else ""
    return Cell(f"{figure(line.value, line.unit)}{at_most}: {line.sentence}", "bad" if line.breached else "")


def _limit_table(screen: Screen, page: StatePage) -> None:
    screen.table(
        ("limit", "now", "at most", "headroom"),
        [
            (
                Cell(line.name, "bad" if line.breached else ""),
                figure(line.value, line.unit),
                figure(line.limit, line.unit),
                Cell(line.sentence, "bad" if line.breached else ""),
            )
            for line in page.limits
        ],
        title=f"Limits ({_cycle(page)})",
        empty="not known yet: the bot writes them with every cycle",
    )


def _doubts(screen: Screen, page: StatePage) -> None:
    screen.blank()
    if not page.doubts:
        screen.text("Orders in doubt: none")
        return
    screen.table(
        ("order", "symbol", "what", "size", "state", "sent", "searches"),
        [
            (
                doubt.client_id,
                doubt.symbol,
                f"{doubt.purpose} {doubt.side}",
                doubt.qty,
                Cell(doubt.state, "bad"),
                when(doubt.created_ms),
                doubt.searches,
            )
            for doubt in page.doubts
        ],
        title="Orders in doubt (the bot asks the venue about them; it resends none)",
    )


def _rest(screen: Screen, page: StatePage) -> None:
    session, store = page.session, page.store
    if session is None:
        running = "none was started yet"
    else:
        end = f"ended {when(session.ended_ms)}: {session.end_reason}" if session.ended_ms is not None else "open"
        entries = "" if session.guard else f"{session.entries} entries "
        since = f"{entries}since {when(session.started_ms)}"
        running = f"{session.number} ({session.mode}), {since}, {end}"
    rows: list[tuple[str, object]] = [("session", running)]
    rows += [
        ("override", Cell(f"{act.what} by {act.by}, {ago(act.at_ms, page.now_ms)}: {act.reason}", "warn"))
        for act in page.overrides
    ]
    rows += [
        (
            "store",
            f"{size(store.size_bytes)}, schema {store.schema}, SQLite {store.sqlite}, {store.journal_rows} journal "
            f"rows, mode {store.mode:04o}",
        ),
        ("last backup", page.last_backup or "none beside the store (tradectl state backup)"),
    ]
    screen.facts(rows)
