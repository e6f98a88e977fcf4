"""A command's help page: what it does, an example to copy, and the exit codes a script can meet."""

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple, TypeVar

from tradectl.errors import ExitCode

MEANING: Mapping[ExitCode, str] = {
    ExitCode.OK: "done and verified",
    ExitCode.DRIFT: "drift or warning, or fenced but not verified",
    ExitCode.REFUSED: "refused, conflict or failure",
    ExitCode.USAGE: "bad usage, or the tool itself failed",
    ExitCode.BUSY: "the store is busy or the venue unreachable: try again",
    ExitCode.CONFIG: "configuration invalid",
    ExitCode.LEASE: "another bot holds this account",
}

Command = TypeVar("Command", bound=Callable[..., object])
ATTRIBUTE = "__page__"


class Page(NamedTuple):
    help: str
    epilog: str


def epilog(example: str | Iterable[str], exits: Iterable[ExitCode] | Mapping[ExitCode, str]) -> str:
    """The end of a help page. `exits` may be a mapping to say what a code means for this command in particular."""
    own = exits if isinstance(exits, Mapping) else {}
    codes = sorted({*exits, ExitCode.USAGE})
    examples = [example] if isinstance(example, str) else list(example)
    # \b keeps the parser from joining the lines of a block.
    return "\n".join(
        [
            "\b",
            "Example:",
            *(f"  {line}" for line in examples),
            "",
            "\b",
            "Exit codes:",
            *(f"  {code.value:<3} {own.get(code, MEANING[code])}" for code in codes),
        ]
    )


def page(
    help: str, *, example: str | Iterable[str], exits: Iterable[ExitCode] | Mapping[ExitCode, str]
) -> Callable[[Command], Command]:
    """Decorator that gives a command function its help page."""
    built = Page(help, epilog(example, exits))

    def mark(command: Command) -> Command:
        setattr(command, ATTRIBUTE, built)
        return command

    return mark
