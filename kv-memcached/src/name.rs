//! Names as the servers hold them: a hash, since a key of Memcached has 250 bytes and no spaces.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kv_core::Key;
use kv_core::backend::encode;
use sha2::{Digest, Sha256};

/// So that an operator sees whose items these are.
const PREFIX: &str = "ld:";

/// A key as the servers hold it, and which of them does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Name {
    /// `ld:`, then SHA-256 over namespace, collection and id, in base64.
    pub(crate) stored: String,
    /// The place of its server.
    pub(crate) server: usize,
}

/// How names are made: the namespace, and the servers by what the URL calls them.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    namespace: String,
    servers: Vec<String>,
}

impl Names {
    pub(crate) fn new(namespace: String, servers: Vec<String>) -> Self {
        Self { namespace, servers }
    }

    pub(crate) fn name(&self, key: Key<'_>) -> Name {
        let hash: [u8; 32] = Sha256::digest(encode(&[&self.namespace, key.collection], key.id)).into();
        let mut stored = String::with_capacity(PREFIX.len() + 43);
        stored.push_str(PREFIX);
        URL_SAFE_NO_PAD.encode_string(hash, &mut stored);
        Name { stored, server: self.server(&hash) }
    }

    /// Rendezvous hashing: each server scores, the highest has the key. So another server more or less moves only its
    /// own keys, and all programs agree, whatever order they list the servers in.
    fn server(&self, hash: &[u8; 32]) -> usize {
        if self.servers.len() < 2 {
            return 0;
        }
        let score = |server: &String| -> [u8; 32] {
            Sha256::new().chain_update(hash).chain_update(server.as_bytes()).finalize().into()
        };
        let highest = self.servers.iter().enumerate().max_by_key(|(_, server)| score(server));
        highest.map_or(0, |(place, _)| place)
    }
}

#[cfg(test)]
mod tests {
    use kv_core::Key;

    use super::Names;

    fn names(servers: &[&str]) -> Names {
        Names::new("larder".to_owned(), servers.iter().map(|server| (*server).to_owned()).collect())
    }

    #[test]
    fn a_stored_key_is_short_printable_and_the_same_in_every_release() {
        let long = "x".repeat(100_000);
        for key in [Key::new("", ""), Key::new("c", "a b\r\n\0"), Key::new("c", &long)] {
            let stored = names(&["a"]).name(key).stored;
            assert_eq!(stored.len(), 46);
            assert!(stored.bytes().all(|byte| byte.is_ascii_graphic()), "{stored}");
        }
        let stored = names(&["a"]).name(Key::new("tokens", "ann")).stored;
        assert_eq!(stored, "ld:InLA3JZHmTPExTwOZzMhGBt3QKunC5YwvYW-iv0sioM");
    }

    #[test]
    fn names_and_namespaces_never_share_a_key() {
        let mut other = names(&["a"]);
        other.namespace = "other".to_owned();
        let keys = [Key::new("a", "b/c"), Key::new("a/b", "c"), Key::new("a\0", "b"), Key::new("a", "\0b")];
        let all = keys.map(|key| names(&["a"]).name(key).stored).into_iter();
        let all: std::collections::HashSet<_> = all.chain(keys.map(|key| other.name(key).stored)).collect();
        assert_eq!(all.len(), 8);
    }

    #[test]
    fn another_server_moves_only_its_own_keys_and_the_order_does_not_matter() {
        let (three, four) = (["a:1", "b:1", "c:1"], ["d:1", "c:1", "a:1", "b:1"]);
        let (few, many) = (names(&three), names(&four));
        let mut counts = [0; 4];
        for id in 0..2_000 {
            let id = id.to_string();
            let before = three[few.name(Key::new("c", &id)).server];
            let place = many.name(Key::new("c", &id)).server;
            counts[place] += 1;
            assert!(four[place] == before || four[place] == "d:1");
        }
        assert!(counts.iter().all(|count| *count > 400), "{counts:?}");
    }
}
