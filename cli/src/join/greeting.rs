//! The line that comes before the protocol: whether owner and joiner mean the same memories.
//!
//! A joiner sends `{"larder":"join","names":"..","form":"..","key":".."}`; the owner answers `{"larder":"welcome"}` or
//! `{"larder":"other-scope","differs":".."}` and ends. Whoever begins with anything else is a client of its own, and is
//! served.

use std::time::Duration;

use kv_core::{Encryption, Reserved, StoreUrl};
use larder::platform;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;
use tokio::time::timeout;

use crate::store::Program;

/// How long an owner may take to answer. One that has died hangs up, so whoever is silent may only be slow.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a URL sees of its directory, and what it would leave there. Two with different namespaces or prefixes share
/// nothing; of two that keep values otherwise, the one that takes over could not read, or not protect, what is there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Scope {
    /// The digest of namespace and prefix.
    names: String,
    /// How values are sealed and compressed, such as `aead`; `plain` if they are neither.
    form: String,
    /// The id of the key that seals, which gives nothing away of it; empty without.
    key: String,
}

/// What two scopes do not have in common.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Difference {
    /// The namespace or the prefix.
    #[default]
    Names,
    /// Whether or how values are encrypted or compressed.
    Form,
    /// The key that encrypts.
    Key,
}

impl Scope {
    /// The scope of a store URL whose store is there.
    ///
    /// # Errors
    /// Those about its key.
    pub(super) async fn of(url: &str) -> kv_core::Result<Self> {
        let sealing = platform::sealing(&Program, url).await?;
        let reserved = StoreUrl::parse(url)?.reserved().clone();
        Ok(Self::new(reserved, sealing.map(|sealing| sealing.key.to_string())))
    }

    fn new(reserved: Reserved, key: Option<String>) -> Self {
        let namespace = reserved.namespace.unwrap_or_else(|| "larder".to_owned());
        let digest = Sha256::digest(json!([namespace, reserved.prefix]).to_string());
        let digest = digest.iter().take(8).fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        let sealed = reserved.encrypt.map(|encryption| match encryption {
            Encryption::Fernet => "fernet",
            _ => "aead",
        });
        let compressed = reserved.compress.map(|_| "compressed");
        let form: Vec<_> = sealed.into_iter().chain(compressed).collect();
        Self {
            names: format!("{digest:016x}"),
            form: if form.is_empty() { "plain".to_owned() } else { form.join(" ") },
            key: key.unwrap_or_default(),
        }
    }

    fn difference(&self, other: &Self) -> Option<Difference> {
        let Self { names, form, key } = self;
        if *names != other.names {
            Some(Difference::Names)
        } else if *form != other.form {
            Some(Difference::Form)
        } else {
            (*key != other.key).then_some(Difference::Key)
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "larder", rename_all = "kebab-case")]
enum Greeting {
    Join(Scope),
    Welcome,
    OtherScope {
        #[serde(default)]
        differs: Difference,
    },
}

/// How an owner received a joiner.
#[derive(Debug)]
pub(super) enum Reception {
    Welcome(UnixStream),
    OtherScope(Difference),
    /// It hung up, since it is ending; or it is no owner at all, or hangs.
    Silence,
}

/// The joiner's side.
pub(super) async fn introduce(stream: UnixStream, scope: &Scope) -> Reception {
    let mut stream = BufReader::new(stream);
    let greeted = timeout(PATIENCE, async {
        stream.write_all(&line(&Greeting::Join(scope.clone()))).await.ok()?;
        let mut answer = Vec::new();
        stream.read_until(b'\n', &mut answer).await.ok()?;
        serde_json::from_slice(&answer).ok()
    });
    match greeted.await {
        // The owner says nothing more until it is asked, so the buffer is empty.
        Ok(Some(Greeting::Welcome)) => Reception::Welcome(stream.into_inner()),
        Ok(Some(Greeting::OtherScope { differs })) => Reception::OtherScope(differs),
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
        Ok(Greeting::Join(theirs)) => match scope.difference(&theirs) {
            None => FirstLine::Greeting { answer: line(&Greeting::Welcome), serve: true },
            Some(differs) => {
                FirstLine::Greeting { answer: line(&Greeting::OtherScope { differs }), serve: false }
            }
        },
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
    use std::time::Duration;

    use kv_core::StoreUrl;
    use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
    use tokio::net::UnixStream;
    use tokio::time::sleep;

    use super::{Difference, FirstLine, Greeting, Reception, Scope, introduce, line, receive};

    fn scope(url: &str, key: Option<&str>) -> Scope {
        Scope::new(StoreUrl::parse(url).unwrap().reserved().clone(), key.map(str::to_owned))
    }

    #[test]
    fn what_names_and_keeps_memories_makes_a_scope_and_nothing_else_does() {
        let differ = |one: &str, other: &str| scope(one, None).difference(&scope(other, None));
        assert_eq!(differ("disk:a", "disk:b?namespace=larder&ttl=1h&lock_wait=0"), None);
        for (one, other, expected) in [
            ("disk:a", "disk:a?namespace=x", Difference::Names),
            ("disk:a?prefix=x", "disk:a?namespace=x", Difference::Names),
            ("disk:a?prefix=", "disk:a", Difference::Names),
            ("disk:a", "disk:a?encrypt=aead", Difference::Form),
            ("disk:a?encrypt=fernet", "disk:a?encrypt=aead", Difference::Form),
            ("disk:a?compress=zstd", "disk:a", Difference::Form),
        ] {
            assert_eq!(differ(one, other), Some(expected), "{one} and {other}");
        }
        let keyed = |key| scope("disk:a?encrypt=aead", Some(key));
        assert_eq!(keyed("01234567").difference(&keyed("01234568")), Some(Difference::Key));
    }

    #[tokio::test(start_paused = true)]
    async fn an_owner_that_is_slow_is_waited_for_and_one_that_hangs_up_is_not() {
        let scope = Scope::default();
        let (joiner, owner) = UnixStream::pair().unwrap();
        let slow = async {
            let (mut owner, mut greeting) = (BufReader::new(owner), String::new());
            owner.read_line(&mut greeting).await.unwrap();
            sleep(Duration::from_secs(20)).await;
            owner.write_all(&line(&Greeting::Welcome)).await.unwrap();
        };
        let (received, ()) = tokio::join!(introduce(joiner, &scope), slow);
        assert!(matches!(received, Reception::Welcome(_)));
        let (joiner, owner) = UnixStream::pair().unwrap();
        drop(owner);
        assert!(matches!(introduce(joiner, &scope).await, Reception::Silence));
    }

    #[test]
    fn a_joiner_of_another_scope_is_sent_away_and_a_plain_client_is_served() {
        let (mine, other) = (scope("disk:a", None), scope("disk:a?namespace=x", None));
        let join = |scope: &Scope| line(&Greeting::Join(scope.clone()));
        assert!(matches!(receive(&join(&mine), &mine), FirstLine::Greeting { serve: true, .. }));
        assert!(matches!(receive(&join(&other), &mine), FirstLine::Greeting { serve: false, .. }));
        let silent = receive(b"{\"larder\":\"join\"}\n", &mine);
        assert!(matches!(silent, FirstLine::Greeting { serve: false, .. }), "who does not say what it means");
        assert_eq!(receive(br#"{"jsonrpc":"2.0","id":1,"method":"initialize"}"#, &mine), FirstLine::Protocol);
    }
}
