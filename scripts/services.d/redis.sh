# Redis 7.0 as Debian has it. The other kinds of Redis run the same program.

install() { once services-redis redis-1 -- install_redis; }

start() {
  local port
  port=$(free_port)
  redis_node "$port" --unixsocket "$HERE/redis.sock" --unixsocketperm 700
  until_ready 20 redis_answers "$port"
  tell LARDER_TEST_REDIS "redis://127.0.0.1:$port/0"
  tell LARDER_TEST_REDIS_SOCKET "redis+unix://$HERE/redis.sock?db=1"
  tell_file LARDER_TEST_REDIS_SERVER "$REDIS_SERVER"
  tell_file LARDER_TEST_REDIS_SENTINEL_SERVER "$REDIS_SENTINEL"
}
