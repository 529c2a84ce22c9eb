"""Shells complete our commands: asked of the shells themselves, where they are."""

from __future__ import annotations

import pathlib
import re
import shutil
import subprocess

import pytest

from .worlds import World

pytestmark = pytest.mark.end_to_end

ASKED = {
    "bash": 'eval "$(_TRADEWIND_COMPLETE=bash_source tradewind)"; COMP_WORDS=(tradewind jobs la); COMP_CWORD=2; _tradewind_completion tradewind; echo "${COMPREPLY[@]}"',
    # zsh completes in its line editor only: what our function hands to compadd is heard instead
    "zsh": 'autoload -U compinit; compinit -D; eval "$(_TRADEWIND_COMPLETE=zsh_source tradewind)"; compadd() { print -l -- ${completions[@]} }; '
    "_describe() { print -l -- ${(P)3} }; words=(tradewind jobs la); CURRENT=3; _tradewind_completion",
    "fish": "_TRADEWIND_COMPLETE=fish_source tradewind | source; complete -C 'tradewind jobs la'",
}


@pytest.mark.parametrize("shell", ASKED)
def test_a_shell_completes_a_command(world: World, tmp_path: pathlib.Path, shell: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed here")
    source = world.run(f"_TRADEWIND_COMPLETE={shell}_source tradewind")
    assert "_TRADEWIND_COMPLETE" in source.stdout, source.stderr
    asked = subprocess.run(
        [shell, "-c", ASKED[shell]],
        env=world.env,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "launch" in re.split(r"[\s:]+", asked.stdout), asked.stderr
