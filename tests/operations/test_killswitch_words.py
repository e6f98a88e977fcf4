"""What the kill switch says and asks: it is cleared only on a yes, and what it says of itself is true (3, 9, 11)."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys

import page_kit
import pytest
from desk import ROOT, Account, tradectl

from tradectl.store import halt, journal

CLEAR = ("killswitch", "clear", "--approver", "bea", "--reason", "all well")
FLATTEN = ("killswitch", "activate", "--flatten")


def active(acct: Account) -> bool:
    return acct.tradectl("killswitch", "status").code == 1


@pytest.mark.parametrize("typed", ["", "n\n", "y\n"])
def test_without_a_terminal_nothing_is_cleared_but_by_a_yes_on_the_line(acct: Account, typed: str) -> None:
    acct.tradectl("killswitch", "activate")
    ran = acct.tradectl(*CLEAR, stdin=typed)
    assert ran.code == 2 and "needs a confirmation" in ran.err and active(acct)
    assert acct.tradectl(*CLEAR, "--json").code == 2 and active(acct)
    assert acct.tradectl(*CLEAR, "--yes").code == 0 and not active(acct)


@pytest.mark.parametrize(("typed", "code"), [("n\n", 2), ("y\n", 0)])
@pytest.mark.parametrize("args", [(), ("--json",)], ids=["text", "json"])
def test_on_a_terminal_it_asks(acct: Account, typed: str, code: int, args: tuple[str, ...]) -> None:
    acct.tradectl("killswitch", "activate")
    ran = page_kit.on_terminal(*CLEAR, *args, "--state", acct.store, typed=typed)
    assert ran.code == code and "Let entries go again?" in ran.out
    assert active(acct) is (code == 2)


@pytest.mark.parametrize("how", ["n", "ctrl-c"])
def test_flatten_that_is_declined_says_that_fence_and_sweep_stand(acct: Account, how: str) -> None:
    acct.long()
    entry = acct.resting()
    ours, theirs = pty.openpty()
    argv = [sys.executable, "-m", "tradectl", *FLATTEN, "--state", str(acct.store)]
    env = {**os.environ, "COLUMNS": "250", "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(argv, stdin=theirs, stdout=theirs, stderr=theirs, env=env)
    os.close(theirs)
    shown = b""
    while b"[y/N]" not in shown:
        shown += os.read(ours, 65536)
    if how == "n":
        os.write(ours, b"n\n")
    else:
        process.send_signal(signal.SIGINT)
    try:
        while part := os.read(ours, 65536):
            shown += part
    except OSError:
        pass
    assert process.wait(20) == 1
    os.close(ours)
    said = shown.decode()
    assert "the fence stands, swept: 2 cancelled, 1 kept; positions stay open" in said, said
    assert "nothing was changed" not in said and "Traceback" not in said
    assert entry.order_id not in acct.orders() and len(acct.snapshot().positions) == 1
    with acct.db() as db, db.read() as conn:
        assert journal.latest(conn, 1, kind="operator")[0].body["cancelled_count"] == 2


def test_a_damaged_store_with_a_halt_file_is_said_to_be_halted_by_it(acct: Account) -> None:
    halt.write(str(acct.store), "kill switch: by hand")
    acct.store.write_bytes(b"not a database at all " * 500)
    status = acct.tradectl("killswitch", "status")
    named = f"ACTIVE by halt file {halt.halt_path(str(acct.store))}"
    assert status.code == 1 and named in status.out and "by hand" in status.out, status.all
    clear = acct.tradectl(*CLEAR, "--yes")
    assert clear.code == 2 and named in clear.err and halt.read(str(acct.store)) is not None


def test_without_any_store_named_one_that_lies_near_is_named(acct: Account) -> None:
    near = acct.folder / "data" / "spare-paper.db"
    near.parent.mkdir()
    near.write_bytes(acct.store.read_bytes())
    ran = tradectl("killswitch", "activate", home=acct.folder)
    assert ran.code == 2 and "NOT FENCED" in ran.err and "one lies near: --state data/spare-paper.db" in ran.err


def test_where_the_venue_cannot_be_read_it_points_to_the_venues_own_page(acct: Account) -> None:
    acct.exchange.rename(acct.exchange.with_suffix(".away"))
    ran = acct.tradectl("killswitch", "activate")
    assert ran.code == 1 and "the venue's own open-orders page" in ran.out
    assert "cancel what is listed above" not in ran.out


@pytest.mark.parametrize(
    ("args", "err"),
    [
        (("killswitch", "activate"), False),
        (("killswitch", "status"), False),
        ((*CLEAR, "--yes"), True),
        (("positions", "list"), False),
        (("exposure",), False),
    ],
    ids=["activate", "status", "clear", "positions", "exposure"],
)
def test_a_naked_position_is_covered_first_and_closed_second(acct: Account, args: tuple[str, ...], err: bool) -> None:
    acct.long(bracket=False)
    if args[-1] in ("status", "--yes"):
        acct.tradectl("killswitch", "activate")
    ran = acct.tradectl(*args)
    said = ran.err if err else ran.out
    cover = said.index(f"tradectl stops place-missing --apply --symbol BTCUSDT --state {acct.store}")
    assert cover < said.index("tradectl positions close BTCUSDT")
    if args[0] == "positions":
        assert "unknown" in said, "nobody measured how long"


def test_ctrl_c_while_it_sweeps_says_that_the_fence_stands(acct: Account) -> None:
    """Stopped in the first look at the venue, which hangs."""
    program = (
        "import asyncio, sys; from tradectl.sim import venue\n"
        "async def hangs(self):\n    print('looking', flush=True)\n    await asyncio.sleep(60)\n"
        "venue.SimVenue.snapshot = hangs\n"
        "from tradectl.__main__ import main; main()\n"
    )
    argv = [sys.executable, "-c", program, "killswitch", "activate", "--state", str(acct.store)]
    process = subprocess.Popen(
        argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    assert process.stdout is not None
    while "looking" not in (line := process.stdout.readline()):
        assert line
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    assert "interrupted: the fence stands; the sweep did not end" in err and "Traceback" not in err
    assert f"tradectl killswitch activate --state {acct.store}" in err and active(acct)
