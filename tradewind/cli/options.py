"""Options that several commands share, so that they are spelled and explained once."""

from __future__ import annotations

import click

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON on stdout and nothing else there.")
catalog = click.option(
    "--catalog",
    metavar="PATH",
    help="Plan over this CSV (also .gz) of offers instead of the shipped snapshot.",
)
yes = click.option("-y", "--yes", is_flag=True, help="Do not ask before anything is bought.")
detach = click.option("-d", "--detach", is_flag=True, help="Return once it is accepted; do not follow its output.")
accepted_json = click.option(
    "--json", "as_json", is_flag=True, help="Return once it is accepted, as with -d, and print what was begun as JSON."
)
rehearse = click.option(
    "--rehearse",
    is_flag=True,
    help="Plan over the whole catalog, but use processes on this machine as instances; buys nothing.",
)
task_file = click.argument("file", type=click.Path(), metavar="FILE")
task_words = click.argument("words", nargs=-1, metavar="[FILE|COMMAND]...")
secrets = click.option(
    "--secret", "secrets", multiple=True, metavar="NAME[=@FILE]",
    help="Hand over a variable of your environment (asked for where it is not set), or what a file or the keyring (@keyring:SERVICE[/USER]) holds, as a secret; may be repeated.",
)  # fmt: skip
secret_files = click.option(
    "--secret-file", "secret_files", multiple=True, metavar="FILE",
    help="Hand over what a file holds, a NAME=VALUE a line, as secrets; --secret wins.",
)  # fmt: skip
dryrun = click.option("--dryrun", is_flag=True, help="Show the plan, and do nothing.")
sync_down = click.option(
    "-s", "--sync-down", is_flag=True, help="Write what there is into a file here instead, and print its path."
)
follow = click.option(
    "-f/-F", "--follow/--no-follow", default=True, help="Go on until the job ends (the default), or not."
)
