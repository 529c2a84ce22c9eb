"""The slot of a machine: a file on the machine itself that says which instance it is lent to, made atomically, so that two brokers never share it.

The scripts need `sh`, `ln`, `mv` and Linux's /proc. They are pure text here; the provider runs them.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping

import msgspec

SLOT = '"$HOME/.tradewind/slot.json"'
HOMES = ".tradewind/instances"  # below the login home: each instance has a home of its own there
GRACE_S = 120.0  # a slot whose lease has run out is taken over only when this long has passed and no agent of it runs


class Slot(msgspec.Struct, frozen=True):
    """Who holds a machine: our id, the purchase's token, the tags, and the lease's end (Unix seconds)."""

    instance_id: str
    token: str
    tags: dict[str, str]
    lease_until_unix: float


def encode(slot: Slot) -> str:
    """The slot as the file's text."""
    return msgspec.json.encode(slot).decode()


def decode(text: str) -> Slot | None:
    """The slot in a file's text; None for an empty or foreign one."""
    try:
        return msgspec.json.decode(text, type=Slot) if text.strip() else None
    except msgspec.DecodeError:
        return None


def home_of(instance_id: str) -> str:
    """The instance's home, relative to the login home."""
    return f"{HOMES}/{instance_id}"


READ = f"cat {SLOT} 2>/dev/null || true"


def take(slot: Slot) -> str:
    """Takes the slot if it is free; prints whoever holds it then. `ln` fails when the name exists, whoever made it."""
    text = shlex.quote(encode(slot))
    return f"""
umask 077; mkdir -p "$HOME/.tradewind" || exit 1
own=$(mktemp "$HOME/.tradewind/slot.XXXXXX") || exit 1
printf %s {text} >"$own" && sync "$own" 2>/dev/null
ln "$own" {SLOT} 2>/dev/null && mkdir -p "$HOME/{HOMES}/"{shlex.quote(slot.instance_id)}
rm -f "$own"
cat {SLOT}
"""


def break_stale(held: Slot) -> str:
    """Frees a slot whose lease ran out, unless an agent of it still runs or it has been moved meanwhile."""
    return f"""
until=$(cut -d. -f1 <<X
{held.lease_until_unix + GRACE_S:.0f}
X
)
[ "$(date +%s)" -gt "$until" ] || exit 3
[ "$(cat {SLOT} 2>/dev/null)" = {shlex.quote(encode(held))} ] || exit 3
{_running(held.instance_id)} && exit 3
rm -f {SLOT}; rm -rf "$HOME/{HOMES}/"{shlex.quote(held.instance_id)}
"""


def move_lease(instance_id: str, slot: Slot) -> str:
    """Replaces the slot's text, if it is still this instance's."""
    return f"""
case "$(cat {SLOT} 2>/dev/null)" in *'"instance_id":'{shlex.quote(msgspec.json.encode(instance_id).decode())}*) ;; *) exit 3;; esac
own=$(mktemp "$HOME/.tradewind/slot.XXXXXX") && printf %s {shlex.quote(encode(slot))} >"$own" && mv "$own" {SLOT}
"""


def end(instance_id: str) -> str:
    """Ends every process of the instance (agent, runtime, jobs and what left their groups), removes its home, frees the slot."""
    quoted = shlex.quote(instance_id)
    is_ours = f"*'\"instance_id\":'{shlex.quote(msgspec.json.encode(instance_id).decode())}*"
    # One grep over all of /proc, told what to look for on its standard input: as an argument it would find itself.
    return f"""
marked() {{ printf '%s' "$2" | grep -lzxFs -f - /proc/[0-9]*/"$1" | sed 's|^/proc/||; s|/.*||'; }}
home="$HOME/{HOMES}/"{quoted}
home=$(readlink -f "$home" 2>/dev/null || echo "$home")
for round in 1 2 3 4 5 6 7 8 9 10; do
  found=$(marked environ "TRADEWIND_AGENT_HOME=$home"; marked cmdline "$home")
  [ -n "$found" ] || break
  kill -9 $found 2>/dev/null
  sleep 0.05
done
rm -rf "$home"; rmdir "$HOME/{HOMES}" 2>/dev/null
case "$(cat {SLOT} 2>/dev/null)" in {is_ours}) rm -f {SLOT};; esac
true
"""


def _running(instance_id: str) -> str:
    return f"pgrep -f -- --instance-id' '{shlex.quote(instance_id)} >/dev/null 2>&1"


def carries(slot: Slot, tags: Mapping[str, str]) -> bool:
    """Whether the slot's instance has all of these tags."""
    return tags.items() <= slot.tags.items()
