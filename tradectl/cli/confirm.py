"""The question before something is changed. It is asked on stderr, so that stdout stays the answer.

`--yes` answers it beforehand; it skips the question, never the checks. Where nobody can be asked, the command is
refused rather than assumed. Ctrl-C is an answer too: nothing is changed, at the first press.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from tradectl.cli.context import Invocation
from tradectl.cli.render import Screen
from tradectl.errors import Refused


def plan_screen(inv: Invocation) -> Screen | None:
    """Where a plan is shown before its question: with --json on stderr, if somebody is asked; else nowhere."""
    if not inv.json:
        return Screen(inv)
    return Screen(replace(inv, stdout=inv.stderr)) if inv.asks and not inv.yes else None


def confirm(inv: Invocation, question: str) -> None:
    """Asks y/N. Raises Refused unless the answer is yes."""
    if inv.yes:
        return
    if _ask(inv, f"{question} [y/N] ").casefold() not in ("y", "yes"):
        raise Refused("not confirmed: nothing was changed")


def confirm_word(inv: Invocation, question: str, word: str) -> None:
    """Asks for an exact word (an account's name, a symbol). Raises Refused for anything else."""
    if inv.yes:
        return
    if _ask(inv, f"{question} Type {word} to go on: ") != word:
        raise Refused(f"not confirmed: nothing was changed ('{word}' was not typed)")


def _ask(inv: Invocation, prompt: str) -> str:
    if not inv.asks:
        raise Refused(
            "this needs a confirmation, and nobody can be asked",
            why="standard input is not a terminal",
            hint="look at the plan, then repeat the command with --yes",
        )
    inv.stdout.flush()
    try:
        with _interruptible():
            print(prompt, end="", file=inv.stderr, flush=True)
            return inv.stdin.readline().strip()
    except KeyboardInterrupt:
        print(file=inv.stderr)
        raise KeyboardInterrupt("nothing was changed") from None


@contextmanager
def _interruptible() -> Iterator[None]:
    """Ctrl-C raises at once. Questions are asked inside a running event loop, whose own handler would only take note
    of it: the answer typed after that would still count."""
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or before in (None, signal.SIG_IGN):
        yield
        return
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
