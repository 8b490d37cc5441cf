//! What a client said at `initialize`, and what is known of its session since.

use std::collections::BTreeSet;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::asking::Ready;
use crate::hub::{MAX_URI_BYTES, MAX_URIS};
use crate::protocol::{Failure, Implementation, Json, Level, Revision, abridged, present};
use crate::request::Caller;

/// What was agreed at `initialize`. `J` holds what is handed on as it is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Handshake<J = Json> {
    /// The revision that was agreed on, by its name.
    #[serde(with = "name")]
    revision: Revision,
    /// What was kept of the client's own description, as each request hands it on.
    client: J,
    /// `None` where none were declared.
    #[serde(skip_serializing_if = "Option::is_none")]
    capabilities: Option<J>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) level: Option<Level>,
    /// Whether the client has said `notifications/initialized`. Not kept where nothing can be told or asked.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) initialized: bool,
    /// The URIs that the client wants to be told of (`resources/subscribe`).
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(super) subscriptions: BTreeSet<String>,
    /// Which of its `GET` streams is the newest, in whatever process. Not kept where there is one process alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) stream: Option<u64>,
    /// Whether it is over, and only what belongs to it is not all gone yet.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) ended: bool,
}

impl Handshake {
    /// What the store has. What is handed on stays where it lies: each request reads its session.
    pub(super) fn read(stored: &Bytes) -> serde_json::Result<Self> {
        let read: Handshake<&RawValue> = serde_json::from_slice(stored)?;
        let slice = |json: &RawValue| Json::trusted(stored.slice_ref(json.get().as_bytes()));
        Ok(Self {
            revision: read.revision,
            client: slice(read.client),
            capabilities: read.capabilities.map(slice),
            level: read.level,
            initialized: read.initialized,
            subscriptions: read.subscriptions,
            stream: read.stream,
            ended: read.ended,
        })
    }

    const MAX_TEXT: usize = 256;
    const MAX_CAPABILITIES: usize = 4 << 10;
    /// With the white space of who writes them in many lines. What is longer is not taken apart: its parts take many
    /// times the memory of its text.
    const MAX_UNREAD_CAPABILITIES: usize = 16 << 10;

    /// Reads the parameters of `initialize`; an unknown version is answered by the newest with a handshake.
    ///
    /// Kept of the client's name, title and version are 256 bytes each.
    ///
    /// # Errors
    /// `Invalid params` where the version is missing or the capabilities exceed 4 KiB.
    pub(crate) fn from_params(params: &Json) -> Result<Self, Failure> {
        let unfit = |error: serde_json::Error| {
            Failure::invalid_params(format!(
                "initialize needs protocolVersion, capabilities and clientInfo: {}",
                abridged(error.to_string())
            ))
        };
        let params: Params<'_> = serde_json::from_slice(params.as_bytes()).map_err(unfit)?;
        let exceeded = || Failure::invalid_params("the capabilities exceed 4 KiB");
        let capabilities = params.capabilities.map_or("{}", RawValue::get);
        if capabilities.len() > Self::MAX_UNREAD_CAPABILITIES {
            return Err(exceeded());
        }
        let capabilities: Map<String, Value> = serde_json::from_str(capabilities).map_err(unfit)?;
        let capabilities = Json::from(Value::from(capabilities));
        if capabilities.as_bytes().len() > Self::MAX_CAPABILITIES {
            return Err(exceeded());
        }
        let asked = Revision::from_name(&params.protocol_version).filter(|revision| !revision.is_stateless());
        Ok(Self {
            revision: asked.unwrap_or(Revision::LATEST_HANDSHAKE),
            client: Json::of(&params.client_info.trimmed()).map_err(unfit)?,
            capabilities: Some(capabilities).filter(|declared| *declared != Json::EMPTY),
            level: None,
            initialized: false,
            subscriptions: BTreeSet::new(),
            stream: None,
            ended: false,
        })
    }

    pub(crate) fn revision(&self) -> Revision {
        self.revision
    }

    pub(crate) fn set_level(&mut self, level: Level) {
        self.level = Some(level);
    }

    pub(crate) const fn is_initialized(&self) -> bool {
        self.initialized
    }

    /// Whether no other stream of the session is newer than this one. Where none is named, a process of an older version
    /// has changed the session since.
    pub(crate) fn is_told_on(&self, stream: u64) -> bool {
        self.stream.is_none_or(|newest| newest == stream)
    }

    /// Whether the client declared anything that it can be asked for.
    pub(crate) fn can_be_asked(&self) -> bool {
        let Some(declared) = &self.capabilities else { return false };
        let declared = declared.to::<Map<String, Value>>().unwrap_or_default();
        ["elicitation", "sampling", "roots"].iter().any(|name| declared.contains_key(*name))
    }

    /// The URIs of the resources whose updates the client is told of.
    pub(crate) fn subscriptions(&self) -> impl Iterator<Item = &str> {
        self.subscriptions.iter().map(String::as_str)
    }

    /// Adds a resource to those that the client is told of; `false` where it has as many as it may.
    pub(super) fn subscribe(&mut self, uri: &str) -> bool {
        let bytes: usize = self.subscriptions.iter().map(String::len).sum();
        let fits = self.subscriptions.len() < MAX_URIS && bytes + uri.len() <= MAX_URI_BYTES;
        self.subscriptions.contains(uri) || (fits && self.subscriptions.insert(uri.to_owned()))
    }

