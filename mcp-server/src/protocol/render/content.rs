//! Content blocks in the form of a revision.

use std::borrow::Cow;

use super::object::push_value;
use crate::protocol::{Content, WireForm};

/// Writes a block, or the text that stands for it where the form does not know its type.
pub(super) fn push_content(out: &mut Vec<u8>, content: &Content, form: WireForm) {
    push_value(out, &*in_form(content, form));
}

/// Resource links came with 2025-06-18, audio with 2025-03-26; before, a sentence says what would be there.
pub(crate) fn in_form(content: &Content, form: WireForm) -> Cow<'_, Content> {
    let structured = matches!(form, WireForm::Structured | WireForm::Stateless);
    match content {
        Content::ResourceLink { uri, name, description, .. } if !structured => {
            let description = description.as_ref().map(|text| format!("\n{text}")).unwrap_or_default();
            Cow::Owned(Content::text(format!("{name}: {uri}{description}")))
        }
        Content::Audio { data, mime_type, annotations } if form == WireForm::PlainWithoutAudio => {
            let text = format!("[audio, {mime_type}, {} bytes]", data.len());
            Cow::Owned(Content::Text { text, annotations: annotations.clone() })
        }
        known => Cow::Borrowed(known),
    }
}

/// About how many bytes a block takes.
pub(super) fn size(content: &Content) -> usize {
    64 + match content {
        Content::Text { text, .. } => text.len() + text.len() / 16,
        Content::Image { data, .. } | Content::Audio { data, .. } => data.len() / 3 * 4,
        Content::ResourceLink { uri, name, .. } => uri.len() + name.len(),
        Content::Resource { resource, .. } => super::result::contents_size(resource),
    }
}
