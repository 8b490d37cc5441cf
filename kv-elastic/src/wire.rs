//! An entry as a document of the index, and back.

use std::borrow::Cow;

use base64::Engine as _;
use base64::display::Base64Display;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use kv_core::{Entry, Error, ErrorKind, Key, Meta, NewEntry, Result, Version, header, ttl};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;
use tokio::task::spawn_blocking;

use crate::error;
use crate::names;

/// A deadline below is a claim's, and tells in seconds when that was made: as milliseconds, which it is for whoever does not
/// know, it is long ago. It is the one field that tells it and that indexes made earlier can be searched by.
pub(crate) const CLAIMS_BELOW: u64 = 100_000_000_000;
/// Under this tag a claim holds the version of the entry that it took.
const TAKEN: &str = "taken";
/// What is coded on the caller's thread: it takes less than a millisecond.
const INLINE: usize = 128 << 10;

/// What stands around a document that is sent as an upsert: an update that changes nothing, and brings the document for the
/// case that there is none.
const UPSERT: (&[u8], &[u8]) = (br#"{"doc":{},"upsert":"#, b"}");

/// The deadline of a claim that is made now.
pub(crate) fn claimed_at(now_ms: u64) -> u64 {
    (now_ms / 1_000).min(CLAIMS_BELOW - 1)
}

/// An entry on its way in. It owns all of itself, so that it can be coded on another thread.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) hash: String,
    pub(crate) version: Version,
    namespace: String,
    collection: String,
    id: String,
    /// The last millisecond in which it lives; `None` for ever.
    deadline: Option<u64>,
    meta: Vec<u8>,
    value: Bytes,
}

#[derive(Serialize)]
struct Document<'a> {
    namespace: &'a str,
    collection: &'a str,
    id: &'a str,
    hash: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    long_collection: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    long_id: Option<&'a str>,
    version: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    deadline: Option<u64>,
    #[serde(serialize_with = "base64", skip_serializing_if = "is_empty")]
    meta: &'a [u8],
    size: usize,
    #[serde(serialize_with = "base64")]
    value: &'a [u8],
}

fn base64<S: Serializer>(bytes: &&[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&Base64Display::new(bytes, &STANDARD))
}

fn is_empty(bytes: &&[u8]) -> bool {
    bytes.is_empty()
}

impl Draft {
    /// The document of `entry`, put at `now_ms`.
    ///
    /// # Errors
    /// `Invalid` for a bad ttl, `TooLarge` for a value above `max_value` and for too many tags.
    pub(crate) fn new(
        namespace: &str,
        key: Key<'_>,
        entry: NewEntry,
        now_ms: u64,
        max_value: usize,
    ) -> Result<Self> {
        let (value, version, lifetime, meta) = entry.into_parts();
        let ttl = ttl::checked_ttl(lifetime)?;
        if value.len() > max_value {
            return Err(Error::new(
                ErrorKind::TooLarge,
                format!("a value has at most {max_value} bytes here"),
            ));
        }
        Ok(Self {
            hash: names::hash(namespace, key),
            version,
            namespace: namespace.to_owned(),
            collection: key.collection.to_owned(),
            id: key.id.to_owned(),
            deadline: ttl.map(|ttl| ttl::deadline(now_ms, ttl)),
            meta: header::encode_meta(&meta)?,
            value,
        })
    }

    /// What stands in the place of the entry `taken` from `now_ms` until the reaper comes: nothing, which has expired.
    ///
    /// # Errors
    /// None: a claim is small.
    pub(crate) fn claim(
        namespace: &str,
        key: Key<'_>,
        version: Version,
        taken: Version,
        now_ms: u64,
    ) -> Result<Self> {
        let mut meta = Meta::default();
        meta.tags = vec![(TAKEN.into(), *taken.as_bytes())];
        Ok(Self {
            hash: names::hash(namespace, key),
            version,
            namespace: namespace.to_owned(),
            collection: key.collection.to_owned(),
            id: key.id.to_owned(),
            deadline: Some(claimed_at(now_ms)),
            meta: header::encode_meta(&meta)?,
            value: Bytes::new(),
        })
    }

