//! The line that comes before the protocol: whether owner and joiner mean the same memories.
//!
//! A joiner sends `{"larder":"join","scope":".."}`; the owner answers `{"larder":"welcome"}` or
//! `{"larder":"other-scope"}` and ends. Whoever begins with anything else is a client of its own, and is served.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;
use tokio::time::timeout;

/// How long an owner may take to answer: longer, and it does not live.
const PATIENCE: Duration = Duration::from_secs(2);

/// What a URL sees of its directory: two with different namespaces or prefixes share nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Scope(String);

impl Scope {
    /// The scope of a store URL.
    pub(super) fn of(url: &str) -> Self {
        let url = kv_core::StoreUrl::parse(url).ok();
        let reserved = url.map(|url| url.reserved().clone()).unwrap_or_default();
        let namespace = reserved.namespace.unwrap_or_else(|| "larder".to_owned());
        let digest = Sha256::digest(json!([namespace, reserved.prefix]).to_string());
        Self(format!(
            "{:016x}",
            digest.iter().take(8).fold(0_u64, |number, byte| number << 8 | u64::from(*byte))
        ))
    }
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "larder", rename_all = "kebab-case")]
enum Greeting {
    Join { scope: String },
    Welcome,
    OtherScope,
}

/// How an owner received a joiner.
#[derive(Debug)]
pub(super) enum Reception {
    Welcome(UnixStream),
    OtherScope,
    /// It does not answer: it is ending, or no owner at all.
    Silence,
}

/// The joiner's side.
pub(super) async fn introduce(stream: UnixStream, scope: &Scope) -> Reception {
    let mut stream = BufReader::new(stream);
    let greeted = timeout(PATIENCE, async {
        stream.write_all(&line(&Greeting::Join { scope: scope.0.clone() })).await.ok()?;
        let mut answer = Vec::new();
        stream.read_until(b'\n', &mut answer).await.ok()?;
        serde_json::from_slice(&answer).ok()
    });
    match greeted.await {
        // The owner says nothing more until it is asked, so the buffer is empty.
        Ok(Some(Greeting::Welcome)) => Reception::Welcome(stream.into_inner()),
        Ok(Some(Greeting::OtherScope)) => Reception::OtherScope,
        Ok(_) | Err(_) => Reception::Silence,
    }
}

/// What the first line of a connection is to its owner.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum FirstLine {
    /// Greeted: this is the answer, and whether the joiner is served then.
    Greeting { answer: Vec<u8>, serve: bool },
    /// The client's own.
    Protocol,
}

/// The owner's side.
pub(super) fn receive(first: &[u8], scope: &Scope) -> FirstLine {
    match serde_json::from_slice(first) {
        Ok(Greeting::Join { scope: theirs }) if theirs == scope.0 => {
            FirstLine::Greeting { answer: line(&Greeting::Welcome), serve: true }
        }
        Ok(Greeting::Join { .. }) => {
            FirstLine::Greeting { answer: line(&Greeting::OtherScope), serve: false }
        }
        _ => FirstLine::Protocol,
    }
}

fn line(greeting: &Greeting) -> Vec<u8> {
    let mut line = serde_json::to_vec(greeting).unwrap_or_default();
    line.push(b'\n');
    line
}

#[cfg(test)]
mod tests {
    use super::{FirstLine, Greeting, Scope, line, receive};

    #[test]
    fn namespace_and_prefix_make_a_scope_and_nothing_else_does() {
        let scope = |url| Scope::of(url);
        assert_eq!(scope("disk:a"), scope("disk:b?namespace=larder&encrypt=aead&lock_wait=0"));
        assert_ne!(scope("disk:a"), scope("disk:a?namespace=x"));
        assert_ne!(scope("disk:a?prefix=x"), scope("disk:a?namespace=x"));
        assert_ne!(scope("disk:a?prefix="), scope("disk:a"));
    }

    #[test]
    fn a_joiner_of_another_scope_is_sent_away_and_a_plain_client_is_served() {
        let (mine, other) = (Scope::of("disk:a"), Scope::of("disk:a?namespace=x"));
        let join = |scope: &Scope| line(&Greeting::Join { scope: scope.0.clone() });
        assert!(matches!(receive(&join(&mine), &mine), FirstLine::Greeting { serve: true, .. }));
        assert!(matches!(receive(&join(&other), &mine), FirstLine::Greeting { serve: false, .. }));
        assert_eq!(receive(br#"{"jsonrpc":"2.0","id":1,"method":"initialize"}"#, &mine), FirstLine::Protocol);
    }
}
