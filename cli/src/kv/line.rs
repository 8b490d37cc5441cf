//! One line of `export` and `import`.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kv_core::{Entry, Meta, NewEntry};
use serde::{Deserialize, Serialize};

use crate::clock::whole_ms;

/// One entry: `{"collection", "id", "value" (base64), "expires_at" (ms since the epoch, absent = never), "codec",
/// "tags" ([name, generation in hexadecimal], absent = none)}`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Line {
    pub(super) collection: String,
    pub(super) id: String,
    value: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires_at: Option<u64>,
    #[serde(default, skip_serializing_if = "is_plain")]
    codec: u16,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    tags: Vec<(String, String)>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
const fn is_plain(codec: &u16) -> bool {
    *codec == 0
}

/// What became of a line.
#[derive(Debug)]
pub(super) enum Read {
    Live(NewEntry),
    /// Its time was over.
    Expired,
}

impl Line {
    pub(super) fn of(collection: String, id: String, entry: &Entry, now: u64) -> Self {
        let tags = entry.meta.tags.iter();
        Self {
            collection,
            id,
            value: STANDARD.encode(&entry.value),
            expires_at: entry.ttl.map(|left| now.saturating_add(whole_ms(left))),
            codec: entry.meta.codec,
            tags: tags.map(|(name, generation)| (name.to_string(), hex(generation))).collect(),
        }
    }

    /// The entry that it stands for.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn entry(&self, now: u64) -> Result<Read, String> {
        let value = STANDARD.decode(&self.value).map_err(|error| format!("`value` is no base64: {error}"))?;
        let ttl = match self.expires_at.map(|at| at.saturating_sub(now)) {
            Some(0) => return Ok(Read::Expired),
            left => left.map(Duration::from_millis),
        };
        let mut meta = Meta::codec(self.codec);
        for (name, generation) in &self.tags {
            let generation = unhex(generation).ok_or("a tag's generation must be 32 hexadecimal digits")?;
            meta.tags.push((name.as_str().into(), generation));
        }
        Ok(Read::Live(NewEntry::new(value).ttl(ttl).meta(meta)))
    }

    /// About how much memory it takes.
    pub(super) fn weight(&self) -> usize {
        self.value.len() + self.collection.len() + self.id.len()
    }
}

fn hex(bytes: &[u8; 16]) -> String {
    format!("{:032x}", u128::from_be_bytes(*bytes))
}

fn unhex(text: &str) -> Option<[u8; 16]> {
    let digits = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let number = u128::from_str_radix(text, 16).ok().filter(|_| digits)?;
    Some(number.to_be_bytes())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use kv_core::{Entry, Meta, Version};

    use super::{Line, Read};

    fn line(ttl: Option<Duration>) -> Line {
        let mut meta = Meta::codec(2);
        meta.tags.push(("tag".into(), [7; 16]));
        let entry = Entry::new(vec![0, 159, 146, 150].into(), Version::random(), ttl, meta);
        Line::of("c".to_owned(), "i\n".to_owned(), &entry, 1_000)
    }

    #[test]
    fn a_line_brings_back_value_ttl_codec_and_tags() {
        let text = serde_json::to_string(&line(Some(Duration::from_secs(5)))).unwrap();
        let read: Line = serde_json::from_str(&text).unwrap();
        let Read::Live(entry) = read.entry(3_000).unwrap() else { panic!("it lives until 6,000") };
        assert_eq!(&entry.value()[..], [0, 159, 146, 150]);
        assert_eq!(entry.lifetime(), Some(Duration::from_secs(3)));
        assert_eq!(
            (entry.meta_ref().codec, &*entry.meta_ref().tags[0].0, entry.meta_ref().tags[0].1),
            (2, "tag", [7; 16])
        );
        assert!(matches!(read.entry(6_000), Ok(Read::Expired)));
    }

    #[test]
    fn what_never_expires_says_nothing_and_mistakes_are_named() {
        let text = serde_json::to_string(&line(None)).unwrap();
        assert!(!text.contains("expires_at"));
        let parse = |text: &str| serde_json::from_str::<Line>(text).map(|line| line.entry(0));
        assert!(parse(r#"{"collection":"c","id":"i","value":"!"}"#).unwrap().unwrap_err().contains("base64"));
        let tag = r#"{"collection":"c","id":"i","value":"","tags":[["t","+1"]]}"#;
        assert!(parse(tag).unwrap().unwrap_err().contains("hexadecimal"));
        assert!(parse(r#"{"collection":"c","id":"i","value":"","ttl":5}"#).is_err());
    }
}
