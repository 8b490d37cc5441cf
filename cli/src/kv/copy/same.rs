//! Whether two URLs mean one store.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use kv_core::{Compression, Encryption, Reserved, StoreUrl, Written};

/// Whether what is written to the one shows in the other under the same names, in the same form.
///
/// They may differ in how they are written (a path, a default port, the order of hosts and parameters) and in what does
/// not matter to what is stored (users, timeouts, durability). Two names of one server are not found out.
pub(super) fn is_same(from: &str, to: &str) -> bool {
    if from == to {
        return true;
    }
    match (Meaning::of(from), Meaning::of(to)) {
        (Some(from), Some(to)) => from == to,
        _ => false, // what does not parse does not open either, and is told by that
    }
}

/// What of a URL decides where entries lie and how they look.
#[derive(Debug, PartialEq, Eq)]
struct Meaning {
    place: Place,
    namespace: String,
    prefix: String,
    encrypt: Option<Encryption>,
    compress: Option<Compression>,
    codec: Option<Written>,
}

#[derive(Debug, PartialEq, Eq)]
enum Place {
    Directory(PathBuf),
    Servers {
        kind: &'static str,
        hosts: BTreeSet<(String, u16)>,
        path: String,
        params: BTreeMap<String, String>,
    },
}

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
    use super::is_same;

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
            ("mongodb://h", "mongodb://h:27017/larder"),
            ("elasticsearch://h/i", "opensearch://h:9200/i?refresh=true"),
            ("dynamodb://Table?region=r&create=true", "dynamodb://Table?region=r"),
        ] {
            assert!(is_same(from, to), "{from} {to}");
        }
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
