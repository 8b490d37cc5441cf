# dynoxide, which answers DynamoDB's protocol from SQLite: it stands in for Amazon's service.

DYNOXIDE=3.2.0

install() { once services-dynamodb "$DYNOXIDE" -- install_dynoxide; }

install_dynoxide() {
  need cargo "install Rust from rustup.rs"
  say "building dynoxide $DYNOXIDE (minutes)"
  # Hardly optimised: it is quick enough, and this halves the wait.
  CARGO_PROFILE_RELEASE_OPT_LEVEL=1 CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 \
    logged dynoxide cargo install --locked --root "$INSTALLED/dynamodb" --target-dir "$INSTALLED/dynamodb/target" \
    "dynoxide-rs@$DYNOXIDE" --no-default-features --features native-sqlite,http-server,cli
  rm -rf -- "$INSTALLED/dynamodb/target"
}

start() {
  local port
  port=$(free_port)
  spawn server "$INSTALLED/dynamodb/bin/dynoxide" serve --host 127.0.0.1 --port "$port"
  until_ready 20 listens "$port"
  tell LARDER_TEST_DYNAMODB "http://127.0.0.1:$port"
  tell_file LARDER_TEST_DYNAMODB_SERVER "$INSTALLED/dynamodb/bin/dynoxide"
}
