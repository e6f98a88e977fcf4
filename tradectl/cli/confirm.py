"""The question before something is changed. It is asked on stderr, so that stdout stays the answer.

`--yes` answers it beforehand; it skips the question, never the checks. Where nobody can be asked, the command is
refused rather than assumed.
"""

from tradectl.cli.context import Invocation
from tradectl.errors import Refused


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
    print(prompt, end="", file=inv.stderr, flush=True)
    return inv.stdin.readline().strip()
