//! Where a page ended: the kind of the list and the last name on the page, opaque to clients.
//!
//! It holds no position, so it survives components that come and go, restarts, and being sent to another replica.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::protocol::ListKind;

pub(super) fn encode(kind: ListKind, order: &str) -> String {
    let mut bytes = Vec::with_capacity(1 + order.len());
    bytes.push(letter(kind));
    bytes.extend_from_slice(order.as_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

/// What stands in a cursor; `None` for one of another kind, or of another maker.
pub(super) fn decode(kind: ListKind, cursor: &str) -> Option<String> {
    let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
    let order = bytes.strip_prefix(&[letter(kind)])?;
    String::from_utf8(order.to_vec()).ok()
}

const fn letter(kind: ListKind) -> u8 {
    match kind {
        ListKind::Tools => b't',
        ListKind::Resources => b'r',
        ListKind::ResourceTemplates => b'u',
        ListKind::Prompts => b'p',
    }
}

#[cfg(test)]
mod tests {
    use super::{decode, encode};
    use crate::protocol::ListKind;

    #[test]
    fn a_cursor_is_read_by_its_own_kind_only() {
        for kind in ListKind::ALL {
            let cursor = encode(kind, "größe\0a://b");
            assert!(cursor.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')));
            for other in ListKind::ALL {
                let expected = (kind == other).then(|| "größe\0a://b".to_owned());
                assert_eq!(decode(other, &cursor), expected, "{kind:?} {other:?}");
            }
        }
    }

    #[test]
    fn what_nobody_encoded_is_refused() {
        for cursor in ["", "!", "dA==", "abc", "eyJwYWdlIjogMn0=", "dP8", "1"] {
            assert_eq!(decode(ListKind::Tools, cursor), None, "{cursor}");
        }
    }
}
