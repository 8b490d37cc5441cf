//! Who is asking, found out from the HTTP request.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use http::header::AUTHORIZATION;
use http::request::Parts;
use sha2::{Digest, Sha256};
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};

use crate::Principal;

/// Finds out who sent an HTTP request. Runs once per request, before anything is decoded.
pub trait Authenticate: Send + Sync + 'static {
    /// The principal of the request, or why it is refused.
    ///
    /// # Errors
    /// [`Denied`] becomes a 401 with `WWW-Authenticate`, or a 403.
    fn authenticate(&self, parts: &Parts) -> impl Future<Output = Result<Verified, Denied>> + Send;
}

/// A principal that was verified, and for how long that holds.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Verified {
    /// Who it is.
    pub principal: Principal,
    /// When the proof ends; streams opened with it end then. `None` does not end.
    pub expires_at: Option<Instant>,
}

impl From<Principal> for Verified {
    fn from(principal: Principal) -> Self {
        Self { principal, expires_at: None }
    }
}

impl Verified {
    /// The same, until `expires_at`.
    #[must_use]
    pub const fn until(mut self, expires_at: Instant) -> Self {
        self.expires_at = Some(expires_at);
        self
    }

    /// Whether the proof has ended.
    pub(crate) fn has_expired(&self) -> bool {
        self.expires_at.is_some_and(|at| at <= Instant::now())
    }
}

/// Why a request is refused at the door.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Denied {
    /// No proof, or one that does not hold: 401. The text stands in `WWW-Authenticate` after `Bearer`, and may be
    /// empty (RFC 6750 §3).
    Unauthorized(String),
    /// A proof that holds but is not enough: 403 (RFC 6750 §3.1, `insufficient_scope`).
    Forbidden(String),
}

/// Fixed bearer tokens, each with its principal: for tests and for servers with a handful of known callers.
///
/// Tokens are kept as SHA-256 and compared in constant time.
#[derive(Clone, Default)]
pub struct StaticTokens(Vec<([u8; 32], Principal)>);

impl StaticTokens {
    /// No token yet: everybody is refused.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a token. An empty one lets nobody in.
    #[must_use]
    pub fn token(mut self, token: &str, principal: Principal) -> Self {
        self.0.push((Sha256::digest(token.as_bytes()).into(), principal));
        self
    }

    fn find(&self, token: &str) -> Option<&Principal> {
        let digest: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        let mut found = u64::MAX;
        for (at, (known, _)) in (0u64..).zip(&self.0) {
            let same: Choice = known.ct_eq(&digest);
            found.conditional_assign(&at, same);
        }
        self.0.get(usize::try_from(found).ok()?).map(|(_, principal)| principal)
    }
}

impl Authenticate for StaticTokens {
    async fn authenticate(&self, parts: &Parts) -> Result<Verified, Denied> {
        let token = bearer(parts).ok_or_else(|| Denied::Unauthorized(String::new()))?;
        let principal = self.find(token).cloned();
        principal.map(Verified::from).ok_or_else(|| Denied::Unauthorized("error=\"invalid_token\"".into()))
    }
}

impl fmt::Debug for StaticTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StaticTokens({})", self.0.len())
    }
}

/// The bearer token of a request (RFC 6750 §2.1). An empty one is none, and of two nobody knows which is meant.
fn bearer(parts: &Parts) -> Option<&str> {
    let mut values = parts.headers.get_all(AUTHORIZATION).iter();
    let (value, None) = (values.next()?, values.next()) else { return None };
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim()).filter(|token| !token.is_empty())
}

/// An authenticator, its type erased.
#[derive(Clone)]
pub(crate) struct Authenticator(Arc<dyn Erased>);

impl Authenticator {
    pub(crate) fn new(authenticate: impl Authenticate) -> Self {
        Self(Arc::new(authenticate))
    }

    pub(crate) async fn authenticate(&self, parts: &Parts) -> Result<Verified, Denied> {
        self.0.authenticate(parts).await
    }
}

impl fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Authenticator")
    }
}

trait Erased: Send + Sync {
    fn authenticate<'a>(
        &'a self,
        parts: &'a Parts,
    ) -> Pin<Box<dyn Future<Output = Result<Verified, Denied>> + Send + 'a>>;
}

impl<A: Authenticate> Erased for A {
    fn authenticate<'a>(
        &'a self,
        parts: &'a Parts,
    ) -> Pin<Box<dyn Future<Output = Result<Verified, Denied>> + Send + 'a>> {
        Box::pin(Authenticate::authenticate(self, parts))
    }
}

#[cfg(test)]
mod tests {
    use super::{Authenticate, Denied, StaticTokens};
    use crate::Principal;

    async fn principal(header: Option<&str>) -> Result<Principal, Denied> {
        let tokens = StaticTokens::new()
            .token("t-alice", Principal::user("test", "alice"))
            .token("t-bob", Principal::user("test", "bob"));
        let mut request = http::Request::builder();
        if let Some(header) = header {
            request = request.header("authorization", header);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        tokens.authenticate(&parts).await.map(|verified| verified.principal)
    }

    #[tokio::test]
    async fn each_token_is_its_principal_and_anything_else_is_refused() {
        assert_eq!(principal(Some("Bearer t-alice")).await, Ok(Principal::user("test", "alice")));
        assert_eq!(principal(Some("bearer t-bob")).await, Ok(Principal::user("test", "bob")));
        for header in [None, Some("Bearer "), Some("Bearer t-alic"), Some("Basic t-alice"), Some("t-alice")] {
            assert!(matches!(principal(header).await, Err(Denied::Unauthorized(_))), "{header:?}");
        }
    }

    #[tokio::test]
    async fn an_empty_token_and_two_tokens_let_nobody_in() {
        let tokens =
            StaticTokens::new().token("", Principal::user("test", "nobody")).token("t", Principal::local());
        for headers in [&["Bearer "][..], &["Bearer  "], &["Bearer t", "Bearer t"], &["Bearer x", "Bearer t"]]
        {
            let mut request = http::Request::builder();
            for header in headers {
                request = request.header("authorization", *header);
            }
            let (parts, ()) = request.body(()).unwrap().into_parts();
            assert!(tokens.authenticate(&parts).await.is_err(), "{headers:?}");
        }
    }
}
