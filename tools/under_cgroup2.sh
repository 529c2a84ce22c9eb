#!/bin/sh
# Runs the tests of memory limits under a kernel of its own that has version 2 control groups only, whatever this machine has.
# Needs User Mode Linux (Debian: apt-get install user-mode-linux); no rights, no virtual machine.
set -eu
linux=${LINUX_UML:-$(command -v linux.uml || command -v linux || true)}
[ -n "$linux" ] || { echo "install user-mode-linux, or set LINUX_UML to its program" >&2; exit 1; }
here=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat > "$work/init" <<INIT
#!/bin/sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/tmp
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t cgroup2 none /sys/fs/cgroup
cd $here
$here/.venv/bin/python -m pytest -v -p no:cacheprovider tests/runtime/node/test_control_groups.py tests/runtime/node/test_memory_guard.py > $work/out 2>&1
echo \$? > $work/code
poweroff -f
INIT
chmod +x "$work/init"
timeout 600 "$linux" mem=1500M root=/dev/root rootfstype=hostfs rootflags=/ rw "init=$work/init" cgroup_no_v1=all con=null con0=null </dev/null >"$work/kernel" 2>&1 || true
cat "$work/out"
exit "$(cat "$work/code")"
