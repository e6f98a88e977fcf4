"""`state show` where no bot keeps its picture: a command leaves what it saw, and nothing old looks fresh."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import page_kit
import pytest
from desk import Account, tick

from tradectl.store import cycles, views

D = Decimal


def seen_by_a_bot(acct: Account) -> None:
    """The picture of a bot that has ended since."""
    snapshot = acct.snapshot()
    with acct.db() as db, db.transaction() as conn:
        views.save_account(conn, snapshot)
        cycles.save_progress(conn, cycles.Progress(7, snapshot.at_ms, page_kit.wall_ms()))


def cancel_the_stop(acct: Account) -> tuple[str, ...]:
    (stop,) = [order for order in acct.snapshot().orders if order.protective]
    return ("orders", "cancel", stop.order_id, "--override", "--reason", "mine", "--yes")


def close(acct: Account) -> tuple[str, ...]:
    return ("positions", "close", "btc", "--reason", "out", "--yes")


def close_all(acct: Account) -> tuple[str, ...]:
    return ("flatten", "--reason", "out", "--yes")


def move(acct: Account) -> tuple[str, ...]:
    return ("stops", "move", "btc", str(tick(acct.price() * D("0.95"))), "--yes")


def shown(acct: Account) -> dict[str, Any]:
    return acct.tradectl("state", "show", "--json").json


@pytest.mark.parametrize(
    ("command", "left"),
    [(cancel_the_stop, ["naked"]), (close, []), (close_all, []), (move, ["covered"])],
    ids=["orders cancel", "positions close", "flatten", "stops move"],
)
def test_what_a_command_did_is_what_the_page_shows(
    acct: Account, command: Callable[[Account], tuple[str, ...]], left: list[str]
) -> None:
    acct.entered()
    seen_by_a_bot(acct)
    assert [line["protection"] for line in shown(acct)["positions"]] == ["covered"]
    args = command(acct)
    acct.tradectl(*args)
    page = shown(acct)
    assert [line["protection"] for line in page["positions"]] == left
    if command is move:
        assert page["positions"][0]["stop_price"] == args[3]
    assert page["outdated"] is True and page["by_operator"] is (
        page["account"]["at_ms"] > page["bot"]["cycle_venue_ms"]
    )


@pytest.mark.parametrize("verb", ["place-missing", "activate", "reconcile"])
def test_so_it_is_after_the_other_ones(acct: Account, verb: str) -> None:
    acct.entered()
    seen_by_a_bot(acct)
    (stop,) = [order for order in acct.snapshot().orders if order.protective]
    acct.tradectl("orders", "cancel", stop.order_id, "--override", "--reason", "mine", "--yes")
    args = {
        "place-missing": ("stops", "place-missing", "--apply", "--yes"),
        "activate": ("killswitch", "activate", "--reason", "x"),
        "reconcile": ("reconcile", "--apply", "--yes", "--reason", "x"),
    }[verb]
    acct.tradectl(*args)
    expected = "naked" if verb == "activate" else "covered"
    assert [line["protection"] for line in shown(acct)["positions"]] == [expected]


def test_a_picture_that_no_bot_keeps_is_never_simply_covered(acct: Account) -> None:
    acct.entered()
    seen_by_a_bot(acct)
    out = acct.tradectl("state", "show").out
    assert "covered when last seen" in out
    assert f"  tradectl stops list --state {acct.store}" in out.splitlines()
    terminal = page_kit.on_terminal("state", "show", "--state", acct.store, columns=200, color=True).out
    (row,) = [line for line in terminal.splitlines() if "when last seen" in line]
    assert "\x1b[33m" in row and "\x1b[32mcovered" not in row


def test_an_older_picture_never_takes_the_place_of_a_later_one(acct: Account) -> None:
    acct.entered()
    later = acct.snapshot()
    with acct.db() as db, db.transaction() as conn:
        views.save_account(conn, page_kit.snapshot())  # years ahead of this exchange's clock
    acct.tradectl(*close(acct))
    assert later.at_ms < page_kit.VENUE_MS and shown(acct)["account"]["at_ms"] == page_kit.VENUE_MS
