//! What two URLs mean for each other.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use kv_core::{AnyStore, Compression, Encryption, Prefix, RedactedUrl, Reserved, StoreUrl, Written};

/// Whether what is written to the one shows in the other under the same names, in the same form.
///
/// They may differ in how they are written (a path, a default port, the order of hosts and parameters, which hosts of a cluster are
/// named) and in what does not matter to what is stored (users, timeouts, durability). Two names of one server are not found out.
pub(super) fn is_same(from: &str, to: &str) -> bool {
    if from == to {
        return true;
    }
    match (Meaning::of(from), Meaning::of(to)) {
        (Some(from), Some(to)) => from.is(&to),
        _ => false, // what does not parse does not open either, and is told by that
    }
}

/// Whether a copy from the one would read what it writes to the other: both show one namespace, perhaps in another form or below
/// a prefix. `is_read` says whether some collections whose names begin so are read.
pub(super) fn feeds_itself(from: &str, to: &str, is_read: impl Fn(&str) -> bool) -> bool {
    let (Some(from), Some(to)) = (Meaning::of(from), Meaning::of(to)) else { return false };
    let is_shared = from.place.is(&to.place) && from.namespace == to.namespace && from.codec == to.codec;
    is_shared && below(&from.prefix, &to.prefix).is_some_and(|below| is_read(&below))
}

/// What the collections of a store with the prefix `to` begin with, as one with the prefix `from` shows them; `None` if it shows
/// none of them.
fn below(from: &str, to: &str) -> Option<String> {
    match (from, to) {
        (from, to) if from == to => Some(String::new()),
        ("", to) => Some(Prefix::<AnyStore>::name_below(to, "")),
        _ => None,
    }
}

/// What a URL means, without its secrets: equal for two that mean one store.
pub(super) fn identity(url: &str) -> String {
    Meaning::of(url).map_or_else(|| RedactedUrl::new(url).to_string(), |meaning| format!("{meaning:?}"))
}

/// What of a URL decides where entries lie and how they look.
#[derive(Debug)]
struct Meaning {
    place: Place,
    namespace: String,
    prefix: String,
    encrypt: Option<Encryption>,
    compress: Option<Compression>,
    codec: Option<Written>,
}

#[derive(Debug)]
enum Place {
    Directory(PathBuf),
    Servers { kind: &'static str, hosts: Hosts, path: String, params: BTreeMap<String, String> },
}

/// Host and port, in an order of their own.
type Hosts = BTreeSet<(String, u16)>;

/// The parameters of servers that say where entries lie, beside host and path.
const PLACES: [&str; 4] = ["collection", "db", "endpoint", "region"];

impl Meaning {
    fn of(text: &str) -> Option<Self> {
        let mut url = StoreUrl::parse(text).ok()?;
        let Reserved { namespace, prefix, encrypt, compress, codec, .. } = url.reserved().clone();
        let place = match url.scheme() {
            "memory" => return None, // each open is a store of its own
            "disk" | "rocksdb" | "filetree" => Place::Directory(canonical(&url.directory().ok()?)),
            _ => servers(&mut url)?,
        };
        let namespace = namespace.unwrap_or_else(|| "larder".to_owned());
        Some(Self { place, namespace, prefix: prefix.unwrap_or_default(), encrypt, compress, codec })
    }

    /// Whether both show the same entries in the same form.
    fn is(&self, other: &Self) -> bool {
        let form = |Self { place: _, namespace, prefix, encrypt, compress, codec }: &Self| {
            (namespace.clone(), prefix.clone(), *encrypt, *compress, *codec)
        };
        self.place.is(&other.place) && form(self) == form(other)
    }
}

impl Place {
    fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Directory(one), Self::Directory(other)) => one == other,
            (
                Self::Servers { kind, hosts, path, params },
                Self::Servers { kind: its_kind, hosts: its_hosts, path: its_path, params: its_params },
            ) => (kind, path, params) == (its_kind, its_path, its_params) && are_one(kind, hosts, its_hosts),
            _ => false,
        }
    }
}

