# Memcached 1.6 as Debian has it.

install() { once services-memcached memcached-1 -- install_memcached; }

install_memcached() {
  debian memcached memcached
  launcher memcached memcached
}

start() {
  local port user=()
  port=$(free_port)
  # Root has to name another user; anybody else must not.
  [ "$(id -u)" != 0 ] || user=(-u nobody)
  spawn server "$INSTALLED/memcached/memcached" "${user[@]}" -l 127.0.0.1 -p "$port" -U 0 -m 64
  until_ready 20 memcached_answers "$port"
  tell LARDER_TEST_MEMCACHED "memcached://127.0.0.1:$port"
  tell_file LARDER_TEST_MEMCACHED_SERVER "$INSTALLED/memcached/memcached"
}

memcached_answers() {
  local line
  exec 3<>"/dev/tcp/127.0.0.1/$1" || return
  printf 'version\r\n' >&3
  read -r -t 5 line <&3
  exec 3>&-
  [[ $line == VERSION* ]]
}
