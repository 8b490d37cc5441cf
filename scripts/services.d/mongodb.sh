# SecantusDB, which speaks MongoDB's protocol on the WiredTiger engine: it stands in for mongod, which no registry has.
# GPL-2.0: a program of its own, linked with nothing of ours.

install() { once services-mongodb "$SERVICES/mongodb.txt" -- install_mongodb; }

install_mongodb() {
  wheels mongodb
  logged mongodb-help "$INSTALLED/mongodb/bin/secantusd-py" --help
}

start() {
  local port
  port=$(free_port)
  spawn server "$INSTALLED/mongodb/bin/secantusd-py" --host 127.0.0.1 --port "$port" --storage-path :memory: --log-level WARNING
  until_ready 60 listens "$port"
  tell LARDER_TEST_MONGODB "mongodb://127.0.0.1:$port/?directConnection=true"
  tell_file LARDER_TEST_MONGODB_SERVER "$INSTALLED/mongodb/bin/secantusd-py"
}
