# What the files of services.d share. Sourced by scripts/services after lib.sh, never run.

INSTALLED=$LARDER_CACHE/services

# ---- installing

# debian TREE PACKAGE..: unpacks Debian packages, with the libraries that this machine lacks, into $INSTALLED/TREE. Nothing is
# installed, so no root is needed and no package starts a server of its own. PACKAGE is a name, or `name/backports`.
debian() {
  local tree=$INSTALLED/$1 name=$1 codename
  shift
  need apt-get "these servers come from Debian's packages"
  codename=$(. /etc/os-release && printf '%s' "$VERSION_CODENAME")
  apt_lists "$codename"
  rm -rf -- "$tree" "$INSTALLED/apt/cache"
  mkdir -p -- "$tree" "$INSTALLED/apt/cache/archives/partial"
  logged "apt-$name" apt_private install -y --no-install-recommends --reinstall --download-only \
    "${@/%\/backports//$codename-backports}"
  local deb
  for deb in "$INSTALLED"/apt/cache/archives/*.deb; do
    logged "dpkg-$name" dpkg -x "$deb" "$tree"
  done
  rm -rf -- "$INSTALLED/apt/cache"
}

# Lists of our own: of Debian's mirrors that this machine names, and of backports beside them. Read anew after a day. This machine
# may have no lists at all, as containers do.
apt_lists() {
  local here=$INSTALLED/apt key=/usr/share/keyrings/debian-archive-keyring.gpg
  [ -z "$(find "$here/sources.list" -mmin -1440 2>/dev/null)" ] || return 0
  mkdir -p -- "$here/state/lists/partial"
  # shellcheck disable=SC2016 # the names in $() are apt's
  apt-get indextargets --no-release-info --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' |
    awk -v name="$1" -v sign="deb [signed-by=$key]" '
      $1 !~ /\/debian(-security)?\/?$/ || $3 != "main" { next }
      $2 == name || $2 == name "-updates" || $2 == name "-security" { print sign, $0 }
      $2 == name { print sign, $1, name "-backports", "main" }' |
    sort -u >"$here/sources.new"
  [ -s "$here/sources.new" ] || fail "apt names no mirror of Debian for $1"
  mv -- "$here/sources.new" "$here/sources.list"
  apt_private update >"$here/update.log" 2>&1 || {
    rm -f -- "$here/sources.list"
    fail "\`apt-get update\` failed; all it said is in $here/update.log"
  }
}

apt_private() {
  local here=$INSTALLED/apt
  apt-get -o Dir::State="$here/state" -o Dir::State::status=/var/lib/dpkg/status -o Dir::Cache="$here/cache" \
    -o Dir::Etc::sourcelist="$here/sources.list" -o Dir::Etc::sourceparts=- \
    -o Debug::NoLocking=1 -o APT::Sandbox::User=root "$@"
}

# launcher TREE PROGRAM: writes $INSTALLED/TREE/PROGRAM, which runs usr/bin/PROGRAM beside the libraries of its tree. It stays the
# same process, so whoever starts it may signal its pid.
launcher() {
  local tree=$INSTALLED/$1 libraries
  [ -x "$tree/usr/bin/$2" ] || fail "the package has no $2"
  libraries=$(find "$tree" -name '*.so.*' -printf '%h\n' | sort -u | paste -sd :)
  {
    printf '#!/bin/sh\n'
    [ -z "$libraries" ] || printf 'LD_LIBRARY_PATH=%q\nexport LD_LIBRARY_PATH\n' "$libraries"
    printf 'exec %q "$@"\n' "$tree/usr/bin/$2"
  } >"$tree/$2"
  chmod +x -- "$tree/$2"
  # A library that is missing shows here, not in a test.
  "$tree/$2" --version >/dev/null 2>&1 || "$tree/$2" -V >/dev/null 2>&1 || fail "$tree/$2 does not run"
}

# wheels TREE: what services.d/TREE.txt pins, in a virtual environment at $INSTALLED/TREE.
wheels() {
  local tree=$INSTALLED/$1
  need python3 "install Python 3.11 or later (with venv)"
  rm -rf -- "$tree"
  logged "$1-venv" python3 -m venv "$tree"
  logged "$1-pip" "$tree/bin/python" -m pip install --disable-pip-version-check --no-deps --only-binary :all: \
    -r "$SERVICES/$1.txt"
}

# jars TREE GROUP ARTIFACT VERSION: that artifact and all it runs with, as $INSTALLED/TREE/*.jar.
jars() {
  local tree=$INSTALLED/$1
  have mvn maven
  rm -rf -- "$tree"
  mkdir -p -- "$tree"
  cat >"$tree/pom.xml" <<POM
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>larder</groupId>
  <artifactId>services</artifactId>
  <version>1</version>
  <dependencies>
    <dependency><groupId>$2</groupId><artifactId>$3</artifactId><version>$4</version></dependency>
  </dependencies>
</project>
POM
  logged "$1-maven" mvn -q -B -f "$tree/pom.xml" "-Dmaven.repo.local=$tree/repository" \
    dependency:copy-dependencies -DincludeScope=runtime "-DoutputDirectory=$tree"
  rm -rf -- "$tree/repository"
}

# have PROGRAM PACKAGE: installs the package into the system if the program is missing and we may.
have() {
  command -v "$1" >/dev/null && return
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    fail "$1 is missing: install the package \`$2\`"
  fi
  say "installing $2"
  logged apt-update apt-get update
  logged "apt-$2" apt-get install -y --no-install-recommends "$2"
}

# ---- running: these work in $HERE, the folder of one server of one instance

# A port of the loopback that nobody listens on, and whose neighbour 10,000 above is free too (a node of a Redis cluster binds
# both). Below the range from which the kernel hands out ports by itself, or in [FIRST LAST].
free_port() {
  local port first=${1-20000} last=${2-31999} attempt
  for ((attempt = 0; attempt < 10000; attempt++)); do
    port=$((first + (RANDOM * 32768 + RANDOM) % (last - first + 1)))
    mkdir -- "$STATE/ports/$port" 2>/dev/null || continue
    listens "$port" || listens $((port + 10000)) || {
      printf '%s\n' "$port"
      return
    }
  done
  fail "no port from $first to $last is free"
}

listens() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# http PORT "METHOD PATH" [JSON]: what the server answers.
http() {
  local body=${3-}
  exec 3<>"/dev/tcp/127.0.0.1/$1" || return
  printf '%s HTTP/1.0\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s' \
    "$2" "${#body}" "$body" >&3
  timeout 10 cat <&3
  exec 3>&-
}

# spawn NAME COMMAND..: in the background, out of reach of the terminal's signals, with NAME.log and NAME.pid.
spawn() {
  local name=$1
  shift
  setsid "$@" >>"$HERE/$name.log" 2>&1 </dev/null 9>&- &
  printf '%s %s\n' $! "$(birth $!)" >"$HERE/$name.pid"
}

# When a process began, in the kernel's ticks, nothing if it is gone: a pid alone may be somebody else's by now.
birth() {
  local stat
  stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 0
  # The name of the program, in brackets, may hold blanks.
  # shellcheck disable=SC2086 # the fields are wanted apart
  set -- ${stat##*) }
  [ "$1" = Z ] || printf '%s' "${20}"
}

# alive FILE.pid
alive() {
  local pid born
  read -r pid born <"$1" 2>/dev/null && [ -n "$born" ] && [ "$(birth "$pid")" = "$born" ]
}

all_alive() {
  local file found=1
  for file in "$1"/*.pid; do
    alive "$file" || return 1
    found=0
  done
  return "$found"
}

# until_ready SECONDS COMMAND..: tries it until it succeeds; fails when the time is over or a process of this server has ended.
until_ready() {
  local until=$((SECONDS + $1)) file
  shift
  while true; do
    for file in "$HERE"/*.pid; do
      alive "$file" || return 1
    done
    "$@" >/dev/null 2>&1 && return
    [ "$SECONDS" -lt "$until" ] || return 1
    sleep 0.05
  done
}

# tell NAME VALUE: a variable for the tests.
tell() { printf 'export %s=%q\n' "$1" "$2" >>"$HERE/env"; }

# The same, for a file that has to be there.
tell_file() {
  [ -e "$2" ] || fail "$2 is missing although it was installed: remove $INSTALLED and run again"
  tell "$1" "$2"
}

# ---- stopping

# stop FOLDER: what was spawned there, last first: TERM, after ten seconds KILL.
stop() {
  local file pid until
  local -a files=()
  for file in "$1"/*.pid; do
    [ -e "$file" ] && files=("$file" "${files[@]}")
  done
  for file in "${files[@]}"; do
    read -r pid _ <"$file"
    alive "$file" && kill -TERM -- "-$pid" 2>/dev/null
  done
  until=$((SECONDS + 10))
  for file in "${files[@]}"; do
    read -r pid _ <"$file"
    while alive "$file" && [ "$SECONDS" -lt "$until" ]; do sleep 0.05; done
    alive "$file" && kill -KILL -- "-$pid" 2>/dev/null
    rm -f -- "$file"
  done
}
