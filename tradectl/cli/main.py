"""The command line's frame, and the one place that catches.

What reaches this place ends as follows:

    TradectlError          its lines on stderr (with --json, {"error": …} on stdout), its exit code
    a wrong command line   what is wrong, the nearest command, where help is; exit 3 (the parser's own 2 is ours to map)
    Ctrl-C                 one line, exit 130
    a closed pipe          silence, exit 141
    anything else          a fault of the tool: one line, the traceback in a file, exit 3
"""

import contextlib
import errno
import os
import sys
from collections.abc import Sequence
from typing import Any, TextIO

import typer
from typer.core import TyperOption

from tradectl import __version__
from tradectl.cli import crash, table
from tradectl.cli.context import Given, from_given, is_terminal, shared_options
from tradectl.cli.lazy import HELP_NAMES, LazyGroup
from tradectl.errors import ExitCode, TradectlError

PROGRAM = "tradectl"
INTERRUPTED = 130
PIPE_CLOSED = 141
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EIO)
_COMPLETION = "_TRADECTL_COMPLETE"
_USAGE_ERROR: Any = typer.BadParameter.__mro__[1]  # the parser's base of every usage error; it has no public name

_app = typer.Typer(
    cls=LazyGroup,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings=HELP_NAMES,
    epilog=(
        "\b\nIn a hurry:\n"
        "  look     tradectl state show, tradectl exposure\n"
        "  stop     tradectl killswitch activate\n"
        "  get out  tradectl positions close SYMBOL --reason WHY\n"
        "  all out  tradectl flatten --reason WHY\n\n"
        "\b\nOne command's page, with an example and its exit codes:\n  tradectl state show --help"
    ),
)


@_app.callback()
def _root() -> None:
    """See, stop, protect, reconcile and restart a crypto perpetual-futures bot's account."""


def _show_version(ctx: Any, _param: Any, value: bool) -> None:
    if not value or ctx.resilient_parsing:
        return
    if isinstance(ctx.obj, Given) and "--json" in ctx.obj.argv:
        typer.echo(f'{{"schema": "tradectl/version/1", "version": "{__version__}"}}')
    else:
        typer.echo(f"{PROGRAM} {__version__}")
    raise typer.Exit


def build() -> Any:
    """The root command. Imports no command module."""
    root = typer.main.get_command(_app)
    version = TyperOption(
        param_decls=["--version"], is_flag=True, default=False, is_eager=True, expose_value=False,
        callback=_show_version, help="Print the version and exit.",
    )  # fmt: skip
    root.params[:0] = [version]
    root.params.extend(shared_options())
    return root


def run(
    args: Sequence[str],
    *,
    stdin: TextIO | None = None,
    stdout: TextIO | None = None,
    stderr: TextIO | None = None,
) -> int:
    """Runs one command line and returns its exit code. Streams are the process's own unless given."""
    given = Given(
        stdin=stdin or sys.stdin or _nowhere("r"),
        stdout=stdout or sys.stdout or _nowhere("w"),
        stderr=stderr or sys.stderr or _nowhere("w"),
        argv=tuple(args),
    )
    for stream in (given.stdout, given.stderr):
        if reconfigure := getattr(stream, "reconfigure", None):
            reconfigure(errors="backslashreplace")  # an old locale costs a letter, not the answer
    try:
        with contextlib.redirect_stdout(given.stdout), contextlib.redirect_stderr(given.stderr):
            code = _guarded(given)
            given.stdout.flush()
            given.stderr.flush()
    except BrokenPipeError:
        _forget(given.stdout)
        return PIPE_CLOSED
    except OSError as error:  # the answer did not reach its reader: a full disk behind `>`
        _forget(given.stdout)
        print(f"tradectl failed: the output could not be written ({error.strerror})", file=given.stderr)
        return ExitCode.USAGE
    return code


def _nowhere(mode: str) -> TextIO:
    """Stands in for a stream the process was started without (`>&-`); it lives as long as the process."""
    return open(os.devnull, mode)  # type: ignore[return-value]


