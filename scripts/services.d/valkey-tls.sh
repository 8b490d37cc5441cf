# Valkey 8 from Debian's backports, behind TLS, with the same users as redis-tls.

install() {
  once services-redis redis-1 -- install_redis
  once services-valkey-tls valkey-tls-1 -- install_valkey_tls
}

install_valkey_tls() {
  debian valkey-tls valkey-server/backports valkey-tools/backports
  launcher valkey-tls valkey-server
}

start() {
  local port
  port=$(free_port)
  REDIS_PROGRAM=$INSTALLED/valkey-tls/valkey-server redis_tls "$port"
  tell LARDER_TEST_VALKEY_TLS "rediss://admin:$ADMIN_PASSWORD@127.0.0.1:$port/0"
  tell LARDER_TEST_VALKEY_TLS_APP "rediss://app:$APP_PASSWORD@127.0.0.1:$port/0"
  tell_file LARDER_TEST_VALKEY_TLS_CA "$HERE/ca.pem"
}