    /// The same of a session that has ended.
    pub(super) fn over(mut self) -> Self {
        self.ended = true;
        self
    }

    /// What a request of this session knows of its client.
    pub(crate) fn caller(&self) -> Caller {
        Caller {
            info: Some(self.client.clone()),
            capabilities: self.capabilities.clone(),
            log_level: self.level,
            progress: None,
            ready: if self.initialized { Ready::Yes } else { Ready::Kept },
        }
    }
}

/// A revision as it is stored; one that only a newer version of this program knows is served as the newest known here.
mod name {
    use serde::{Deserialize as _, Deserializer, Serializer};

    use crate::protocol::Revision;

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
    pub(super) fn serialize<S: Serializer>(revision: &Revision, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(revision.as_str())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Revision, D::Error> {
        let name = <&str>::deserialize(deserializer)?;
        Ok(Revision::from_name(name).unwrap_or(Revision::LATEST_HANDSHAKE))
    }
}

/// The parameters of `initialize`, as far as they are looked at.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Params<'a> {
    protocol_version: String,
    #[serde(borrow, default, deserialize_with = "present")]
    capabilities: Option<&'a RawValue>,
    #[serde(default)]
    client_info: Client,
}

/// What is kept of a client's own description.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Client {
    name: String,
    title: Option<String>,
    version: String,
}

impl Client {
    fn trimmed(&self) -> Implementation {
        let mut kept = Implementation::new(cut(&self.name), cut(&self.version));
        kept.title = self.title.as_deref().map(cut);
        kept
    }
}

/// The beginning of `text`, at most 256 bytes, of whole characters.
fn cut(text: &str) -> String {
    let end = (0..=Handshake::MAX_TEXT.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    text.get(..end.unwrap_or(0)).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::Handshake;
    use crate::protocol::{Json, Level, Revision};

    #[test]
    fn what_was_stored_is_read_again_where_it_lies() {
        let params = r#"{"protocolVersion":"2025-06-18","capabilities":{"roots":{}},"clientInfo":{"name":"n","version":"1"}}"#;
        let mut begun = Handshake::from_params(&Json::parse(params.into()).unwrap()).unwrap();
        begun.set_level(Level::Error);
        assert!(begun.subscribe("a://b"));
        let stored = Bytes::from(serde_json::to_vec(&begun).unwrap());
        let read = Handshake::read(&stored).unwrap();
        assert_eq!(serde_json::to_vec(&read).unwrap(), stored);
        for json in [&read.client, read.capabilities.as_ref().unwrap()] {
            assert!(stored.as_ptr_range().contains(&json.as_bytes().as_ptr()));
        }
        let newer = String::from_utf8(stored.to_vec()).unwrap().replace("2025-06-18", "2099-01-01");
        assert_eq!(Handshake::read(&newer.into()).unwrap().revision(), Revision::LATEST_HANDSHAKE);
    }

    #[test]
    fn what_a_client_says_of_itself_is_not_taken_apart_where_it_is_long() {
        let of = |capabilities: &str, icons: &str| {
            let text = format!(
                r#"{{"protocolVersion":"2025-11-25","capabilities":{capabilities},
                "clientInfo":{{"name":"n","version":"1","icons":{icons}}}}}"#
            );
            Handshake::from_params(&Json::parse(text.into()).unwrap())
        };
        let deep = format!("{}{}", "[".repeat(1 << 20), "]".repeat(1 << 20));
        for capabilities in [format!(r#"{{"a":{deep}}}"#), format!("[{}0]", "0,".repeat(1 << 20))] {
            assert_eq!(of(&capabilities, "[]").unwrap_err().message, "the capabilities exceed 4 KiB");
        }
        assert_eq!(of(r#"{"a":{}}"#, &deep).unwrap().client.as_str(), r#"{"name":"n","version":"1"}"#);
        let indented = format!("{{{}\"a\":{{}}}}", " ".repeat(8 << 10));
        assert_eq!(of(&indented, "[]").unwrap().capabilities.unwrap().as_str(), r#"{"a":{}}"#);
        for wrong in ["null", "[]", "7"] {
            assert!(of(wrong, "[]").is_err(), "{wrong}");
        }
    }

    #[test]
    fn of_what_a_client_says_of_itself_the_beginning_is_kept_in_whole_characters() {
        let long = "ä".repeat(500);
        let params = serde_json::json!({
            "protocolVersion": "2025-06-18",
            "clientInfo": { "name": format!("x{long}"), "title": long, "version": "1".repeat(257), "websiteUrl": long },
        });
        let kept = Handshake::from_params(&Json::from(params)).unwrap().client;
        let (name, whole) = (format!("x{}", "ä".repeat(127)), "ä".repeat(128));
        let expected = serde_json::json!({ "name": name, "title": whole, "version": "1".repeat(256) });
        assert_eq!(kept.to::<serde_json::Value>().unwrap(), expected);
        assert_eq!((name.len(), whole.len()), (255, 256));
    }
}
