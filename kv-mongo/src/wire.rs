//! Entries as documents.
//!
//! | field | type | what |
//! |---|---|---|
//! | `_id` | string | the name, or its head and hash: see [`crate::names`] |
//! | `v` | binary, 16 bytes | version |
//! | `x` | date | deadline: the last millisecond in which the entry lives; 9999-12-31 never expires |
//! | `d` | binary | the value |
//! | `m` | binary | codec and tags (`kv_core::header::encode_meta`); absent if plain |
//! | `n` | string | the whole name, where `_id` holds a hash of it; else absent |

use std::time::Duration;

use bytes::Bytes;
use kv_core::{Entry, Error, ErrorKind, Meta, NewEntry, Result, Version, header, ttl};
use mongodb::bson::spec::BinarySubtype;
use mongodb::bson::{Binary, Bson, Document, RawBsonRef, RawDocument, doc};

use crate::error;
use crate::names::Name;
use crate::now::{self, Now};

pub(crate) const ID: &str = "_id";
pub(crate) const VERSION: &str = "v";
pub(crate) const DEADLINE: &str = "x";
const VALUE: &str = "d";
const META: &str = "m";
pub(crate) const NAME: &str = "n";
/// What is left in milliseconds; computed by a read, not stored.
const LEFT: &str = "r";

/// The largest document that is sent: MongoDB's own limit, less what a command puts around one.
const MAX_DOCUMENT: usize = (16 << 20) - (8 << 10);
/// The largest value; names and tags have what is left of a document.
pub(crate) const MAX_VALUE: usize = (16 << 20) - (64 << 10);
/// What a document has beside the lengths of its parts, and a statement of a batch around it.
const AROUND: usize = 512;

/// An entry that was found fit to be sent.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) name: Name,
    value: Bytes,
    pub(crate) version: Version,
    ttl_ms: Option<u64>,
    meta: Vec<u8>,
}

impl Draft {
    /// # Errors
    /// `Invalid` for a bad ttl, `TooLarge` for what fits into no document.
    pub(crate) fn of(name: Name, entry: NewEntry) -> Result<Self> {
        let (value, version, ttl, meta) = entry.into_parts();
        let ttl_ms = ttl::checked_ttl(ttl)?;
        let draft = Self { name, value, version, ttl_ms, meta: header::encode_meta(&meta)? };
        if draft.value.len() > MAX_VALUE || draft.size() > MAX_DOCUMENT {
            return Err(too_large());
        }
        Ok(draft)
    }

    /// About as many bytes as a statement that writes it takes.
    pub(crate) fn size(&self) -> usize {
        let whole = self.name.whole.as_ref().map_or(0, String::len);
        self.value.len() + self.meta.len() + 2 * self.name.id.len() + whole + AROUND
    }

    /// The document, as an expression: what is a string is marked as such, since it may begin with `$`.
    pub(crate) fn document(&self, now: Now) -> Document {
        let mut document = doc! {
            ID: literal(&self.name.id),
            VERSION: version(self.version),
            DEADLINE: now.deadline(self.ttl_ms),
            VALUE: binary(self.value.to_vec()),
        };
        if !self.meta.is_empty() {
            document.insert(META, binary(self.meta.clone()));
        }
        if let Some(whole) = &self.name.whole {
            document.insert(NAME, literal(whole));
        }
        document
    }
}

/// A string in an expression.
pub(crate) fn literal(text: &str) -> Document {
    doc! { "$literal": text }
}

pub(crate) fn version(version: Version) -> Bson {
    binary(version.as_bytes().to_vec())
}

fn binary(bytes: Vec<u8>) -> Bson {
    Bson::Binary(Binary { subtype: BinarySubtype::Generic, bytes })
}

/// The fields of a whole entry that a remove hands back.
pub(crate) fn fields() -> Document {
    doc! { VERSION: 1, DEADLINE: 1, VALUE: 1, META: 1, NAME: 1 }
}

/// The fields of a whole entry as a read computes them.
pub(crate) fn fields_at(now: Now) -> Document {
    let mut fields = fields();
    fields.insert(LEFT, now.left());
    fields
}

