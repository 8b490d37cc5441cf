//! What is said of changes: on a subscription each message carries its id, in a session nothing but the change.

use bytes::Bytes;
use serde::Serialize;

use crate::Dynamic;
use crate::hub::Wants;
use crate::protocol::{Json, RequestId, notification};

/// A subscription, known by the id of the request that opened it.
#[derive(Clone, Debug)]
pub(in crate::dispatch) struct Subscription(Json);

/// `_meta` of all that belongs to a subscription.
#[derive(Serialize)]
struct Meta<'a> {
    #[serde(rename = "io.modelcontextprotocol/subscriptionId")]
    subscription: &'a Json,
}

/// The parameters of a notification: its own fields, and `_meta` where it belongs to a subscription.
#[derive(Serialize)]
struct Params<'a, T> {
    #[serde(rename = "_meta", skip_serializing_if = "Option::is_none")]
    meta: Option<Meta<'a>>,
    #[serde(flatten)]
    own: T,
}

#[derive(Serialize)]
struct Nothing {}

#[derive(Serialize)]
struct Updated<'a> {
    uri: &'a str,
}

impl Subscription {
    pub(super) fn new(id: &RequestId) -> Self {
        Self(id.as_json())
    }

    fn meta(&self) -> Meta<'_> {
        Meta { subscription: &self.0 }
    }

    /// The first message: what of the filter is honoured.
    pub(super) fn acknowledged(&self, granted: &Wants) -> Option<Bytes> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Honoured<'a> {
            #[serde(skip_serializing_if = "is_false")]
            tools_list_changed: bool,
            #[serde(skip_serializing_if = "is_false")]
            prompts_list_changed: bool,
            #[serde(skip_serializing_if = "is_false")]
            resources_list_changed: bool,
            #[serde(skip_serializing_if = "Vec::is_empty")]
            resource_subscriptions: Vec<&'a str>,
        }
        #[derive(Serialize)]
        struct Acknowledged<'a> {
            notifications: Honoured<'a>,
        }
        let mut uris: Vec<&str> = granted.uris.iter().map(|uri| &**uri).collect();
        uris.sort_unstable();
        let notifications = Honoured {
            tools_list_changed: granted.kinds.contains(Dynamic::TOOLS),
            prompts_list_changed: granted.kinds.contains(Dynamic::PROMPTS),
            resources_list_changed: granted.kinds.contains(Dynamic::RESOURCES),
            resource_subscriptions: uris,
        };
        let params = Params { meta: Some(self.meta()), own: Acknowledged { notifications } };
        notification("notifications/subscriptions/acknowledged", &params)
    }

    /// The last notification where the server ends it: no other request is ever cancelled by the server (2026-07-28,
    /// basic/patterns/cancellation). The result follows.
    pub(super) fn cancelled(&self, reason: &str) -> Option<Bytes> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Cancelled<'a> {
            request_id: &'a Json,
            reason: &'a str,
        }
        let params = Params { meta: Some(self.meta()), own: Cancelled { request_id: &self.0, reason } };
        notification("notifications/cancelled", &params)
    }

    /// The result of a subscription that ended well.
    pub(super) fn result(&self) -> Json {
        Json::of(&Params { meta: Some(self.meta()), own: Nothing {} }).unwrap_or(Json::EMPTY)
    }
}

/// A list of this kind is another one now.
pub(super) fn listed(kind: Dynamic, subscription: Option<&Subscription>) -> Option<Bytes> {
    let meta = subscription.map(Subscription::meta);
    notification(kind.list_changed(), &Params { meta, own: Nothing {} })
}

/// The resource of this URI has another content.
pub(super) fn updated(uri: &str, subscription: Option<&Subscription>) -> Option<Bytes> {
    let meta = subscription.map(Subscription::meta);
    notification("notifications/resources/updated", &Params { meta, own: Updated { uri } })
}

/// The page is done that the person was sent to (2025-11-25, client/elicitation); only sessions are told.
pub(super) fn completed(id: &str) -> Option<Bytes> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Completed<'a> {
        elicitation_id: &'a str,
    }
    notification("notifications/elicitation/complete", &Completed { elicitation_id: id })
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
const fn is_false(value: &bool) -> bool {
    !*value
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Subscription, listed, updated};
    use crate::Dynamic;
    use crate::hub::Wants;
    use crate::protocol::{Json, RequestId};

    fn subscription(id: &'static str) -> Subscription {
        Subscription::new(&RequestId::new(&Json::parse(id.into()).unwrap()).unwrap())
    }

    fn said(message: Option<bytes::Bytes>) -> Value {
        serde_json::from_slice(&message.unwrap()).unwrap()
    }

    #[test]
    fn every_message_of_a_subscription_carries_its_id_as_it_came() {
        for (id, value) in [("7", json!(7)), (r#""a\u0062""#, json!("ab"))] {
            let subscription = subscription(id);
            let meta = json!({ "io.modelcontextprotocol/subscriptionId": value });
            let granted = Wants::kinds(Dynamic::TOOLS).and(["b://", "a://"]);
            assert_eq!(
                said(subscription.acknowledged(&granted))["params"],
                json!({ "_meta": meta, "notifications": {
                    "toolsListChanged": true, "resourceSubscriptions": ["a://", "b://"],
                } })
            );
            let changed = said(listed(Dynamic::PROMPTS, Some(&subscription)));
            assert_eq!(changed["method"], "notifications/prompts/list_changed");
            assert_eq!(changed["params"], json!({ "_meta": meta }));
            let updated = said(updated("a://b", Some(&subscription)));
            assert_eq!(updated["params"], json!({ "_meta": meta, "uri": "a://b" }));
            let cancelled = said(subscription.cancelled("why"));
            assert_eq!(cancelled["params"], json!({ "_meta": meta, "requestId": value, "reason": "why" }));
            let result: Value = subscription.result().to().unwrap();
            assert_eq!(result, json!({ "_meta": meta }));
        }
        let bytes = subscription(r#""a\u0062""#).cancelled("why").unwrap();
        assert!(bytes.windows(8).any(|part| part == br#""a\u0062"#), "not byte for byte");
    }

    #[test]
    fn in_a_session_nothing_but_the_change_is_said() {
        assert_eq!(said(listed(Dynamic::TOOLS, None))["params"], json!({}));
        assert_eq!(said(updated("a://b", None))["params"], json!({ "uri": "a://b" }));
    }
}
