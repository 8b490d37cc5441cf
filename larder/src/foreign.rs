//! What Python's py-key-value wrote, to be read: `codec=py-key-value`.

use kv_core::{Encryption, Reserved, Result, Written};

use crate::layers::invalid;
use crate::scheme::Scheme;

#[cfg(feature = "pykv")]
mod opened;

#[cfg(all(feature = "pykv", feature = "redis"))]
pub(crate) use opened::redis;
#[cfg(feature = "pykv")]
pub(crate) use opened::tree;

const TREE: &str = "filetree";

/// Whether the URL asks for what py-key-value wrote.
pub(crate) fn is_asked(given: &Reserved) -> bool {
    given.codec == Some(Written::PyKeyValue)
}

/// Refuses what would do nothing, or harm, to what Larder did not write.
pub(crate) fn checked(scheme: &Scheme, given: &Reserved) -> Result<()> {
    if given.codec.is_some() && !is_asked(given) {
        let message = "`codec` does nothing here; choose it on the collection, with `Collection::codec`";
        return Err(invalid(message));
    }
    if !is_asked(given) {
        let message = "`filetree` is only read: add `codec=py-key-value`";
        return if scheme.name == TREE { Err(invalid(message)) } else { Ok(()) };
    }
    if scheme.name != TREE && !scheme.is_redis() {
        return Err(invalid("`codec=py-key-value` is for `filetree` and `redis`"));
    }
    if !cfg!(feature = "pykv") {
        return Err(crate::layers::lacks("pykv"));
    }
    if given.encrypt.is_some_and(|encryption| encryption != Encryption::Fernet) {
        return Err(invalid("py-key-value seals with Fernet: write `encrypt=fernet`"));
    }
    let idle = [
        ("namespace", given.namespace.is_some()),
        ("prefix", given.prefix.is_some()),
        ("compress", given.compress.is_some()),
        ("ttl", given.ttl.is_some()),
        ("near", given.near.is_some()),
    ];
    match idle.into_iter().find(|(_, is_given)| *is_given) {
        Some((name, _)) => {
            Err(invalid(format!("`{name}` does nothing with `codec=py-key-value`; leave it out")))
        }
        None => Ok(()),
    }
}