/// The fields that tell whether an entry lives, and its version.
pub(crate) fn version_at(now: Now) -> Document {
    doc! { VERSION: 1, DEADLINE: 1, LEFT: now.left() }
}

/// Whether there is a document: what an upsert begins with has a name and nothing else, and so has nothing to lose.
pub(crate) fn is_there() -> Document {
    let has = |field: &str| doc! { "$ne": [{ "$type": format!("${field}") }, "missing"] };
    doc! { "$or": [has(DEADLINE), has(VERSION), has(VALUE)] }
}

/// The version of a document that was read with [`version_at`], unless it has expired.
pub(crate) fn live_version(document: &RawDocument) -> Result<Option<Version>> {
    deadline_of(document)?;
    if number(document, LEFT)? < 0 { Ok(None) } else { version_of(document).map(Some) }
}

/// The version of a document.
pub(crate) fn version_of(document: &RawDocument) -> Result<Version> {
    let bytes = document.get_binary(VERSION).map_err(|_| error::damaged())?.bytes;
    bytes.try_into().map(Version::from_bytes).map_err(|_| error::damaged())
}

/// A document as a read found it.
#[derive(Debug)]
pub(crate) struct Found {
    /// The entry, unless it has expired.
    pub(crate) entry: Option<Entry>,
    /// The time on the judging clock when it was read.
    pub(crate) read_at: i64,
}

/// A document that was read with [`fields_at`].
pub(crate) fn read(document: &RawDocument) -> Result<Found> {
    let (deadline, left) = (deadline_of(document)?, number(document, LEFT)?);
    let entry = (left >= 0).then(|| entry(document, now::left(deadline, left))).transpose()?;
    Ok(Found { entry, read_at: deadline.saturating_sub(left) })
}

/// A document with what is known to be left of it.
pub(crate) fn entry(document: &RawDocument, left: Option<Duration>) -> Result<Entry> {
    let value = document.get_binary(VALUE).map_err(|_| error::damaged())?.bytes;
    let meta = match document.get(META).map_err(|_| error::damaged())? {
        None => Meta::default(),
        Some(meta) => header::decode_meta(meta.as_binary().ok_or_else(error::damaged)?.bytes)?,
    };
    Ok(Entry::new(Bytes::copy_from_slice(value), version_of(document)?, left, meta))
}

/// The deadline. Without one nobody can tell whether the entry lives: expressions take it for alive.
pub(crate) fn deadline_of(document: &RawDocument) -> Result<i64> {
    Ok(document.get_datetime(DEADLINE).map_err(|_| error::damaged())?.timestamp_millis())
}

/// The whole name, if `_id` holds a hash of it.
pub(crate) fn whole_of(document: &RawDocument) -> Result<Option<&str>> {
    match document.get(NAME).map_err(|_| error::damaged())? {
        None => Ok(None),
        Some(whole) => whole.as_str().map(Some).ok_or_else(error::damaged),
    }
}

/// That the document is the one of this name: two names may share a hash in theory.
pub(crate) fn check_name(document: &RawDocument, name: &Name) -> Result<()> {
    if whole_of(document)? == name.whole.as_deref() { Ok(()) } else { Err(error::damaged()) }
}

/// A whole number, whatever type the server gave it.
pub(crate) fn number(document: &RawDocument, field: &str) -> Result<i64> {
    match document.get(field) {
        Ok(Some(RawBsonRef::Int64(number))) => Ok(number),
        Ok(Some(RawBsonRef::Int32(number))) => Ok(number.into()),
        _ => Err(error::damaged()),
    }
}

