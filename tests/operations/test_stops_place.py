"""`stops place-missing`: planned, placed once, verified by a fresh read (promises 1, 5, 7)."""

from __future__ import annotations

import subprocess
import sys
from decimal import Decimal

import faulty
import pytest
from desk import ROOT, Account, hold_lock, let_go, tick
from faulty import Rule

from tradectl.domain.intent import stop_draft
from tradectl.domain.lifecycle import Origin
from tradectl.domain.order import OrderFact, OrderSide, OrderType, TriggerBy
from tradectl.domain.position import Protection, Side, coverage
from tradectl.store import emergency, intents, journal, positions

D = Decimal
LOOK = ("stops", "place-missing")
PLACE = ("stops", "place-missing", "--apply", "--yes")


def stops(acct: Account, symbol: str = "BTCUSDT") -> list[OrderFact]:
    return [order for order in acct.snapshot().orders if order.protective and order.symbol == symbol]


def covered(acct: Account, symbol: str = "BTCUSDT") -> bool:
    snapshot = acct.snapshot()
    position = snapshot.position(symbol)
    assert position is not None
    return coverage(position, snapshot.orders).protection is Protection.COVERED


def test_a_look_changes_nothing_and_is_1(acct: Account) -> None:
    acct.long(bracket=False)
    ran = acct.tradectl(*LOOK)
    assert ran.code == 1 and stops(acct) == []
    assert f"  tradectl stops place-missing --apply --state {acct.store}" in ran.out.splitlines()


def test_it_is_placed_recorded_journalled_and_read_again(acct: Account) -> None:
    acct.long(qty="0.010", bracket=False)
    ran = acct.tradectl(*PLACE, "--reason", "naked")
    assert ran.code == 0, ran.all
    (stop,) = stops(acct)
    assert stop.reduce_only and stop.qty == D("0.010") and covered(acct)
    assert "COVERED: 1 of 1 position covered now" in ran.out
    with acct.db() as db, db.read() as conn:
        (made,) = intents.latest(conn, None, 5)
        act = journal.latest(conn, 1, kind="operator")[0]
    assert (made.purpose.value, made.actor, made.client_id) == ("stop", "ann", stop.client_id)
    assert (act.subject, act.body["reason"]) == ("stops place-missing", "naked")


def test_run_twice_it_places_once(acct: Account) -> None:
    acct.long(bracket=False)
    assert acct.tradectl(*PLACE).code == 0
    again = acct.tradectl(*PLACE)
    assert again.code == 0 and len(stops(acct)) == 1
    assert "nothing is missing" in again.out


