//! Two processes of `replicated` on one Redis, behind a proxy that sends each request to the next of them: real clients of
//! both eras see one server, and one of the processes may be killed.
//!
//! What comes of it is told in `docs/replicas-shown.md`, whose tables the tests compare with what they saw. The programs of the
//! clients are in `examples/clients`.

#![expect(clippy::indexing_slicing, reason = "a helper that fails fails its test")]

mod under_test;

#[path = "replicated/killed.rs"]
mod killed;
#[path = "replicated/load.rs"]
mod load;
#[path = "replicated/orphaned.rs"]
mod orphaned;
#[path = "replicated/pair.rs"]
mod pair;
#[path = "replicated/passing.rs"]
mod passing;
#[path = "replicated/proxy.rs"]
mod proxy;
#[path = "replicated/rust_client.rs"]
mod rust_client;
#[path = "replicated/rust_tour.rs"]
mod rust_tour;
#[path = "replicated/scripts.rs"]
mod scripts;
#[path = "replicated/seen.rs"]
mod seen;
#[path = "replicated/tours.rs"]
mod tours;
#[path = "replicated/watchers.rs"]
mod watchers;

use std::future::Future;
use std::time::Duration;

/// Long enough for any machine; nothing here takes it.
const PATIENCE: Duration = Duration::from_secs(120);

/// What `future` gives, in time.
async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("{what}: not in time"))
}

/// The era of a client's requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Era {
    /// A session that began with `initialize`.
    Handshake,
    /// 2026-07-28: each request by itself.
    Modern,
}

impl Era {
    /// As the scripts are told, and the documentation says.
    const fn name(self) -> &'static str {
        match self {
            Self::Handshake => "handshake",
            Self::Modern => "2026-07-28",
        }
    }
}

/// Whether a page of the documentation has this line; where it has not, it says which line it should have.
fn assert_documented(line: &str) {
    let page = include_str!("../../docs/replicas-shown.md");
    assert!(
        page.lines().any(|known| known == line),
        "docs/replicas-shown.md does not have this line:\n{line}"
    );
}
