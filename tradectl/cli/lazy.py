"""Groups that know their commands from the table and import one only when it is called."""

import difflib
import importlib
from typing import Any

import typer
import typer.core
from typer.core import TyperCommand, TyperGroup

from tradectl.cli import table
from tradectl.cli.context import shared_options
from tradectl.cli.page import ATTRIBUTE, Page
from tradectl.errors import NotAvailable, ToolError

SHARED = "Options of every command"
HELP_NAMES: dict[str, Any] = {"help_option_names": ["-h", "--help"]}
_SHARED_NAMES = frozenset({*(option.name for option in shared_options()), "help"})


def _write_options(command: Any, ctx: Any, formatter: Any) -> None:
    """The command's own arguments and options first, then those that every command has."""
    sections: dict[str, list[tuple[str, str]]] = {"Arguments": [], "Options": [], SHARED: []}
    for param in command.get_params(ctx):
        record = param.get_help_record(ctx)
        if record is None:
            continue
        if param.param_type_name == "argument":
            sections["Arguments"].append(record)
        else:
            sections[SHARED if param.name in _SHARED_NAMES else "Options"].append(record)
    for title, rows in sections.items():
        if rows:
            with formatter.section(title):
                formatter.write_dl(rows)


class Leaf(TyperCommand):
    """A command with its page."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        _write_options(self, ctx, formatter)


class LazyGroup(TyperGroup):
    """The commands under `prefix` ('' at the root, 'state ' in a group)."""

    prefix = ""

    def rows(self) -> dict[str, str]:
        """{name: help} of what is directly below, in the table's order."""
        found: dict[str, str] = {}
        for full, (_, text) in table.COMMANDS.items():
            if not full.startswith(self.prefix):
                continue
            head, _, tail = full.removeprefix(self.prefix).partition(" ")
            found.setdefault(head, table.GROUPS[head] if tail else text)
        return found

    def list_commands(self, ctx: Any) -> list[str]:
        return list(self.rows())

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in self.rows():
            return None
        full = self.prefix + cmd_name
        return load(full) if full in table.COMMANDS else _group(full)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args and args[0] not in self.rows() and not args[0].startswith("-") and not ctx.resilient_parsing:
            ctx.fail(f"there is no command '{self.prefix}{args[0]}'.{_nearest(self.prefix, args[0])}")
        return super().resolve_command(ctx, args)

    def format_options(self, ctx: Any, formatter: Any) -> None:
        _write_options(self, ctx, formatter)
        with formatter.section("Commands"):
            formatter.write_dl(list(self.rows().items()))

    def shell_complete(self, ctx: Any, incomplete: str) -> Any:
        item: Any = vars(typer.core)["CompletionItem"]  # the parser's own class; typer exports no name for it
        names = [item(name, help=text) for name, text in self.rows().items() if name.startswith(incomplete)]
        return names + (super().shell_complete(ctx, incomplete) if incomplete.startswith("-") else [])


def _nearest(prefix: str, typed: str) -> str:
    names = [*table.COMMANDS, *table.GROUPS]
    if not prefix and typed in table.MEANT:
        return f" Did you mean {' or '.join(repr(name) for name in table.MEANT[typed])}?"
    near = difflib.get_close_matches(prefix + typed, names, n=2, cutoff=0.7)
    near += [name for name in names if name.split()[-1] == typed and name not in near]
    return f" Did you mean {' or '.join(repr(name) for name in near[:3])}?" if near else ""


def _group(name: str) -> LazyGroup:
    group = LazyGroup(
        name=name, help=table.GROUPS[name], no_args_is_help=False, rich_markup_mode=None, context_settings=HELP_NAMES
    )
    group.prefix = f"{name} "
    group.params.extend(shared_options())
    return group


def _name_value(param: Any) -> None:
    """TEXT, N or the argument's own name where the command does not say it: no help page shows a type of ours."""
    if param.metavar is None and param.param_type_name == "argument":
        param.metavar = param.name.upper()
    elif param.metavar is None and not param.is_flag:
        param.metavar = "N" if "int" in param.type.name else "TEXT"


def load(full: str) -> Any:
    """Imports one command's module and builds the command. Raises NotAvailable when it is not built yet."""
    target, short = table.COMMANDS[full]
    module_name, _, function_name = target.partition(":")
    path = f"{table.PACKAGE}.{module_name}"
    try:
        module = importlib.import_module(path)
    except ModuleNotFoundError as error:
        if error.name != path:
            raise
        raise NotAvailable(f"'{full}' is not part of this build yet", hint="see tradectl --help for the rest") from None
    function = getattr(module, function_name, None)
    page = getattr(function, ATTRIBUTE, None)
    if function is None or not isinstance(page, Page):
        raise ToolError(f"'{full}' has no page", where=target, hint="see how to add a command in cli/table.py")
    app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    app.command(
        name=full.split()[-1], cls=Leaf, help=page.help, short_help=short, epilog=page.epilog,
        context_settings=HELP_NAMES,
    )(function)  # fmt: skip
    command = typer.main.get_command(app)
    for param in command.params:
        _name_value(param)
    command.params.extend(shared_options())
    return command
