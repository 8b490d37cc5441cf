//! What a client is told without having asked, message by message, whatever carries it.

use larder_tests::http::{HttpRequest, Streaming};
use serde_json::{Value, json};

use crate::client::{Client, Reply};
use crate::harness::Site;
use crate::lines::Lines;

const ID: &str = "io.modelcontextprotocol/subscriptionId";

/// What is told to one session, or on one subscription.
pub(crate) struct Told {
    /// The id of the subscription; null is a session's stream.
    id: Value,
    way: Way,
}

enum Way {
    Lines(Lines),
    Http(Streaming),
}

/// The subscription that a message belongs to; null where it belongs to none.
fn subscription(message: &Value) -> &Value {
    let meta = if message.get("method").is_some() { &message["params"] } else { &message["result"] };
    &meta["_meta"][ID]
}

impl Told {
    /// The stream of the client's session: its connection, or a `GET`.
    pub(crate) async fn in_session(site: &Site, client: &Client) -> Self {
        let way = if site.harness.is_http() {
            let stream = get(site, client).await;
            assert_eq!((stream.status, stream.header("content-type")), (200, Some("text/event-stream")));
            Way::Http(stream)
        } else {
            client.result("tools/list", json!({})).await; // the client in memory begins by its first request
            Way::Lines(client.lines().clone())
        };
        Self { id: Value::Null, way }
    }

    /// A subscription that was opened with `filter`, and what is said first: that it is acknowledged.
    pub(crate) async fn of(client: &Client, id: Value, filter: Value) -> (Self, Value) {
        let message = client.message(id.clone(), "subscriptions/listen", json!({ "notifications": filter }));
        let call = client.begin_message(&message).await;
        let way = if client.is_http() {
            let stream = call.http().head().await;
            assert_eq!((stream.status, stream.header("content-type")), (200, Some("text/event-stream")));
            Way::Http(stream)
        } else {
            Way::Lines(client.lines().clone())
        };
        let mut told = Self { id, way };
        let first = told.next().await.unwrap();
        assert_eq!(first["method"], "notifications/subscriptions/acknowledged", "{first}");
        (told, first["params"]["notifications"].clone())
    }

    /// The next message; `None` once the stream has ended.
    pub(crate) async fn next(&mut self) -> Option<Value> {
        let message = match &mut self.way {
            Way::Lines(lines) => {
                let id = self.id.clone();
                let mine = move |message: &Value| {
                    let of_session = message["method"].as_str().is_some_and(is_of_session);
                    if id.is_null() {
                        of_session && subscription(message).is_null()
                    } else {
                        subscription(message) == &id
                    }
                };
                lines.take(mine).await?.value
            }
            Way::Http(stream) => loop {
                let event = stream.event().await?;
                if let Some(data) = event.data {
                    assert_eq!((event.name.as_deref(), event.id, event.retry), (Some("message"), None, None));
                    break serde_json::from_str(&data).unwrap();
                }
            },
        };
        assert_eq!(subscription(&message), &self.id, "{message}");
        Some(message)
    }

    /// The method of the next message, and the resource that it is about.
    pub(crate) async fn method(&mut self) -> (String, String) {
        let message = self.next().await.expect("a message before the end");
        let uri = message["params"]["uri"].as_str().unwrap_or_default();
        (message["method"].as_str().unwrap_or_default().to_owned(), uri.to_owned())
    }

    /// The next message is that the list of `kind` has changed.
    pub(crate) async fn assert_list_changed(&mut self, kind: &str) {
        assert_eq!(self.method().await, (format!("notifications/{kind}/list_changed"), String::new()));
    }

    /// The next message is that the resource of `uri` has changed.
    pub(crate) async fn assert_updated(&mut self, uri: &str) {
        assert_eq!(self.method().await, ("notifications/resources/updated".to_owned(), uri.to_owned()));
    }

    /// What is left says that the server ended the subscription well, and why.
    pub(crate) async fn assert_ended_well(mut self) -> String {
        let cancelled = self.next().await.unwrap();
        assert_eq!(cancelled["method"], "notifications/cancelled", "{cancelled}");
        assert_eq!(cancelled["params"]["requestId"], self.id);
        let result = self.next().await.unwrap();
        assert_eq!((&result["id"], &result["result"]["resultType"]), (&self.id, &json!("complete")));
        if let Way::Http(stream) = &mut self.way {
            assert_eq!(stream.event().await, None);
        }
        cancelled["params"]["reason"].as_str().unwrap().to_owned()
    }

    /// Ends a subscription as a client does.
    pub(crate) async fn cancel(self, client: &Client) {
        match self.way {
            Way::Lines(_) => client.cancel(&self.id).await,
            Way::Http(stream) => stream.disconnect(),
        }
    }
}

/// Notifications that belong to no request.
fn is_of_session(method: &str) -> bool {
    method.ends_with("/list_changed")
        || matches!(method, "notifications/resources/updated" | "notifications/elicitation/complete")
}

/// A `GET` for the stream of the client's session.
pub(crate) async fn get(site: &Site, client: &Client) -> Streaming {
    let request = client.sign(HttpRequest::new("GET", "").header("accept", "text/event-stream"));
    request.send(site.address()).await.head().await
}

/// As [`get`], where no stream is opened.
pub(crate) async fn refused(client: &Client, request: HttpRequest) -> Reply {
    client.fetch(client.sign(request)).await
}