/// Whether these hosts lead to the same data. Those of a cluster, of sentinels, of a replica set are ways to all of it, so one in both
/// lists is enough. Those of Memcached each hold a part: other lists lay out other stores. They share what falls to a host of
/// both under each, but a copy writes back there what it read, and Memcached, which cannot list, is never `SRC`.
fn are_one(kind: &str, some: &Hosts, others: &Hosts) -> bool {
    let any_leads_to_all = matches!(kind, "cluster" | "sentinel" | "mongodb" | "elastic");
    some == others || any_leads_to_all && !some.is_disjoint(others)
}

fn servers(url: &mut StoreUrl) -> Option<Place> {
    let (kind, port, root) = match url.scheme().to_owned().as_str() {
        "redis" | "rediss" | "valkey" | "valkeys" => ("redis", 6_379, "0"),
        "redis+cluster" | "valkey+cluster" => ("cluster", 6_379, "0"),
        "redis+sentinel" | "valkey+sentinel" => ("sentinel", 26_379, ""),
        "redis+unix" | "valkey+unix" => ("socket", 0, ""),
        "mongodb" => ("mongodb", 27_017, "larder"),
        "mongodb+srv" => ("mongodb+srv", 0, "larder"),
        "memcached" => ("memcached", 11_211, ""),
        "elasticsearch" | "opensearch" => ("elastic", 9_200, "larder"),
        "dynamodb" => ("dynamodb", 0, ""),
        _ => return None,
    };
    let hosts = if kind == "dynamodb" {
        BTreeSet::from([(url.authority().to_owned(), 0)]) // the name of a table, in which case matters
    } else {
        url.hosts().map(|(host, given)| (loopback(host), given.unwrap_or(port))).collect()
    };
    let path = match url.path().trim_matches('/') {
        "" => root,
        path => path,
    };
    let path = path.to_owned();
    let params = url.params().take_rest().into_iter().filter(|(name, _)| PLACES.contains(&name.as_str()));
    Some(Place::Servers { kind, hosts, path, params: params.collect() })
}

/// A host in lower case; the names of this machine are one.
fn loopback(host: &str) -> String {
    match host.to_ascii_lowercase().as_str() {
        "" | "localhost" | "::1" => "127.0.0.1".to_owned(),
        host => host.to_owned(),
    }
}

/// The directory without links and dots; of one that is not there yet, the part that is.
fn canonical(dir: &Path) -> PathBuf {
    let absolute = std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned());
    let mut rest = PathBuf::new();
    for known in absolute.ancestors() {
        if let Ok(known) = known.canonicalize() {
            return if rest.as_os_str().is_empty() { known } else { known.join(rest) };
        }
        let Some(name) = known.file_name() else { break };
        rest = if rest.as_os_str().is_empty() { name.into() } else { Path::new(name).join(rest) };
    }
    absolute
}

#[cfg(test)]
mod tests {
    use super::{feeds_itself, identity, is_same};

