# Amazon's DynamoDB Local. Its licence binds whoever uses it to an account at AWS and to work in connection with AWS: it runs only
# when SERVICES_DYNAMODB_LOCAL=1 says that this was read and holds.

install() { once services-dynamodb-local 2.6.1 -- jars dynamodb-local com.amazonaws DynamoDBLocal 2.6.1; }

start() {
  local port
  port=$(free_port)
  need java "install Java 17 or later"
  spawn server java -Xmx512m "-Djava.library.path=$INSTALLED/dynamodb-local" -cp "$INSTALLED/dynamodb-local/*" \
    com.amazonaws.services.dynamodbv2.local.main.ServerRunner -inMemory -port "$port" -disableTelemetry
  until_ready 120 dynamodb_answers "$port"
  tell LARDER_TEST_DYNAMODB_LOCAL "http://127.0.0.1:$port"
}

# Without a signature the right answer is a refusal.
dynamodb_answers() { http "$1" "POST /" | grep -q MissingAuthenticationToken; }
