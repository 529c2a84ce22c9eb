"""A click group whose commands are named in a table and imported when they run; help needs no import."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Mapping
from types import MappingProxyType

import click


class SuggestingGroup(click.Group):
    """A group that lists its commands as they were written, and answers an unknown one with the nearest known.

    `aliases` are other names of its commands, for the fingers of people who come from elsewhere; they are listed nowhere.
    """

    aliases: Mapping[str, str] = MappingProxyType({})

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names in the order of their definition, which is the order of use."""
        del ctx
        return list(self.commands)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click's, but for names that are not there.

        Raises:
            click.UsageError: the name is unknown; the sentence has the nearest one.
        """
        name, known = args[0], self.list_commands(ctx)
        if name not in known and name in self.aliases:
            name = self.aliases[name]
            args = [name, *args[1:]]
        if not name.startswith("-") and name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
            whole = ctx.command_path.removeprefix("tradewind").strip()
            advice = f"did you mean `{f'{whole} {near[0]}'.strip()}`?" if near else f"see `{ctx.command_path} --help`."
            raise click.UsageError(f"there is no command `{f'{whole} {name}'.strip()}`; {advice}", ctx=None)
        return super().resolve_command(ctx, args)


class LazyGroup(SuggestingGroup):
    """`table` maps a command's name to ("module:attribute", its one-line help)."""

    def __init__(
        self,
        *args: object,
        table: Mapping[str, tuple[str, str]],
        aliases: Mapping[str, str] = MappingProxyType({}),
        **kwargs: object,
    ) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]  # handed on as they came
        self.table, self.aliases = table, aliases

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names in the table's order, which is the order of a first day's use."""
        del ctx
        return list(self.table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return the command; None when the table has no such name."""
        del ctx
        entry = self.table.get(cmd_name)
        if entry is None:
            return None
        module, attribute = entry[0].split(":")
        command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands, from the table alone."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in self.table.items()])
