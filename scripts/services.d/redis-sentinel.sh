# A Redis master with one replica, watched by one sentinel as `mymaster`.

install() { once services-redis redis-1 -- install_redis; }

start() {
  local master replica sentinel
  master=$(free_port) replica=$(free_port) sentinel=$(free_port)
  # Without the delay set to 0 the replica stays empty for five seconds.
  redis_node "$master" --repl-diskless-sync-delay 0
  until_ready 20 redis_answers "$master"
  redis_node "$replica" --repl-diskless-sync-delay 0 --replicaof 127.0.0.1 "$master"
  until_ready 60 redis_says "$replica" master_link_status:up info replication

  # A sentinel writes what it learns into its own file.
  printf '%s\n' "port $sentinel" "bind 127.0.0.1" "dir $HERE" "sentinel monitor mymaster 127.0.0.1 $master 1" \
    "sentinel down-after-milliseconds mymaster 2000" "sentinel failover-timeout mymaster 6000" >"$HERE/sentinel.conf"
  spawn sentinel "$REDIS_SENTINEL" "$HERE/sentinel.conf"
  until_ready 60 redis_says "$sentinel" "$master" sentinel get-master-addr-by-name mymaster
  tell LARDER_TEST_REDIS_SENTINEL "redis+sentinel://127.0.0.1:$sentinel/mymaster/0"
}