    /// The document, of at most `limit` bytes, and what else is needed of the draft: its id and version.
    ///
    /// # Errors
    /// `TooLarge`: with its names and tags it is more than the server takes.
    pub(crate) async fn coded(self, limit: usize) -> Result<Coded> {
        let coded = if self.value.len() + self.collection.len() + self.id.len() <= INLINE {
            self.code()?
        } else {
            spawn_blocking(move || self.code()).await.map_err(error::interrupted)??
        };
        if coded.upsert.len() > limit {
            let message = "with its names and tags the entry is larger than what the server takes";
            return Err(Error::new(ErrorKind::TooLarge, message));
        }
        Ok(coded)
    }

    fn code(self) -> Result<Coded> {
        let (collection, id) = (names::head(&self.collection), names::head(&self.id));
        let document = Document {
            namespace: &self.namespace,
            collection,
            id,
            hash: &self.hash,
            long_collection: (collection.len() < self.collection.len()).then_some(&*self.collection),
            long_id: (id.len() < self.id.len()).then_some(&*self.id),
            version: format!("{:032x}", u128::from_be_bytes(*self.version.as_bytes())),
            deadline: self.deadline,
            meta: &self.meta,
            size: self.value.len(),
            value: &self.value,
        };
        let (before, behind) = UPSERT;
        let mut body = Vec::with_capacity(self.value.len() / 3 * 4 + 512);
        body.extend_from_slice(before);
        serde_json::to_writer(&mut body, &document).map_err(|_| error::garbled())?;
        body.extend_from_slice(behind);
        Ok(Coded { hash: self.hash, version: self.version, upsert: body.into() })
    }
}

/// A document ready to be sent.
#[derive(Debug)]
pub(crate) struct Coded {
    pub(crate) hash: String,
    pub(crate) version: Version,
    /// The document with what makes it an upsert.
    pub(crate) upsert: Bytes,
}

impl Coded {
    /// The document alone.
    pub(crate) fn document(&self) -> Bytes {
        let (before, behind) = UPSERT;
        self.upsert.slice(before.len()..self.upsert.len() - behind.len())
    }
}

/// A document as it was read. Its value is empty if it was not asked for.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub(crate) collection: String,
    pub(crate) id: String,
    pub(crate) hash: String,
    pub(crate) version: Version,
    pub(crate) deadline: Option<u64>,
    /// Of the value, in bytes.
    pub(crate) size: usize,
    meta: Meta,
    value: Bytes,
}

/// A document of a listing. Its place in the order is known even if the rest of it is damaged.
#[derive(Clone, Debug)]
pub(crate) struct Hit {
    pub(crate) collection: String,
    pub(crate) id: String,
    pub(crate) hash: String,
    /// The document, or why it cannot be read.
    pub(crate) stored: Result<Stored>,
}

impl Hit {
    /// # Errors
    /// `Corrupt` for a document without the names that all of Larder's have.
    pub(crate) fn decode(source: &RawValue) -> Result<Self> {
        let stored = match Stored::decode(source) {
            Ok(stored) => {
                let (collection, id, hash) =
                    (stored.collection.clone(), stored.id.clone(), stored.hash.clone());
                return Ok(Self { collection, id, hash, stored: Ok(stored) });
            }
            Err(error) => error,
        };
        let Ok(names) = serde_json::from_str::<Names>(source.get()) else { return Err(stored) };
        let Names { collection, id, hash, long_collection, long_id } = names;
        let (collection, id) = (long_collection.unwrap_or(collection), long_id.unwrap_or(id));
        Ok(Self { collection, id, hash, stored: Err(stored) })
    }
}

/// What of a document tells whose it is.
#[derive(Deserialize)]
struct Names {
    collection: String,
    id: String,
    hash: String,
    long_collection: Option<String>,
    long_id: Option<String>,
}

#[derive(Deserialize)]
struct Source<'a> {
    #[serde(borrow)]
    collection: Cow<'a, str>,
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    hash: Cow<'a, str>,
    long_collection: Option<String>,
    long_id: Option<String>,
    #[serde(borrow)]
    version: Cow<'a, str>,
    deadline: Option<u64>,
    #[serde(borrow, default)]
    meta: Cow<'a, str>,
    size: usize,
    #[serde(borrow, default)]
    value: Cow<'a, str>,
}

