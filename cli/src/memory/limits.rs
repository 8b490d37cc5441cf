//! What a memory may be. Each refusal names the argument and what it may be.

use std::time::Duration;

use super::error::ToolError;

pub(super) const MAX_TEXT: usize = 64 << 10;
pub(super) const MAX_QUERY: usize = 4 << 10;
pub(super) const MAX_TAGS: usize = 32;
pub(super) const MAX_TAG: usize = 64;
pub(super) const MAX_NAMESPACE: usize = 128;
pub(super) const MAX_ID: usize = 256;
pub(super) const MAX_LIMIT: u32 = 100;
/// 100 years of 365.25 days: what every store takes.
const MAX_TTL: u64 = 36_525 * 86_400;

pub(super) fn text(text: &str) -> Result<(), ToolError> {
    if text.trim().is_empty() {
        return Err(ToolError::told("`text` is empty: write what is to be remembered"));
    }
    if text.len() > MAX_TEXT {
        return Err(ToolError::told(format!(
            "`text` has {} bytes and may have {MAX_TEXT}: remember the gist, or several parts",
            text.len()
        )));
    }
    Ok(())
}

pub(super) fn query(query: &str) -> Result<(), ToolError> {
    if query.len() <= MAX_QUERY {
        return Ok(());
    }
    Err(ToolError::told(format!("`query` may have {MAX_QUERY} bytes: a few words are enough")))
}

/// The tags without blanks around them, each once.
pub(super) fn tags(tags: Vec<String>) -> Result<Vec<String>, ToolError> {
    let mut kept: Vec<String> = Vec::with_capacity(tags.len().min(MAX_TAGS));
    for tag in tags {
        let tag = tag.trim();
        name("a tag", tag, MAX_TAG)?;
        if !kept.iter().any(|other| other == tag) {
            kept.push(tag.to_owned());
        }
    }
    if kept.len() > MAX_TAGS {
        return Err(ToolError::told(format!("`tags` may hold {MAX_TAGS} tags, not {}", kept.len())));
    }
    Ok(kept)
}

pub(super) fn namespace(namespace: &str) -> Result<(), ToolError> {
    name("`namespace`", namespace, MAX_NAMESPACE)
}

pub(super) fn id(id: &str) -> Result<(), ToolError> {
    name("`id`", id, MAX_ID)
}

fn name(what: &str, text: &str, max: usize) -> Result<(), ToolError> {
    let length = text.chars().count();
    if (1..=max).contains(&length) && !text.chars().any(char::is_control) {
        return Ok(());
    }
    Err(ToolError::told(format!("{what} must have 1 to {max} characters, none of them a control character")))
}

pub(super) fn ttl(seconds: Option<u64>) -> Result<Option<Duration>, ToolError> {
    match seconds {
        None => Ok(None),
        Some(seconds @ 1..=MAX_TTL) => Ok(Some(Duration::from_secs(seconds))),
        Some(_) => Err(ToolError::told(format!(
            "`ttl_seconds` must be 1 to {MAX_TTL} (100 years); leave it out to remember for good"
        ))),
    }
}

pub(super) fn limit(limit: u32) -> Result<usize, ToolError> {
    if (1..=MAX_LIMIT).contains(&limit) {
        return Ok(limit as usize);
    }
    Err(ToolError::told(format!("`limit` must be 1 to {MAX_LIMIT}")))
}

#[cfg(test)]
mod tests {
    use super::{MAX_ID, MAX_QUERY, MAX_TAGS, MAX_TEXT, MAX_TTL, id, limit, query, tags, text, ttl};

    #[test]
    fn what_is_too_long_too_short_or_unprintable_is_refused_by_name() {
        assert!(text(&"x".repeat(MAX_TEXT)).is_ok());
        assert!(text(&"x".repeat(MAX_TEXT + 1)).unwrap_err().to_string().contains("`text`"));
        assert!(text(" \n").unwrap_err().to_string().contains("`text`"));
        assert!(query(&"x".repeat(MAX_QUERY)).is_ok());
        assert!(query(&"x".repeat(MAX_QUERY + 1)).unwrap_err().to_string().contains("`query`"));
        assert!(id(&"ä".repeat(MAX_ID)).is_ok());
        for wrong in [String::new(), "x".repeat(MAX_ID + 1), "a\nb".to_owned(), "a\0".to_owned()] {
            assert!(id(&wrong).unwrap_err().to_string().contains("`id`"));
        }
        assert!(limit(0).is_err() && limit(101).is_err() && limit(100).is_ok());
        assert!(ttl(Some(0)).is_err() && ttl(Some(MAX_TTL + 1)).is_err() && ttl(Some(MAX_TTL)).is_ok());
    }

    #[test]
    fn tags_are_trimmed_and_kept_once() {
        assert_eq!(tags(vec![" a".into(), "a".into(), "b".into()]).unwrap(), ["a", "b"]);
        assert!(tags(vec![" ".into()]).is_err());
        assert!(tags((0..=MAX_TAGS).map(|n| n.to_string()).collect()).is_err());
    }
}
