"""Guard sessions: the bot trades nothing, and watches an account that something else trades.

A session's mode tells it, as 'paper guard', so that whoever reads the store knows: no entry is recorded in it, and a
kill switch fences nobody. Standard library only: the fast path reads it.
"""

_MARK = "guard"
NOT_FENCED = "what else trades this account is not fenced"
WHY = "a guard session: the entries of this account are not the bot's own, and no latch reaches whoever places them"


def mode_of(mode: str) -> str:
    """How the mode of a guard session is written."""
    return f"{mode} {_MARK}"


def is_guard(mode: str) -> bool:
    """Whether a session of this mode is a guard session."""
    return mode.split(" ")[-1] == _MARK
