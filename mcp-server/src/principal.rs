//! Who is asking.

use std::fmt;
use std::sync::{Arc, LazyLock};

use sha2::{Digest, Sha256};

/// Who a request is made for: decided once, at the door, and read by everything behind it.
///
/// What belongs to somebody is kept under [`Principal::key`], never under an id that the client chose.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Principal(Kind);

#[derive(Clone, Default, PartialEq, Eq)]
enum Kind {
    #[default]
    Anonymous,
    Local,
    User(Arc<User>),
}

#[derive(PartialEq, Eq)]
struct User {
    issuer: String,
    subject: String,
    key: [u8; 32],
}

impl Principal {
    /// Nobody in particular: HTTP without authentication.
    pub const fn anonymous() -> Self {
        Self(Kind::Anonymous)
    }

    /// Whoever started this process: stdio, and the in-memory client.
    pub const fn local() -> Self {
        Self(Kind::Local)
    }

    /// A user, by the issuer of the identity and the subject there (the client id where there is no subject).
    pub fn user(issuer: impl Into<String>, subject: impl Into<String>) -> Self {
        let (issuer, subject) = (issuer.into(), subject.into());
        let key = digest(b"user", &[issuer.as_bytes(), subject.as_bytes()]);
        Self(Kind::User(Arc::new(User { issuer, subject, key })))
    }

    /// Whether this is nobody in particular.
    pub const fn is_anonymous(&self) -> bool {
        matches!(self.0, Kind::Anonymous)
    }

    /// Whether this is an authenticated user.
    pub const fn is_user(&self) -> bool {
        matches!(self.0, Kind::User(_))
    }

    /// The issuer of a user's identity.
    pub fn issuer(&self) -> Option<&str> {
        match &self.0 {
            Kind::User(user) => Some(&user.issuer),
            Kind::Anonymous | Kind::Local => None,
        }
    }

    /// The subject of a user's identity.
    pub fn subject(&self) -> Option<&str> {
        match &self.0 {
            Kind::User(user) => Some(&user.subject),
            Kind::Anonymous | Kind::Local => None,
        }
    }

    /// What a store knows this principal by: a SHA-256 over length-prefixed parts, so that no separator inside an
    /// issuer or a subject can forge another principal's key. Never made of a token.
    pub fn key(&self) -> [u8; 32] {
        match &self.0 {
            Kind::Anonymous => *ANONYMOUS,
            Kind::Local => *LOCAL,
            Kind::User(user) => user.key,
        }
    }
}

static ANONYMOUS: LazyLock<[u8; 32]> = LazyLock::new(|| digest(b"anonymous", &[]));
static LOCAL: LazyLock<[u8; 32]> = LazyLock::new(|| digest(b"local", &[]));

fn digest(kind: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in std::iter::once(&kind).chain(parts) {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

impl fmt::Debug for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.0 {
            Kind::Anonymous => "Principal(anonymous)",
            Kind::Local => "Principal(local)",
            Kind::User(_) => "Principal(user)", // a subject may be an e-mail address
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Principal;

    #[test]
    fn separators_inside_the_parts_cannot_forge_another_key() {
        assert_ne!(Principal::user("a", "b/c").key(), Principal::user("a/b", "c").key());
        assert_ne!(Principal::user("", "").key(), Principal::anonymous().key());
        assert_ne!(Principal::local().key(), Principal::anonymous().key());
    }
}
