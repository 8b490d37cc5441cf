# What the scripts of this folder and .ci/run share. Sourced, never run.

ROOT=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
export LARDER_CACHE=${LARDER_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/larder}
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$LARDER_CACHE/target}
mkdir -p -- "$LARDER_CACHE"
# What scripts/known-times knows holds no longer where another one builds.
if [ -z "${LARDER_BUILDER-}" ]; then rm -f -- "$CARGO_TARGET_DIR"/known-times.*; fi

# Progress goes to stderr: stdout belongs to what a script answers.
say() { printf '== %s\n' "$*" >&2; }

fail() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

need() { command -v "$1" >/dev/null || fail "$1 is missing: $2"; }

# logged NAME COMMAND..: runs it quietly; when it fails, shows the end of what it said.
logged() {
  local log=$LARDER_CACHE/log/$1.log
  shift
  mkdir -p -- "$LARDER_CACHE/log"
  "$@" >"$log" 2>&1 && return
  tail -n 40 -- "$log" >&2
  fail "\`$*\` failed; all it said is in $log"
}

# once NAME INPUT.. -- COMMAND..: runs COMMAND unless it was done before with these very inputs (files or words).
# Two runs that share the cache wait for each other.
once() {
  local name=$1 inputs=() wanted stamp=$LARDER_CACHE/stamps/$1
  shift
  while [ "$1" != -- ]; do
    inputs+=("$1")
    shift
  done
  shift
  wanted=$(for input in "${inputs[@]}"; do
    if [ -f "$input" ]; then cat -- "$input"; else printf '%s\n' "$input"; fi
  done | sha256sum)
  mkdir -p -- "$LARDER_CACHE/stamps"
  [ "$(cat -- "$stamp" 2>/dev/null)" = "$wanted" ] && return
  (
    flock 9
    [ "$(cat -- "$stamp" 2>/dev/null)" = "$wanted" ] && exit
    "$@"
    printf '%s\n' "$wanted" >"$stamp"
  ) 9>"$LARDER_CACHE/stamps/.lock"
}
