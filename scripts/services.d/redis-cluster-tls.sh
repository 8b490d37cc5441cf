# Three Redis masters without replicas that speak TLS alone, with clients and with each other.

install() { once services-redis redis-1 -- install_redis; }

start() {
  local port ports=() list=()
  certificates
  local tls=(--tls --cacert "$HERE/ca.pem")
  for _ in 1 2 3; do
    port=$(free_port)
    ports+=("$port")
    list+=("127.0.0.1:$port")
    redis_tls_node "$port" --tls-cluster yes --cluster-enabled yes --cluster-config-file nodes.conf --cluster-node-timeout 2000
  done
  for port in "${ports[@]}"; do
    until_ready 20 redis_answers "$port" "${tls[@]}"
  done
  "$REDIS_CLI" "${tls[@]}" --cluster create "${list[@]}" --cluster-yes --cluster-replicas 0 >>"$HERE/create.log" 2>&1
  for port in "${ports[@]}"; do
    until_ready 60 redis_says "$port" cluster_state:ok "${tls[@]}" cluster info
  done
  tell LARDER_TEST_REDIS_CLUSTER_TLS "rediss+cluster://$(IFS=, && printf '%s' "${list[*]}")"
  tell_file LARDER_TEST_REDIS_CLUSTER_TLS_CA "$HERE/ca.pem"
}
