//! Which backends there are, which of them this build has, and what to say about the others.

use kv_core::{Error, ErrorKind};

/// Where the data of a scheme lies, which decides about keys, passwords and second tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Where {
    /// In this process, gone with it.
    Process,
    /// In a directory of this machine.
    Directory,
    /// On a server.
    Network,
}

/// One scheme, with the feature that brings it.
#[derive(Debug)]
pub(crate) struct Scheme {
    pub(crate) name: &'static str,
    feature: &'static str,
    built: bool,
    pub(crate) place: Where,
}

impl Scheme {
    const fn of(feature: &'static str, built: bool, place: Where, name: &'static str) -> Self {
        Self { name, feature, built, place }
    }

    /// Whether this is Redis or Valkey, of any kind.
    pub(crate) fn is_redis(&self) -> bool {
        self.feature == "redis"
    }

    /// The scheme of this name, whether it was built or not.
    #[cfg(test)]
    pub(crate) fn named(name: &str) -> &'static Self {
        ALL.iter().find(|scheme| scheme.name == name).expect("a scheme of the table")
    }
}

const MEMORY: bool = cfg!(feature = "memory");
const DISK: bool = cfg!(feature = "disk");
const ROCKSDB: bool = cfg!(feature = "rocksdb");
const REDIS: bool = cfg!(feature = "redis");
const DYNAMO: bool = cfg!(feature = "dynamo");
const MONGO: bool = cfg!(feature = "mongo");
const MEMCACHED: bool = cfg!(feature = "memcached");
const ELASTIC: bool = cfg!(feature = "elastic");
const PYKV: bool = cfg!(feature = "pykv");

/// All schemes, those of one feature together.
const ALL: [Scheme; 20] = [
    Scheme::of("memory", MEMORY, Where::Process, "memory"),
    Scheme::of("disk", DISK, Where::Directory, "disk"),
    Scheme::of("rocksdb", ROCKSDB, Where::Directory, "rocksdb"),
    Scheme::of("redis", REDIS, Where::Network, "redis"),
    Scheme::of("redis", REDIS, Where::Network, "rediss"),
    Scheme::of("redis", REDIS, Where::Network, "redis+unix"),
    Scheme::of("redis", REDIS, Where::Network, "redis+cluster"),
    Scheme::of("redis", REDIS, Where::Network, "redis+sentinel"),
    Scheme::of("redis", REDIS, Where::Network, "valkey"),
    Scheme::of("redis", REDIS, Where::Network, "valkeys"),
    Scheme::of("redis", REDIS, Where::Network, "valkey+unix"),
    Scheme::of("redis", REDIS, Where::Network, "valkey+cluster"),
    Scheme::of("redis", REDIS, Where::Network, "valkey+sentinel"),
    Scheme::of("dynamo", DYNAMO, Where::Network, "dynamodb"),
    Scheme::of("mongo", MONGO, Where::Network, "mongodb"),
    Scheme::of("mongo", MONGO, Where::Network, "mongodb+srv"),
    Scheme::of("memcached", MEMCACHED, Where::Network, "memcached"),
    Scheme::of("elastic", ELASTIC, Where::Network, "elasticsearch"),
    Scheme::of("elastic", ELASTIC, Where::Network, "opensearch"),
    Scheme::of("pykv", PYKV, Where::Directory, "filetree"),
];

/// The schemes that [`open`](crate::open) takes in this build.
pub fn schemes() -> impl Iterator<Item = &'static str> {
    ALL.iter().filter(|scheme| scheme.built).map(|scheme| scheme.name)
}

/// The scheme of this name, if this build has it; else why not, and what to do.
pub(crate) fn find(name: &str) -> Result<&'static Scheme, Error> {
    match ALL.iter().find(|scheme| scheme.name == name) {
        Some(scheme) if scheme.built => Ok(scheme),
        Some(scheme) => Err(not_built(scheme)),
        None => Err(unknown(name)),
    }
}

/// What to say of a scheme that this build lacks.
pub(crate) fn not_built(Scheme { name, feature, .. }: &Scheme) -> Error {
    let message = format!("`{name}` needs the feature `{feature}` of the crate larder; {}", here());
    Error::new(ErrorKind::Unsupported, message)
}

fn unknown(name: &str) -> Error {
    let shown: String = name.chars().take(20).flat_map(char::escape_debug).collect();
    Error::new(ErrorKind::Invalid, format!("unknown scheme `{shown}`; {}", here()))
}

fn here() -> String {
    let have: Vec<_> = schemes().map(|scheme| format!("`{scheme}://`")).collect();
    match have.split_last() {
        None => "this build has no backend at all: enable a feature such as `memory`".to_owned(),
        Some((only, [])) => format!("this build has {only}"),
        Some((last, before)) => format!("this build has {} and {last}", before.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use kv_core::ErrorKind;

    use super::{ALL, find, not_built, schemes};

    #[test]
    fn a_backend_that_was_not_built_names_the_feature_that_adds_it() {
        for scheme in &ALL {
            assert_eq!(schemes().any(|have| have == scheme.name), scheme.built);
            assert_eq!(find(scheme.name).is_ok(), scheme.built);
            let error = not_built(scheme); // asked of those that are built too, since no build lacks all
            assert_eq!(error.kind(), ErrorKind::Unsupported);
            assert!(error.message().contains(&format!("needs the feature `{}`", scheme.feature)), "{error}");
        }
    }

    #[test]
    fn a_hostile_scheme_is_cut_and_escaped() {
        let error = find(&"\n".repeat(1_000)).unwrap_err();
        assert!(error.message().len() < 600 && !error.message().contains('\n'), "{error}");
    }
}
