"""A process of a scenario: its own clocks, its own connections, and a moment at which it may die.

Everything that a process does is a step: each change to a store, each request that leaves, each answer that arrives.
A process that dies at one goes no further, whatever `finally` blocks it has on its way out: every later step raises
again. What it had under way on the network arrives all the same.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar

from tradectl.operations import opening
from tradectl.scenarios.virtual import milliseconds
from tradectl.store import database, lease
from tradectl.store.lease import Holder, Processes
from tradectl.store.mortal import connection_of

T = TypeVar("T")
HOST = "scenario"


class Died(BaseException):
    """The process is gone. No `except Exception` of the product sees it."""


@dataclass(slots=True)
class Steps:
    """Counts the steps of processes, and says at which of them one dies."""

    fatal: int = 0  # 0: at none
    taken: int = 0
    log: list[str] | None = None  # what each step was, where somebody wants to know
    fatal_at: str = ""  # how the step begins at which it dies: 'send place'; '': at none

    def take(self, what: str) -> bool:
        self.taken += 1
        if self.log is not None:
            self.log.append(what)
        return self.taken == self.fatal or bool(self.fatal_at and what.startswith(self.fatal_at))


@dataclass(slots=True)
class Machine:
    """One process on one machine. `pid` tells it apart in leases; a restart is another Machine."""

    pid: int
    start_ms: int  # true UTC time at which the scenario began
    steps: Steps = field(default_factory=Steps)
    wall_offset_ms: int = 0  # how wrong this machine's clock is
    disk: str = ""
    dead: bool = False
    connections: list[Any] = field(default_factory=list)
    living: Callable[[int], bool] = lambda pid: False
    open_sim: Callable[[Any], Any] | None = None

    def true_ms(self) -> int:
        return self.start_ms + milliseconds(asyncio.get_running_loop())

    def wall_ms(self) -> int:
        return self.true_ms() + self.wall_offset_ms

    def monotonic_ms(self) -> int:
        return milliseconds(asyncio.get_running_loop())

    def step(self, what: str) -> None:
        """Raises Died at the step where this process dies, and at every one after it."""
        if self.dead:
            raise Died
        if what and self.steps.take(what):
            self.dead = True
            raise Died

    def opened(self, conn: Any) -> None:
        self.connections.append(conn)

    def kill(self) -> None:
        """It dies where it stands: at its next step of any kind."""
        self.dead = True

    def bury(self) -> None:
        """What the system does with a dead process: its files are closed, and what was not committed is rolled back."""
        self.dead = True
        for conn in self.connections:
            conn.close()
        self.connections.clear()

    def context(self) -> contextvars.Context:
        """The context in which this process's code runs."""
        context = contextvars.copy_context()
        context.run(self._settle_in)
        return context

    def spawn(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Runs a coroutine as (part of) this process."""
        return asyncio.get_running_loop().create_task(work, context=self.context())

    def _settle_in(self) -> None:
        database.CONNECTION.set(connection_of(self))
        lease.PROCESSES.set(Processes(self._holder, lambda one: self.living(one.pid)))
        if self.open_sim is not None:
            opening.MACHINE.set(opening.Machine(self.wall_ms, self.open_sim))

    def _holder(self) -> Holder:
        return Holder(self.pid, HOST, "boot", str(self.pid))