fn too_large() -> Error {
    Error::new(ErrorKind::TooLarge, "a MongoDB document has at most 16 MiB, name and tags included")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use kv_core::{ErrorKind, Key, Meta, NewEntry};
    use mongodb::bson::{RawDocumentBuf, doc};

    use super::{DEADLINE, Draft, LEFT, MAX_VALUE, NAME, VALUE, VERSION};
    use crate::names::Names;
    use crate::now::Now;

    fn draft(id: &str, entry: NewEntry) -> kv_core::Result<Draft> {
        Draft::of(Names::of("n").name(Key::new("c", id)), entry)
    }

    fn stored(draft: &Draft) -> RawDocumentBuf {
        let mut document = draft.document(Now::Caller(1_000));
        for field in [super::ID, NAME] {
            if let Some(text) = document.get_mut(field) {
                *text = text.as_document().unwrap().get("$literal").unwrap().clone();
            }
        }
        document.insert(LEFT, document.get_datetime(DEADLINE).unwrap().timestamp_millis() - 1_000);
        RawDocumentBuf::try_from(&document).unwrap()
    }

    #[test]
    fn an_entry_comes_back_from_its_document() {
        let mut meta = Meta::codec(7);
        meta.tags = vec![("t".into(), [3; 16])];
        for (ttl, meta) in [(None, Meta::default()), (Some(Duration::from_millis(1_500)), meta)] {
            let entry = NewEntry::new("value").ttl(ttl).meta(meta.clone());
            let version = entry.version();
            let document = stored(&draft("a", entry).unwrap());
            let found = super::read(&document).unwrap();
            let entry = found.entry.unwrap();
            assert_eq!(
                (&*entry.value, entry.version, entry.ttl, entry.meta),
                (&b"value"[..], version, ttl, meta)
            );
            assert_eq!(found.read_at, 1_000);
        }
    }

    #[test]
    fn an_entry_lives_in_its_last_millisecond_and_not_in_the_next() {
        let draft = draft("a", NewEntry::new("x").ttl(Duration::from_millis(5))).unwrap();
        let mut document = mongodb::bson::Document::try_from(&*stored(&draft)).unwrap();
        for (left, lives) in [(0_i64, true), (-1, false)] {
            document.insert(LEFT, left);
            let found = super::read(&RawDocumentBuf::try_from(&document).unwrap()).unwrap();
            assert_eq!((found.entry.is_some(), found.read_at), (lives, 1_005 - left));
        }
    }

    #[test]
    fn the_whole_name_is_kept_where_the_id_is_a_hash() {
        let long = "x".repeat(1_000);
        let draft = draft(&long, NewEntry::new("")).unwrap();
        let document = stored(&draft);
        assert_eq!(super::whole_of(&document).unwrap(), Some(&*format!("n/c/{long}")));
        super::check_name(&document, &draft.name).unwrap();
        let other = Names::of("n").name(Key::new("c", "short"));
        assert_eq!(super::check_name(&document, &other).unwrap_err().kind(), ErrorKind::Corrupt);
    }

    #[test]
    fn what_fits_into_no_document_is_too_large() {
        assert!(draft("a", NewEntry::new(vec![0; MAX_VALUE])).is_ok());
        let kind = |draft: kv_core::Result<Draft>| draft.unwrap_err().kind();
        assert_eq!(kind(draft("a", NewEntry::new(vec![0; MAX_VALUE + 1]))), ErrorKind::TooLarge);
        let long = "x".repeat(100_000);
        assert_eq!(kind(draft(&long, NewEntry::new(vec![0; MAX_VALUE]))), ErrorKind::TooLarge);
        assert!(draft(&long, NewEntry::new("small")).is_ok());
    }

    #[test]
    fn a_document_that_is_not_ours_is_corrupt() {
        let whole = stored(&draft("a", NewEntry::new("x")).unwrap());
        for field in [VERSION, DEADLINE, VALUE, LEFT] {
            let mut broken = mongodb::bson::Document::try_from(&*whole).unwrap();
            broken.insert(field, "text");
            let broken = RawDocumentBuf::try_from(&broken).unwrap();
            assert_eq!(super::read(&broken).unwrap_err().kind(), ErrorKind::Corrupt, "{field}");
        }
        let empty = RawDocumentBuf::try_from(&doc! {}).unwrap();
        assert_eq!(super::read(&empty).unwrap_err().kind(), ErrorKind::Corrupt);
    }
}
