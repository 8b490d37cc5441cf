# Redis behind TLS with two users: `admin`, and `app`, which may touch only keys and topics that begin with `app`.

install() { once services-redis redis-1 -- install_redis; }

start() {
  local port
  port=$(free_port)
  redis_tls "$port"
  tell LARDER_TEST_REDIS_TLS "rediss://admin:$ADMIN_PASSWORD@127.0.0.1:$port/0"
  tell LARDER_TEST_REDIS_TLS_APP "rediss://app:$APP_PASSWORD@127.0.0.1:$port/0"
  tell_file LARDER_TEST_REDIS_TLS_CA "$HERE/ca.pem"
}
