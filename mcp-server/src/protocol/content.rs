//! Content blocks: what tools, prompts and resources answer with.

use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Json;

/// Who content is for, or who says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The person.
    User,
    /// The model.
    Assistant,
}

/// Hints to the client about a piece of content.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Annotations {
    /// Who it is for.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub audience: Option<Vec<Role>>,
    /// 0 (optional) to 1 (required).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub priority: Option<f64>,
    /// ISO 8601.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub last_modified: Option<String>,
}

/// An icon of a component or of the server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Icon {
    /// An `https:` or `data:` URI.
    pub src: String,
    /// Such as `image/png`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub mime_type: Option<String>,
    /// Such as `48x48`, or `any`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub sizes: Option<Vec<String>>,
}

impl Icon {
    /// The icon at `src`.
    pub fn new(src: impl Into<String>) -> Self {
        Self { src: src.into(), mime_type: None, sizes: None }
    }
}

/// One block of content.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Content {
    /// Text.
    Text {
        /// The text.
        text: String,
        /// Hints.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        annotations: Option<Annotations>,
    },
    /// A picture.
    Image {
        /// Its bytes; base64 on the wire.
        #[serde(with = "base64_bytes")]
        data: Bytes,
        /// Such as `image/png`.
        #[serde(rename = "mimeType")]
        mime_type: String,
        /// Hints.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        annotations: Option<Annotations>,
    },
    /// Sound. Becomes text on 2024-11-05.
    Audio {
        /// Its bytes; base64 on the wire.
        #[serde(with = "base64_bytes")]
        data: Bytes,
        /// Such as `audio/wav`.
        #[serde(rename = "mimeType")]
        mime_type: String,
        /// Hints.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        annotations: Option<Annotations>,
    },
    /// A resource to be read by its URI. Becomes text before 2025-06-18.
    ResourceLink {
        /// Its URI.
        uri: String,
        /// Its name.
        name: String,
        /// What it is.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        description: Option<String>,
        /// Its type.
        #[serde(rename = "mimeType", skip_serializing_if = "Option::is_none", default)]
        mime_type: Option<String>,
    },
    /// A resource, contents and all.
    Resource {
        /// The contents.
        resource: ResourceContents,
        /// Hints.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        annotations: Option<Annotations>,
    },
}

impl Content {
    /// A block of text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text { text: text.into(), annotations: None }
    }

    /// A picture.
    pub fn image(data: impl Into<Bytes>, mime_type: impl Into<String>) -> Self {
        Self::Image { data: data.into(), mime_type: mime_type.into(), annotations: None }
    }

    /// Sound.
    pub fn audio(data: impl Into<Bytes>, mime_type: impl Into<String>) -> Self {
        Self::Audio { data: data.into(), mime_type: mime_type.into(), annotations: None }
    }

    /// A resource with its contents.
    pub fn resource(resource: ResourceContents) -> Self {
        Self::Resource { resource, annotations: None }
    }
}

/// The contents of a resource: text or bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ResourceContents {
    /// Text.
    Text {
        /// The URI it was read under.
        uri: String,
        /// Its type.
        #[serde(rename = "mimeType", skip_serializing_if = "Option::is_none", default)]
        mime_type: Option<String>,
        /// The text.
        text: String,
        /// `_meta`, an object.
        #[serde(rename = "_meta", skip_serializing_if = "Option::is_none", default)]
        meta: Option<serde_json::Value>,
    },
    /// Bytes.
    Blob {
        /// The URI it was read under.
        uri: String,
        /// Its type.
        #[serde(rename = "mimeType", skip_serializing_if = "Option::is_none", default)]
        mime_type: Option<String>,
        /// The bytes; base64 on the wire.
        #[serde(with = "base64_bytes")]
        blob: Bytes,
        /// `_meta`, an object.
        #[serde(rename = "_meta", skip_serializing_if = "Option::is_none", default)]
        meta: Option<serde_json::Value>,
    },
}

impl ResourceContents {
    /// Text under `uri`.
    pub fn text(uri: impl Into<String>, text: impl Into<String>) -> Self {
        Self::Text { uri: uri.into(), mime_type: None, text: text.into(), meta: None }
    }

    /// Bytes under `uri`.
    pub fn blob(uri: impl Into<String>, blob: impl Into<Bytes>) -> Self {
        Self::Blob { uri: uri.into(), mime_type: None, blob: blob.into(), meta: None }
    }

    /// Sets the type.
    #[must_use]
    pub fn with_mime_type(mut self, to: impl Into<String>) -> Self {
        match &mut self {
            Self::Text { mime_type, .. } | Self::Blob { mime_type, .. } => *mime_type = Some(to.into()),
        }
        self
    }
}

mod base64_bytes {
    use base64::Engine as _;

    use super::{Bytes, Deserialize, Deserializer, STANDARD, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &Bytes, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&base64::display::Base64Display::new(bytes, &STANDARD))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        STANDARD.decode(text.as_bytes()).map(Bytes::from).map_err(serde::de::Error::custom)
    }
}

impl From<Content> for Json {
    fn from(content: Content) -> Self {
        Self::of(&content).unwrap_or(Self::NULL)
    }
}