    #[test]
    fn one_store_is_recognised_however_its_url_is_written() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().display();
        std::fs::create_dir(dir.path().join("a")).unwrap();
        for (from, to) in [
            (format!("disk://{path}/a"), format!("disk://{path}/./a/")),
            (format!("disk://{path}/a"), format!("disk://{path}/x/../%61?engine=sled&durability=always")),
            (format!("disk://{path}/new"), format!("disk://{path}//new?namespace=larder")),
        ] {
            std::fs::create_dir_all(dir.path().join("x")).unwrap();
            assert!(is_same(&from, &to), "{from} {to}");
        }
        for (from, to) in [
            ("redis://localhost", "redis://127.0.0.1:6379/0?timeout=5s"),
            ("redis://ann:pw@HOST/1?prefix=p&namespace=n", "valkey://host/1?namespace=n&prefix=p"),
            ("redis+cluster://a:1,b:2", "redis+cluster://b:2,a:1"),
            ("redis+cluster://a:1", "valkey+cluster://a:1,b:2"),
            ("redis+cluster://a:1,b:2", "redis+cluster://c:3,b:2"),
            ("redis+sentinel://a,b/main/0", "redis+sentinel://c,b:26379/main/0"),
            ("mongodb://h1", "mongodb://h1,h2"),
            ("elasticsearch://h1,h2/i", "opensearch://h2:9200/i"),
            ("memcached://a,b", "memcached://b:11211,a"),
            ("redis+unix:///run/r.sock", "valkey+unix:///run/r.sock"),
            ("mongodb://h", "mongodb://h:27017/larder"),
            ("elasticsearch://h/i", "opensearch://h:9200/i?refresh=true"),
            ("dynamodb://Table?region=r&create=true", "dynamodb://Table?region=r"),
        ] {
            assert!(is_same(from, to), "{from} {to}");
        }
    }

    #[test]
    fn a_copy_that_would_read_what_it_writes_is_found_out() {
        let all = |_: &str| true;
        for (from, to) in [
            ("redis://h", "redis://h?prefix=p"),
            ("redis://h", "redis://h?encrypt=aead"),
            ("redis://h?compress=zstd", "rediss://h:6379/0"),
            ("redis+cluster://a:1", "redis+cluster://a:1,b:2?prefix=p"),
            ("mongodb://h?prefix=p", "mongodb://h?prefix=p&encrypt=aead"),
            ("disk:a?prefix=p&compress=zstd", "disk:./a?prefix=p"),
        ] {
            assert!(feeds_itself(from, to, all), "{from} {to}");
        }
        for (from, to) in [
            ("redis://h", "redis://h/1?encrypt=aead"),
            ("redis://h", "redis://h?namespace=n&prefix=p"),
            ("redis://h?prefix=p", "redis://h"),
            ("redis://h?prefix=p", "redis://h?prefix=q"),
            ("redis://h?prefix=p", "redis://h?prefix=p/q"),
            ("redis://h?codec=py-key-value", "redis://h?prefix=p"),
            ("memory://", "memory://?max_entries=5"),
        ] {
            assert!(!feeds_itself(from, to, all), "{from} {to}");
        }
        let below = |collections: &'static str| {
            move |written: &str| written.starts_with(collections) || collections.starts_with(written)
        };
        assert!(feeds_itself("redis://h", "redis://h?prefix=p", below("")));
        assert!(feeds_itself("redis://h", "redis://h?prefix=p", below("p")));
        assert!(!feeds_itself("redis://h", "redis://h?prefix=p", below("tokens")));
    }

    #[test]
    fn stores_that_look_alike_when_their_secrets_are_hidden_are_told_apart() {
        let [a, b] = ["disk:///backup/10:00", "disk:///backup/11:00"].map(identity);
        assert_ne!(a, b);
        assert_eq!(
            identity("redis://:one@h"),
            identity("redis://:other@localhost").replace("127.0.0.1", "h")
        );
        assert!(!identity("redis://ann:s3cret@h").contains("s3cret"));
        assert_eq!(identity("mongodb://b,a"), identity("mongodb://a:27017,b"));
    }

    #[cfg(unix)]
    #[test]
    fn a_link_to_a_store_is_that_store() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("a")).unwrap();
        std::os::unix::fs::symlink(dir.path().join("a"), dir.path().join("b")).unwrap();
        let [a, b] = ["a", "b"].map(|name| format!("disk://{}/{name}", dir.path().display()));
        assert!(is_same(&a, &b));
    }

    #[test]
    fn what_lies_elsewhere_or_looks_otherwise_is_another_store() {
        for (from, to) in [
            ("redis://h/0", "redis://h/1"),
            ("redis://h:6379", "redis://h:6380"),
            ("redis://h", "redis://h?namespace=other"),
            ("redis://h", "redis://h?prefix=p"),
            ("redis://h", "redis://h?encrypt=aead"),
            ("redis://h", "redis+cluster://h"),
            ("redis+cluster://a:1,b:2", "redis+cluster://a:2,b:1"),
            ("redis+sentinel://a,b/main", "redis+sentinel://a,b/other"),
            ("mongodb://h1/a", "mongodb://h1,h2/b"),
            ("memcached://a", "memcached://a,b"),
            ("disk:a", "rocksdb:b"),
            ("disk:a?namespace=x", "disk:a"),
            ("mongodb://h/d?collection=a", "mongodb://h/d?collection=b"),
            ("dynamodb://Table?region=a", "dynamodb://Table?region=b"),
            ("memory://", "memory://?max_entries=5"),
            ("nothing", "disk:a"),
        ] {
            assert!(!is_same(from, to), "{from} {to}");
        }
    }
}