def test_run_from_two_terminals_at_once_it_places_once(acct: Account) -> None:
    acct.long(bracket=False)
    argv = [sys.executable, "-m", "tradectl", *PLACE, "--state", str(acct.store)]
    env = {"PYTHONPATH": str(ROOT), "XDG_STATE_HOME": str(acct.folder / "xdg"), "PATH": "/usr/bin:/bin", "USER": "ann"}
    both = [subprocess.Popen(argv, env=env, cwd=acct.folder, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = [one.communicate(timeout=60)[0] for one in both]
    assert [one.returncode for one in both] == [0, 0], said
    assert len(stops(acct)) == 1 and covered(acct)


def test_only_what_is_missing_is_placed_at_the_level_that_stands(acct: Account) -> None:
    acct.long(qty="0.010", bracket=False)
    standing = acct.stop(qty="0.004")
    assert acct.tradectl(*PLACE).code == 0
    placed = [order for order in stops(acct) if order.order_id != standing.order_id]
    assert [(order.qty, order.trigger_price) for order in placed] == [(D("0.006"), standing.trigger_price)]


def test_of_ours_at_the_stored_level(acct: Account) -> None:
    sent = acct.entered(qty="0.010")
    (attached,) = stops(acct)
    now = acct.server_ms()
    import asyncio

    asyncio.run(acct.embedded.venue.cancel("BTCUSDT", attached.order_id, now, now + 5000))
    ran = acct.tradectl(*PLACE)
    assert ran.code == 0, ran.all
    assert sent.intent.stop is not None
    assert [order.trigger_price for order in stops(acct)] == [sent.intent.stop.trigger_price]
    assert "the stored stop" in ran.out


def breached(acct: Account) -> None:
    """A position whose stored stop lies above the market."""
    acct.place("BTCUSDT", OrderSide.BUY, OrderType.MARKET, "0.010")
    acct.stop(qty="0.004")
    with acct.db() as db, db.transaction() as conn:
        positions.take_over(
            conn, "BTCUSDT", Side.LONG, Origin.ADOPTED, trade_number=None, entry_qty=D("0.010"),
            stop_price=tick(acct.price() * D("1.05")), at_ms=acct.server_ms(),
        )  # fmt: skip


@pytest.mark.parametrize(
    ("choice", "code", "left"), [("", 2, True), ("skip", 1, True), ("tighten", 0, True), ("close", 0, False)]
)
def test_a_level_that_is_passed_is_the_operators_choice(acct: Account, choice: str, code: int, left: bool) -> None:
    breached(acct)
    ran = acct.tradectl(*PLACE, *(("--on-breached", choice) if choice else ()))
    assert ran.code == code, ran.all
    position = acct.snapshot().position("BTCUSDT")
    assert (position is not None and bool(position.qty)) is left
    if choice == "tighten":
        assert covered(acct)
    if not choice:
        assert "--on-breached tighten" in ran.out and "--on-breached close" in ran.out
        assert not covered(acct)


def test_a_wrong_choice_is_3(acct: Account) -> None:
    ran = acct.tradectl(*PLACE, "--on-breached", "panic")
    assert ran.code == 3 and "close, tighten or skip" in ran.err


def test_in_a_pipe_nothing_happens_without_a_yes(acct: Account) -> None:
    acct.long(bracket=False)
    ran = acct.tradectl("stops", "place-missing", "--apply")
    assert ran.code == 2 and stops(acct) == []
    assert "--yes" in ran.err


def test_with_the_store_locked_it_goes_through_the_emergency_journal(acct: Account) -> None:
    acct.long(bracket=False)
    holder = hold_lock(acct.store)
    try:
        ran = acct.tradectl(*PLACE)
        twice = acct.tradectl(*PLACE)
    finally:
        let_go(holder)
    assert ran.code == 0, ran.all
    assert twice.code == 0 and len(stops(acct)) == 1
    assert "recorded in the emergency journal" in ran.out
    kinds = [record["body"].get("step") for record in emergency.look(acct.store).records]
    assert kinds[:2] == ["recorded", "confirmed"]


@pytest.mark.parametrize("begin", ["BEGIN IMMEDIATE", "BEGIN EXCLUSIVE"])
def test_run_twice_with_the_store_locked_and_a_list_that_lags_it_places_once(acct: Account, begin: str) -> None:
    acct.long(bracket=False)
    lagging = (Rule("snapshot", "lag"),)
    holder = hold_lock(acct.store, begin)
    try:
        ran = [faulty.tradectl(acct, *PLACE, rules=lagging) for _ in range(2)]
    finally:
        let_go(holder)
    assert len(stops(acct)) == 1 and [one.code for one in ran] == [0, 0], ran[0].all + ran[1].all


def test_one_in_doubt_is_waited_for_with_the_store_locked_too(acct: Account) -> None:
    acct.long(bracket=False)
    holder = hold_lock(acct.store)
    try:
        first = faulty.tradectl(acct, *PLACE, rules=(Rule("place", "drop", times=1),))
        lost = emergency.look(acct.store).records[0]["body"]
        assert first.code == 2 and stops(acct) == []
        again = acct.tradectl(*PLACE)
    finally:
        let_go(holder)
    (stop,) = stops(acct)
    assert again.code == 0 and stop.created_ms > lost["expires_ms"]


def test_the_kill_switch_does_not_keep_a_stop_out(acct: Account) -> None:
    acct.long(bracket=False)
    assert acct.tradectl("killswitch", "activate").code == 1  # naked: not verified
    assert acct.tradectl(*PLACE).code == 0 and covered(acct)


@pytest.mark.parametrize("what", ["drop", "lose"])
def test_a_lost_answer_is_never_a_second_stop(acct: Account, what: str) -> None:
    acct.long(bracket=False)
    ran = faulty.tradectl(acct, *PLACE, rules=(Rule("place", what, times=1),))
    there = len(stops(acct))
    assert ran.code == (0 if what == "lose" else 2), ran.all
    again = acct.tradectl(*PLACE)
    assert again.code == 0, again.all
    assert len(stops(acct)) == 1 and there == (1 if what == "lose" else 0)


def test_a_stop_in_doubt_is_waited_for(acct: Account) -> None:
    """The bot's own stop is on its way: its window passes first, then what is there is seen."""
    acct.long(bracket=False)
    price = tick(acct.price() * D("0.9"))
    draft = stop_draft("BTCUSDT", Side.LONG, D("0.010"), price, TriggerBy.LAST, "bot's")
    waiting = acct.doubt(draft, age_ms=0)
    before = acct.server_ms()
    assert acct.tradectl(*PLACE).code == 0
    (stop,) = stops(acct)
    assert stop.created_ms > waiting.expires_ms >= before


def test_a_refused_stop_is_2_with_the_venues_words_and_the_way_out(acct: Account) -> None:
    acct.long(bracket=False)
    ran = faulty.tradectl(acct, *PLACE, rules=(Rule("place", "refuse"),))
    assert ran.code == 2 and stops(acct) == []
    assert "the order was not executed" in ran.out and "tradectl positions close BTCUSDT" in ran.out


def test_an_unreachable_venue_is_75_and_nothing_is_sent(acct: Account) -> None:
    acct.long(bracket=False)
    ran = faulty.tradectl(acct, *PLACE, rules=(Rule("snapshot", "drop"),))
    assert ran.code == 75 and stops(acct) == []


def test_one_market_alone_and_one_that_holds_nothing(acct: Account) -> None:
    acct.long("BTCUSDT", bracket=False)
    acct.long("ETHUSDT", "0.50", bracket=False)
    assert acct.tradectl(*PLACE, "--symbol", "eth").code == 0
    assert len(stops(acct, "ETHUSDT")) == 1 and stops(acct, "BTCUSDT") == []
    ran = acct.tradectl(*PLACE, "--symbol", "sol")
    assert ran.code == 3 and "not a symbol that the venue knows" in ran.err
    assert acct.tradectl("positions", "close", "btc", "--reason", "news", "--yes").code == 0
    flat = acct.tradectl(*PLACE, "--symbol", "btc")
    assert flat.code == 2 and "no position in BTCUSDT is open" in flat.err


def test_json_has_one_schema_with_and_without_apply(acct: Account) -> None:
    acct.long(bracket=False)
    look = acct.tradectl(*LOOK, "--json")
    assert look.json["schema"] == "tradectl/stops-place-missing/1" and look.json["applied"] is False
    done = acct.tradectl(*PLACE, "--json")
    assert done.json["applied"] is True and done.json["placed"][0]["covered"] is True
    assert set(look.json) == set(done.json)


def test_the_rules_are_the_named_configurations(acct: Account) -> None:
    acct.long(bracket=False)
    config = acct.folder / "mine.toml"
    config.write_text("[perps]\nstopLossPct = 0.02\ntriggerBy = 'MarkPrice'\n")
    ran = acct.tradectl("--config", str(config), *PLACE)
    assert ran.code == 0, ran.all
    (stop,) = stops(acct)
    mark = acct.snapshot().positions[0].mark_price
    assert stop.trigger_by is TriggerBy.MARK
    assert stop.trigger_price is not None and abs(stop.trigger_price / mark - D("0.98")) < D("0.001")


def test_beside_a_store_that_cannot_be_read_it_says_that_the_distance_is_a_default(acct: Account) -> None:
    acct.long(bracket=False)
    (acct.folder / "bot.toml").write_text("[perps]\nstopLossPct = 0.03\n")
    holder = hold_lock(acct.store, "BEGIN EXCLUSIVE")
    try:
        guessed = acct.tradectl(*LOOK)
        told = acct.tradectl(*LOOK, "--config", "bot.toml")
    finally:
        let_go(holder)
    assert "1.00% is the built-in default" in guessed.out and "--config FILE gives the bot's own" in guessed.out
    assert "built-in default" not in told.out


def test_nothing_is_asked_where_nothing_would_be_done_and_a_close_is_said_to_be_one(acct: Account) -> None:
    breached(acct)
    ran = acct.tradectl("stops", "place-missing", "--apply", "--on-breached", "skip")
    assert ran.code == 1 and "needs a confirmation" not in ran.err, ran.all
    out = acct.tradectl(*PLACE, "--on-breached", "close")
    assert out.code == 0 and "CLOSED: 1 position, read again at the venue" in out.out
    assert "COVERED" not in out.out
