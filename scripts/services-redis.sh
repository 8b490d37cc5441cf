# Redis and Valkey, which take the same flags: what the files of services.d about them share.

REDIS_SERVER=$INSTALLED/redis/redis-server
REDIS_SENTINEL=$INSTALLED/redis/redis-sentinel
REDIS_CLI=$INSTALLED/redis/redis-cli

install_redis() {
  have openssl openssl # for the certificates
  debian redis redis-server redis-tools redis-sentinel
  launcher redis redis-server
  launcher redis redis-sentinel
  launcher redis redis-cli
  local version
  version=$("$REDIS_SERVER" --version)
  [[ $version == *" v=7.0."* ]] || say "NOTE: expected Redis 7.0, have $version"
}

# redis_node PORT [FLAG..]: one server in a folder of its own. REDIS_PROGRAM may name another program.
redis_node() {
  local port=$1
  shift
  mkdir -p -- "$HERE/$port"
  spawn "node-$port" "${REDIS_PROGRAM:-$REDIS_SERVER}" --bind 127.0.0.1 --port "$port" --dir "$HERE/$port" --save '' "$@"
}

# redis PORT COMMAND..
redis() { "$REDIS_CLI" -h 127.0.0.1 -p "$@"; }

# redis_answers PORT [CLI_FLAG..]
redis_answers() { [ "$(redis "$@" ping)" = PONG ]; }

# redis_says PORT TEXT COMMAND..: its answer has this line.
redis_says() {
  local port=$1 text=$2
  shift 2
  redis "$port" "$@" | tr -d '\r' | grep -qx -- "$text"
}

# redis_tls PORT CLI_FLAGS..: certificates, two users, and a node that speaks TLS alone. `admin` may do everything, `app` what is
# not dangerous and only with keys and topics that begin with `app`.
redis_tls() {
  local port=$1
  certificates
  APP_PASSWORD=$(openssl rand -hex 16)
  ADMIN_PASSWORD=$(openssl rand -hex 16)
  (
    umask 077
    printf '%s\n' "user default off" \
      "user app on >$APP_PASSWORD ~app* resetchannels &app* +@all -@dangerous" \
      "user admin on >$ADMIN_PASSWORD ~* &* +@all" >"$HERE/users"
  )
  redis_tls_node "$port" --aclfile "$HERE/users"
  until_ready 20 redis_tls_answers "$port"
}

# redis_tls_node PORT [FLAG..]: the same as redis_node, with the certificates that are there.
redis_tls_node() {
  local port=$1
  shift
  redis_node "$port" --port 0 --tls-port "$port" --tls-cert-file "$HERE/server.pem" --tls-key-file "$HERE/server.key" \
    --tls-ca-cert-file "$HERE/ca.pem" --tls-auth-clients no "$@"
}

redis_tls_answers() {
  [ "$(REDISCLI_AUTH=$ADMIN_PASSWORD redis "$1" --tls --cacert "$HERE/ca.pem" --user admin ping)" = PONG ]
}

# An authority for this instance alone, and a certificate for the loopback.
certificates() {
  local ca=$HERE/ca server=$HERE/server
  {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj "/CN=Larder tests" \
      -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign -keyout "$ca.key" -out "$ca.pem"
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=localhost" -keyout "$server.key" -out "$server.csr"
    printf '%s\n' "subjectAltName=DNS:localhost,IP:127.0.0.1" "basicConstraints=critical,CA:FALSE" \
      "extendedKeyUsage=serverAuth,clientAuth" >"$server.ext"
    openssl x509 -req -days 30 -in "$server.csr" -CA "$ca.pem" -CAkey "$ca.key" -CAcreateserial -extfile "$server.ext" -out "$server.pem"
  } >>"$HERE/openssl.log" 2>&1
}