def _guarded(given: Given) -> int:
    try:
        return _invoke(given)
    except BrokenPipeError:
        raise
    except TradectlError as error:
        _tell(given, type(error).__name__, error.lines(), error.exit_code, _fields(error))
        return error.exit_code
    except KeyboardInterrupt as stopped:
        print(": ".join(("interrupted", *map(str, stopped.args))), file=given.stderr)
        return INTERRUPTED
    except typer.Abort:
        print("aborted: nothing was done", file=given.stderr)
        return ExitCode.REFUSED
    except _USAGE_ERROR as error:
        _tell_usage(given, error)
        return ExitCode.USAGE
    except Exception as error:
        if isinstance(error, OSError) and error.errno in _NO_ROOM and error.filename is None:
            raise  # a stream, not a file we opened: the answer itself could not be written
        summary = crash.redact(f"{type(error).__name__}: {error}".splitlines()[0])
        line = f"tradectl failed: {summary}; this is a fault of the tool, {crash.record(error, given.argv)}"
        _tell(given, "ToolError", [line], ExitCode.USAGE, {"what": line})
        return ExitCode.USAGE


def _invoke(given: Given) -> int:
    root = build()
    if os.environ.get(_COMPLETION):
        # The completion code loads rich to tidy help texts when rich can be found; ours are plain.
        sys.modules.setdefault("rich", None)  # type: ignore[arg-type]
        root.main(args=[], prog_name=PROGRAM)
    try:
        with root.make_context(PROGRAM, list(given.argv), obj=given) as ctx:
            if not given.argv:
                typer.echo(ctx.get_help())
                return ExitCode.OK
            result = root.invoke(ctx)
    except typer.Exit as done:
        return done.exit_code
    return int(result) if isinstance(result, int) else ExitCode.OK


def _fields(error: TradectlError) -> dict[str, Any]:
    fields: dict[str, Any] = {"what": error.what, "where": error.where, "why": error.why, "hint": error.hint}
    for extra in ("faults", "code"):
        if hasattr(error, extra):
            fields[extra] = getattr(error, extra)
    return fields


def _tell_usage(given: Given, error: Any) -> None:
    path = error.ctx.command_path if getattr(error, "ctx", None) else PROGRAM
    what = error.format_message()
    if what == "Missing command." and path.removeprefix(f"{PROGRAM} ") in table.GROUPS:
        group = path.removeprefix(f"{PROGRAM} ")
        verbs = [name.split()[1] for name in table.COMMANDS if name.startswith(f"{group} ")]
        what = f"'{group}' needs one of: {', '.join(verbs)}."
    missing = _missing(error)
    if len(missing) > 1:  # all at once, not one per attempt
        what = f"Missing {' and '.join(missing)}."
    hint = f"{path} --help"
    _tell(given, "UsageError", [what, f"  do: {hint}"], ExitCode.USAGE, {"what": what, "hint": hint})


def _missing(error: Any) -> list[str]:
    """What a command line lacks, where that is what is wrong with it."""
    ctx = getattr(error, "ctx", None)
    if type(error).__name__ != "MissingParameter" or ctx is None:
        return []
    lacking = [one for one in ctx.command.params if one.required and ctx.params.get(one.name) is None]
    return [
        f"'{one.opts[0]}'" if one.param_type_name == "option" else f"argument '{one.make_metavar(ctx=ctx)}'"
        for one in lacking
    ]


def _tell(given: Given, kind: str, lines: Sequence[str], code: ExitCode, fields: dict[str, Any]) -> None:
    """An error as text on stderr or, with --json, as a document on stdout."""
    if from_given(given).json or "--json" in given.argv:  # parsing may have stopped before it reached the option
        import json

        body = {"type": kind, **fields, "exit_code": int(code)}
        print(json.dumps({"schema": "tradectl/error/1", "error": body}, ensure_ascii=False), file=given.stdout)
        return
    given.stdout.flush()
    print("\n".join(_within(given.stderr, lines)), file=given.stderr)


def _within(stream: TextIO, lines: Sequence[str]) -> Sequence[str]:
    """On a terminal, no word is torn at its edge; anywhere else a line stays whole for grep."""
    if not is_terminal(stream):
        return lines
    import shutil
    import textwrap

    width = shutil.get_terminal_size().columns
    return [
        part
        for line in lines
        for part in textwrap.wrap(
            line, width, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False, drop_whitespace=True
        )
        or [""]
    ]


def _forget(stream: TextIO) -> None:
    """Whatever is still buffered goes nowhere, so that the interpreter does not stumble over it at its end."""
    if stream is sys.stdout or stream is sys.__stdout__:
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
