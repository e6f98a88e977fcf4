"""What every command is told: files, faces and streams, read from the options of every command.

The options are accepted before and after the command's name (`tradectl --json state show`, `tradectl state show
--json`). A file given on the command line replaces the one from the environment.
"""

import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

import typer
from typer.core import TyperOption

from tradectl.errors import UsageError
from tradectl.store.actor import operator_name

__all__ = [
    "ENV_CONFIG", "ENV_STATE", "Given", "Invocation", "from_given", "invocation", "is_terminal", "operator_name",
    "shared_options", "typed_layers",
]  # fmt: skip

ENV_CONFIG = "TRADECTL_CONFIG"
ENV_STATE = "TRADECTL_STATE"


@dataclass(slots=True)
class Given:
    """What was typed so far. Lives in `ctx.obj`, filled while the arguments are parsed."""

    stdin: TextIO
    stdout: TextIO
    stderr: TextIO
    argv: tuple[str, ...] = ()
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Invocation:
    """One call of the tool, as commands see it.

    config:   the layered configuration files, first to last; empty means none was named.
    state:    the store's file, or None when it has to be found.
    json:     answer with one JSON document instead of text.
    color:    colour and tables are wanted and possible (terminal, no --no-color, no NO_COLOR).
    verbose:  0, 1, 2 …
    yes:      the question is answered already; the checks are not.
    """

    config: tuple[Path, ...]
    state: Path | None
    json: bool
    color: bool
    verbose: int
    yes: bool
    stdin: TextIO
    stdout: TextIO
    stderr: TextIO

    @property
    def asks(self) -> bool:
        """Somebody is there to answer a question."""
        return is_terminal(self.stdin)


def is_terminal(stream: TextIO) -> bool:
    return not stream.closed and stream.isatty()


def invocation(ctx: typer.Context, *, unnamed: bool = False) -> Invocation:
    """The invocation a command runs under.

    Raises UsageError for `--state ""` (a variable that was not set): another store than the one meant would be taken.
    `unnamed` lets it count as not given, for what must not fail on it.
    """
    given = ctx.obj if isinstance(ctx.obj, Given) else Given(sys.stdin, sys.stdout, sys.stderr)
    if given.options.get("state") == "" and not unnamed:
        raise UsageError("--state names no file", why="its value is empty", hint="--state FILE, or leave it out")
    return from_given(given)


def typed_layers(ctx: typer.Context) -> tuple[Path, ...]:
    """What `--config` names on the command line itself, for commands that do not read the one of the environment."""
    given = ctx.obj.options if isinstance(ctx.obj, Given) else {}
    return tuple(Path(part) for part in given.get("config") or ())


def from_given(given: Given) -> Invocation:
    typed = given.options
    env = os.environ
    config = typed.get("config") or [part for part in env.get(ENV_CONFIG, "").split(os.pathsep) if part]
    state = typed.get("state") or env.get(ENV_STATE, "")
    plain = bool(typed.get("no_color")) or bool(env.get("NO_COLOR")) or env.get("TERM") == "dumb"
    return Invocation(
        config=tuple(Path(part) for part in config),
        state=Path(state) if state else None,
        json=bool(typed.get("json")),
        color=not plain and is_terminal(given.stdout),
        verbose=int(typed.get("verbose") or 0),
        yes=bool(typed.get("yes")),
        stdin=given.stdin,
        stdout=given.stdout,
        stderr=given.stderr,
    )


def _note(ctx: Any, param: Any, value: Any) -> Any:
    if (value or value == "") and not ctx.resilient_parsing and isinstance(ctx.obj, Given):
        options = ctx.obj.options
        before = options.get(param.name)
        if isinstance(value, tuple | list):
            options[param.name] = [*(before or []), *value]
        elif param.count:
            options[param.name] = (before or 0) + value
        else:
            options[param.name] = value
    return value


def shared_options() -> list[TyperOption]:
    """The options of every command, made anew for each command they are added to."""

    def option(*names: str, **rest: Any) -> TyperOption:
        return TyperOption(param_decls=list(names), expose_value=False, callback=_note, **rest)

    return [
        option(
            "--config", metavar="FILE", multiple=True, type=str,
            help=f"Configuration file; repeat to layer. [env: {ENV_CONFIG}]",
        ),
        option("--state", metavar="FILE", type=str, help=f"The store. [env: {ENV_STATE}]"),
        option("--json", is_flag=True, default=False, help="Answer as JSON with a versioned schema."),
        option("--no-color", is_flag=True, default=False, help="Plain text. [env: NO_COLOR]"),
        option("-v", "--verbose", count=True, type=int, default=0, help="Say more; repeat for still more."),
        option("-y", "--yes", is_flag=True, default=False, help="Do not ask; every check stays."),
    ]  # fmt: skip
