#!/bin/sh
# Makes .venv with the named extras: tools/environment.sh examples | tools/environment.sh dev,examples
# uv when it is installed, else venv and pip. A stamp beside the interpreter records what was installed, so a second call is instant.
set -eu
cd "$(dirname "$0")/.."
extras=$1
say() { printf '==> %s\n' "$*"; }

python=${PYTHON:-}
if [ -z "$python" ]; then
  for candidate in python3 python3.13 python3.12 python3.11; do
    if command -v "$candidate" >/dev/null 2>&1 && "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
      python=$candidate
      break
    fi
  done
fi
if [ -z "$python" ]; then
  echo "tradewind needs Python 3.11 or newer; none was found. On Debian 12: apt-get install python3" >&2
  exit 1
fi

# The tests log in to real machines behind a firewall: sshd, ip, iptables and rsync are needed, and installed as root. Without them those tests are
# skipped and say so.
lab_packages() {
  PATH="$PATH:/usr/sbin:/sbin"
  lab="openssh-server iproute2 iptables rsync"
  if command -v sshd >/dev/null && command -v ip >/dev/null && command -v iptables >/dev/null && command -v rsync >/dev/null; then return 0; fi
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
    say "tests against real SSH machines will be skipped; for them: sudo apt-get install $lab"
    return 0
  fi
  say "installing Debian's $lab for the tests (no service is started)"
  policy=/usr/sbin/policy-rc.d
  if [ -e "$policy" ]; then policy=; else printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod 755 "$policy"; fi
  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $lab; } >/dev/null ||
    say "they could not be installed; tests against real SSH machines will be skipped"
  if [ -n "$policy" ]; then rm -f "$policy"; fi
  if command -v systemctl >/dev/null 2>&1; then systemctl disable --quiet ssh 2>/dev/null || true; fi
}
case "$extras" in *dev*) lab_packages ;; esac

# Azurite, Microsoft's emulator of Blob Storage, for the tests of abfs:// places; it is fetched while Python's packages are.
azurite=
begin_azurite() {
  if ! command -v npm >/dev/null 2>&1; then
    say "tests against Azurite will be skipped; for them: npm, and this again"
    return 0
  fi
  [ ! -x .venv/azurite/node_modules/.bin/azurite-blob ] || return 0
  say "installing Azurite for the tests"
  npm install --prefix .venv/azurite --no-audit --no-fund --ignore-scripts --loglevel=error "$AZURITE" >/dev/null 2>&1 &
  azurite=$!
}
end_azurite() {
  [ -z "$azurite" ] || wait "$azurite" || say "it could not be installed; tests against Azurite will be skipped"
}
AZURITE=azurite@3.35.0 # the last that runs on Node 20, and on Debian's
case "$extras" in *dev*) node=$(command -v npm || true) ;; *) node= ;; esac

stamp=.venv/tradewind-environment
wanted="$extras $(cksum <pyproject.toml) $("$python" --version) $PWD${node:+ $AZURITE}"
if [ -x .venv/bin/python ] && [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ]; then
  exit 0
fi

if command -v uv >/dev/null 2>&1; then
  say "making .venv with uv"
  [ -x .venv/bin/python ] || uv venv --quiet --python "$python" .venv
  case "$extras" in *dev*) begin_azurite ;; esac
  say "installing tradewind[$extras]"
  uv pip install --python .venv/bin/python -e ".[$extras]"
else
  if [ ! -x .venv/bin/pip ] && ! "$python" -c 'import ensurepip' >/dev/null 2>&1; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
      say "installing Debian's python3-venv (ensurepip is missing)"
      apt-get update -qq
      DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends python3-venv
    else
      echo "Python's venv module is missing. Run this line, then try again:  sudo apt-get install python3-venv" >&2
      exit 1
    fi
  fi
  say "making .venv with $("$python" --version) and pip"
  [ -x .venv/bin/pip ] || "$python" -m venv .venv
  case "$extras" in *dev*) begin_azurite ;; esac
  say "installing tradewind[$extras] (a minute or two the first time)"
  .venv/bin/python -m pip install --disable-pip-version-check --progress-bar off -e ".[$extras]" |
    grep -E '^(Collecting|Building|Installing|Successfully)' || true
fi
end_azurite
.venv/bin/python -c 'import tradewind, msgspec, click' || { echo "the environment is not complete; see the lines above" >&2; exit 1; }
printf '%s' "$wanted" >"$stamp"
