//! The wrappers that a URL asks for, in the one right order.

use kv_core::{AnyStore, Compression, Error, ErrorKind, Reserved, Result, Store, StoreExt};

use crate::keys::Seal;

/// Refuses what nothing in this version would do: a parameter is never ignored.
pub(crate) fn check(scheme: &str, reserved: &Reserved) -> Result<()> {
    if reserved.codec.is_some() {
        return Err(not_yet("`codec`", "choose it on the collection, with `Collection::codec`"));
    }
    if reserved.retry.is_some_and(|tries| tries > 0) {
        return Err(not_yet("`retry`", "leave it out: what lies in this process needs no second try"));
    }
    if reserved.password_env.is_some() || reserved.password_file.is_some() {
        return Err(invalid(format!(
            "`{scheme}` has no password: leave out `password_env` and `password_file`"
        )));
    }
    if reserved.key_file.is_some() && reserved.encrypt.is_none() {
        return Err(invalid("`key_file` alone encrypts nothing: add `encrypt=aead`".to_owned()));
    }
    if reserved.compress.is_some() && !cfg!(feature = "compress") {
        return Err(lacks("compress"));
    }
    if reserved.encrypt.is_some() && !cfg!(feature = "encrypt") {
        return Err(lacks("encrypt"));
    }
    Ok(())
}

/// Outermost first: ttl, timeout, prefix, compress, encrypt, the backend.
pub(crate) fn around(backend: impl Store, reserved: &Reserved, seal: Option<Seal>) -> AnyStore {
    let mut store = match seal {
        Some(seal) => seal.around(backend),
        None => backend.erased(),
    };
    if let Some(compression) = reserved.compress {
        store = compressed(store, compression);
    }
    if let Some(prefix) = &reserved.prefix {
        store = store.prefixed(prefix).erased();
    }
    if let Some(limit) = reserved.timeout.filter(|limit| !limit.is_zero()) {
        store = store.timeout(limit).erased();
    }
    if let Some(ttl) = reserved.ttl {
        store = store.default_ttl(ttl).erased();
    }
    store
}

#[cfg(feature = "compress")]
fn compressed(store: AnyStore, compression: Compression) -> AnyStore {
    let Compression::Zstd = compression else { return store };
    store.compressed().erased()
}

#[cfg(not(feature = "compress"))]
fn compressed(store: AnyStore, _: Compression) -> AnyStore {
    store // `check` has refused it
}

pub(crate) fn lacks(feature: &str) -> Error {
    Error::new(
        ErrorKind::Unsupported,
        format!("this build lacks the feature `{feature}` of the crate larder"),
    )
}

fn not_yet(what: &str, instead: &str) -> Error {
    invalid(format!("{what} is not available in this version; {instead}"))
}

fn invalid(message: String) -> Error {
    Error::new(ErrorKind::Invalid, message)
}