impl Stored {
    /// # Errors
    /// `Corrupt` for what Larder never writes: the servers do not look into these fields.
    pub(crate) fn decode(source: &RawValue) -> Result<Self> {
        let foreign = |_| error::corrupt("the document is not one of Larder's");
        let source: Source<'_> = serde_json::from_str(source.get()).map_err(foreign)?;
        let damaged = |_| error::corrupt("the document holds bytes that are not base64");
        let meta = STANDARD.decode(source.meta.as_bytes()).map_err(damaged)?;
        let value = STANDARD.decode(source.value.as_bytes()).map_err(damaged)?;
        if !source.value.is_empty() && value.len() != source.size {
            return Err(error::corrupt("the document's value has another length than was written"));
        }
        Ok(Self {
            collection: source.long_collection.unwrap_or_else(|| source.collection.into_owned()),
            id: source.long_id.unwrap_or_else(|| source.id.into_owned()),
            hash: source.hash.into_owned(),
            version: version(&source.version)?,
            deadline: source.deadline,
            size: source.size,
            meta: header::decode_meta(&meta)?,
            value: value.into(),
        })
    }

    /// # Errors
    /// `Corrupt` for a document that stands under the id of another name.
    pub(crate) fn of(self, key: Key<'_>) -> Result<Self> {
        if (self.collection.as_str(), self.id.as_str()) == (key.collection, key.id) {
            return Ok(self);
        }
        Err(error::corrupt("the document bears another name"))
    }

    pub(crate) fn is_live(&self, now_ms: u64) -> bool {
        self.deadline.is_none_or(|deadline| !ttl::is_expired(deadline, now_ms))
    }

    /// Whether the write of this version was done: it stands here, or what a take of it left behind.
    pub(crate) fn tells_of(&self, version: Version) -> bool {
        let is_it = |(tag, taken): &(Box<str>, [u8; 16])| &**tag == TAKEN && taken == version.as_bytes();
        self.version == version || self.is_claim() && self.meta.tags.iter().any(is_it)
    }

    fn is_claim(&self) -> bool {
        self.deadline.is_some_and(|deadline| deadline < CLAIMS_BELOW)
    }

    /// Whether it is a claim that was made after `ms`, in whole seconds.
    pub(crate) fn was_claimed_after(&self, ms: u64) -> bool {
        self.is_claim() && self.deadline.is_some_and(|made| made > claimed_at(ms))
    }

    /// The entry, if it lives at `now_ms`.
    pub(crate) fn at(self, now_ms: u64) -> Option<Entry> {
        let left = match self.deadline {
            None => None,
            Some(deadline) => Some(ttl::remaining(deadline, now_ms)?),
        };
        Some(Entry::new(self.value, self.version, left, self.meta))
    }
}

fn version(text: &str) -> Result<Version> {
    let plain = text.len() == 32 && text.bytes().all(|c| c.is_ascii_hexdigit());
    let number = u128::from_str_radix(text, 16).ok().filter(|_| plain);
    let number = number.ok_or_else(|| error::corrupt("the document's version cannot be read"))?;
    Ok(Version::from_bytes(number.to_be_bytes()))
}

