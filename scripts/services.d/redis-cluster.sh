# Three Redis masters that share the slots, without replicas.

install() { once services-redis redis-1 -- install_redis; }

start() {
  local port ports=() list=()
  for _ in 1 2 3; do
    port=$(free_port)
    ports+=("$port")
    list+=("127.0.0.1:$port")
    redis_node "$port" --cluster-enabled yes --cluster-config-file nodes.conf --cluster-node-timeout 2000
  done
  for port in "${ports[@]}"; do
    until_ready 20 redis_answers "$port"
  done
  "$REDIS_CLI" --cluster create "${list[@]}" --cluster-yes --cluster-replicas 0 >>"$HERE/create.log" 2>&1
  for port in "${ports[@]}"; do
    until_ready 60 redis_says "$port" cluster_state:ok cluster info
  done
  tell LARDER_TEST_REDIS_CLUSTER "redis+cluster://$(IFS=, && printf '%s' "${list[*]}")"
}
