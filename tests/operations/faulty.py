"""The real executable on an exchange that misbehaves: faults and happenings at a given call of the venue's port.

Each rule names a call ('snapshot', 'place', 'cancel', 'find_order', …), its symbol if that matters, and from which such
call on it holds. What happens: 'refuse', 'drop' (the request is lost), 'lose' (the answer is), or a happening: an order
id that somebody else cancels just before the call, or a symbol whose position somebody else closes. 'refuse:CODE' is
refused with the venue's code. 'lag' of a snapshot: its list of conditional orders comes back empty.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict, dataclass

from desk import ROOT, Account, Ran

PROGRAM = """
import asyncio, json, sys
from pathlib import Path
from tradectl.domain.order import OrderRequest, OrderType
from tradectl.sim import embedded
from tradectl.sim.faults import CONDITIONAL, Distort
from tradectl.sim.faults import DropRequest, LoseAnswer, Refuse

rules = json.loads(sys.argv.pop(1))
seen = [0] * len(rules)
real = embedded.open_existing

def somebody_else(rule, path):
    venue = real(path, wall_ms=lambda: 0).venue
    async def act():
        now = await venue.server_time_ms()
        if rule["cancels"]:
            order = next(one for one in (await venue.snapshot()).orders if one.order_id == rule["cancels"])
            await venue.cancel(order.symbol, order.order_id, now, now + 5000)
        if rule["closes"]:
            held = (await venue.snapshot()).position(rule["closes"])
            await venue.place(OrderRequest("else-1", held.symbol, held.side.closing, OrderType.MARKET, abs(held.qty),
                                           now, now + 5000, reduce_only=True))
        await venue.close()
    return act()

class Plan:
    def __init__(self, path):
        self.path = path

    def holds(self, call, behind):
        for at, rule in enumerate(rules):
            if call.name != rule["call"] or (rule["symbol"] and call.symbol != rule["symbol"]):
                continue
            if behind != (rule["what"] == "lose"):
                continue
            seen[at] += 1
            if rule["nth"] <= seen[at] < rule["nth"] + rule["times"]:
                return rule
        return None

    def before(self, call):
        rule = self.holds(call, False)
        if rule is None:
            return None
        if rule["cancels"] or rule["closes"]:
            loop = somebody_else(rule, self.path)
            try:
                loop.send(None)
            except StopIteration:
                pass
            return None
        if rule["what"] == "lag":
            return Distort(empty=frozenset({CONDITIONAL}))
        what, _, code = rule["what"].partition(":")
        return Refuse(code or "engine_busy", "the order was not executed") if what == "refuse" else DropRequest()

    def after(self, call):
        return LoseAnswer() if self.holds(call, True) else None

def open_existing(path, **rest):
    return real(path, faults=Plan(path), **rest)

embedded.open_existing = open_existing
from tradectl.__main__ import main
main()
"""


@dataclass(frozen=True)
class Rule:
    call: str
    what: str = ""
    symbol: str = ""
    nth: int = 1
    times: int = 1_000_000
    cancels: str = ""
    closes: str = ""


def tradectl(acct: Account, *args: str, rules: tuple[Rule, ...], **env: str) -> Ran:
    clean = {key: value for key, value in os.environ.items() if not key.startswith("TRADECTL")}
    clean |= {"XDG_STATE_HOME": str(acct.folder / "xdg"), "USER": "ann", "PYTHONPATH": str(ROOT), **env}
    for name in ("SUDO_USER", "LOGNAME"):
        clean.pop(name, None)
    told = json.dumps([asdict(rule) for rule in rules])
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, told, *args, "--state", str(acct.store)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        cwd=acct.folder,
        env=clean,
        check=False,
    )
    return Ran(done.returncode, done.stdout, done.stderr)