/// Decodes an answer: a short one here, a long one on another thread.
pub(crate) async fn decoded<T: Send + 'static>(
    body: Bytes,
    decode: impl FnOnce(&[u8]) -> Result<T> + Send + 'static,
) -> Result<T> {
    if body.len() <= INLINE {
        return decode(&body);
    }
    spawn_blocking(move || decode(&body)).await.map_err(error::interrupted)?
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use kv_core::{ErrorKind, Key, Meta, NewEntry, Version};
    use serde_json::value::RawValue;

    use super::{Coded, Draft, Stored};

    const LIMIT: usize = 1 << 20;

    async fn coded(key: Key<'_>, entry: NewEntry) -> kv_core::Result<Coded> {
        Draft::new("n", key, entry, 1_000, 1_000_000)?.coded(LIMIT).await
    }

    fn raw(body: &[u8]) -> Box<RawValue> {
        serde_json::from_slice(body).unwrap()
    }

    #[tokio::test]
    async fn what_went_in_comes_out() {
        let long = format!("{}\0\u{1}\"é", "x".repeat(8_000));
        let mut tagged = Meta::codec(2);
        tagged.tags = vec![("t".into(), [7; 16])];
        for (collection, id) in [("", ""), ("a\0", "\"\\\n"), (&*long, "a"), ("a", &*long), (&*long, &*long)]
        {
            for value in [Vec::new(), vec![0, 255], vec![9; 200_000]] {
                let key = Key::new(collection, id);
                let entry = NewEntry::new(value.clone()).ttl(Duration::from_millis(5)).meta(tagged.clone());
                let coded = coded(key, entry).await.unwrap();
                let stored = Stored::decode(&raw(&coded.document())).unwrap().of(key).unwrap();
                assert_eq!((stored.hash.as_str(), stored.deadline), (coded.hash.as_str(), Some(1_005)));
                assert_eq!(stored.size, value.len());
                let upsert: serde_json::Value = serde_json::from_slice(&coded.upsert).unwrap();
                assert_eq!(upsert["upsert"]["hash"], coded.hash);
                let entry = stored.clone().at(1_003).unwrap();
                assert_eq!((entry.value.as_ref(), entry.version), (&*value, coded.version));
                assert_eq!((entry.ttl, entry.meta), (Some(Duration::from_millis(2)), tagged.clone()));
                assert!(stored.is_live(1_005) && !stored.is_live(1_006) && stored.at(1_006).is_none());
            }
        }
    }

    #[tokio::test]
    async fn a_claim_has_expired_by_every_clock_and_tells_when_it_was_made() {
        let (version, taken, now_ms) = (Version::random(), Version::random(), 1_763_900_000_000);
        let claim = Draft::claim("n", Key::new("c", "i"), version, taken, now_ms).unwrap();
        let claim = Stored::decode(&raw(&claim.coded(LIMIT).await.unwrap().document())).unwrap();
        assert!(claim.tells_of(version) && claim.tells_of(taken) && !claim.tells_of(Version::random()));
        assert!(claim.was_claimed_after(now_ms - 1_000) && !claim.was_claimed_after(now_ms + 1_000));
        assert!(!claim.is_live(now_ms / 100) && claim.at(now_ms / 100).is_none());
    }

    #[tokio::test]
    async fn what_is_too_large_is_refused_before_it_is_sent() {
        let entry = NewEntry::new(vec![0; 1_000_001]);
        assert_eq!(coded(Key::new("a", "b"), entry).await.unwrap_err().kind(), ErrorKind::TooLarge);
        let long = "\0".repeat(200_000); // six bytes each in JSON
        let error = coded(Key::new("a", &long), NewEntry::new("x")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TooLarge);
        let entry = NewEntry::new("x").ttl(Duration::ZERO);
        assert_eq!(coded(Key::new("a", "b"), entry).await.unwrap_err().kind(), ErrorKind::Invalid);
    }

    #[tokio::test]
    async fn what_larder_did_not_write_is_corrupt() {
        let key = Key::new("c", "i");
        let body = coded(key, NewEntry::new("value")).await.unwrap().document();
        let good: serde_json::Value = serde_json::from_slice(&body).unwrap();
        let wrong = [
            ("value", serde_json::json!("***")),
            ("value", serde_json::json!("dmFs")),
            ("value", serde_json::json!(["dmFsdWU="])),
            ("version", serde_json::json!("+0000000000000000000000000000001")),
            ("version", serde_json::json!("")),
            ("meta", serde_json::json!("AAAA")),
            ("deadline", serde_json::json!("soon")),
            ("collection", serde_json::json!(7)),
        ];
        for (field, value) in wrong {
            let mut document = good.clone();
            document[field] = value;
            let error = Stored::decode(&raw(document.to_string().as_bytes())).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{field}");
        }
        let stored = Stored::decode(&raw(&body)).unwrap();
        assert_eq!(stored.clone().of(Key::new("c", "j")).unwrap_err().kind(), ErrorKind::Corrupt);
        assert!(stored.of(key).is_ok());
    }
}
