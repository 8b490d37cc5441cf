//! What a client asks to be told of (2026-07-28, basic/patterns/subscriptions, "Notification Filter").

use std::collections::BTreeSet;
use std::fmt;

use serde::de::{Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::Dynamic;
use crate::hub::{MAX_URI_BYTES, MAX_URIS};
use crate::protocol::{Failure, Json};

/// What was asked for, within its bounds.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Filter {
    pub(super) kinds: Dynamic,
    pub(super) uris: BTreeSet<String>,
}

impl Filter {
    /// Reads a filter; what it has beside the four fields is passed over.
    ///
    /// # Errors
    /// `Invalid params` for a field of another type, over 1,000 URIs, or URIs of over 64 KiB together.
    pub(super) fn read(json: &Json) -> Result<Self, Failure> {
        #[derive(Default, Deserialize)]
        #[serde(rename_all = "camelCase", default)]
        struct Fields {
            tools_list_changed: Option<bool>,
            prompts_list_changed: Option<bool>,
            resources_list_changed: Option<bool>,
            resource_subscriptions: Option<Uris>,
        }
        let fields: Fields = json.to().map_err(|_| {
            Failure::invalid_params(
                "notifications may hold toolsListChanged, promptsListChanged and resourcesListChanged, each true or \
                 false, and resourceSubscriptions, at most 1,000 URIs of 64 KiB together",
            )
        })?;
        let asked = [
            (fields.tools_list_changed, Dynamic::TOOLS),
            (fields.prompts_list_changed, Dynamic::PROMPTS),
            (fields.resources_list_changed, Dynamic::RESOURCES),
        ];
        let kinds = asked.into_iter().filter(|(asked, _)| *asked == Some(true)).map(|(_, kind)| kind);
        let uris = fields.resource_subscriptions.map(|uris| uris.0).unwrap_or_default();
        Ok(Self { kinds: kinds.fold(Dynamic::NONE, |all, kind| all | kind), uris })
    }
}

/// URIs, read no further than their bounds: each would cost more than its text.
struct Uris(BTreeSet<String>);

impl<'de> Deserialize<'de> for Uris {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(Bounded).map(Self)
    }
}

struct Bounded;

impl<'de> Visitor<'de> for Bounded {
    type Value = BTreeSet<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of URIs")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let (mut uris, mut bytes) = (BTreeSet::new(), 0);
        while let Some(uri) = items.next_element::<String>()? {
            if uris.contains(&uri) {
                continue;
            }
            bytes += uri.len();
            if uris.len() == MAX_URIS || bytes > MAX_URI_BYTES {
                return Err(A::Error::custom("too many URIs"));
            }
            uris.insert(uri);
        }
        Ok(uris)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Filter, MAX_URI_BYTES, MAX_URIS};
    use crate::Dynamic;
    use crate::protocol::{Json, code};

    fn read(filter: Value) -> Result<Filter, i32> {
        Filter::read(&Json::from(filter)).map_err(|failure| failure.code)
    }

    #[test]
    fn what_is_not_asked_for_is_not_wanted() {
        assert_eq!(read(json!({})), Ok(Filter::default()));
        let some = json!({
            "toolsListChanged": true, "promptsListChanged": false, "resourcesListChanged": null,
            "resourceSubscriptions": ["a://b", "a://b", ""], "vendor": { "any": 1 },
        });
        let expected =
            Filter { kinds: Dynamic::TOOLS, uris: ["", "a://b"].into_iter().map(str::to_owned).collect() };
        assert_eq!(read(some), Ok(expected));
    }

    #[test]
    fn what_is_of_another_type_or_too_much_is_refused() {
        let uris = |count: usize| (0..count).map(|number| format!("a://{number}")).collect::<Vec<_>>();
        for wrong in [
            json!({ "toolsListChanged": "yes" }),
            json!({ "resourceSubscriptions": "a://b" }),
            json!({ "resourceSubscriptions": [1] }),
            json!({ "resourceSubscriptions": uris(MAX_URIS + 1) }),
            json!({ "resourceSubscriptions": ["x".repeat(MAX_URI_BYTES + 1)] }),
        ] {
            assert_eq!(read(wrong), Err(code::INVALID_PARAMS));
        }
        assert_eq!(read(json!({ "resourceSubscriptions": uris(MAX_URIS) })).unwrap().uris.len(), MAX_URIS);
    }
}
