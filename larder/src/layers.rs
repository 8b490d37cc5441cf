//! The wrappers that a URL asks for, in the one right order.

use kv_core::{AnyStore, Compression, Error, ErrorKind, Reserved, Result, Store, StoreExt};

use crate::keys::Seal;
use crate::scheme::{Scheme, Where};

/// What `given` asks for around a backend of `scheme`. What nothing would do is refused: no parameter is ignored.
pub(crate) fn checked(scheme: &Scheme, given: &Reserved) -> Result<Reserved> {
    let name = scheme.name;
    if given.codec.is_some() {
        return Err(invalid(
            "`codec` does nothing here; choose it on the collection, with `Collection::codec`",
        ));
    }
    if scheme.place != Where::Network {
        if given.retry.is_some_and(|tries| tries > 0) {
            let why = "what lies on this machine needs no second try";
            return Err(invalid(format!("`retry` does nothing for `{name}`; leave it out: {why}")));
        }
        if given.password_env.is_some() || given.password_file.is_some() {
            return Err(invalid(format!(
                "`{name}` has no password: leave out `password_env` and `password_file`"
            )));
        }
    }
    if given.key_file.is_some() && given.encrypt.is_none() {
        return Err(invalid("`key_file` alone encrypts nothing: add `encrypt=aead`"));
    }
    if given.compress.is_some() && !cfg!(feature = "compress") {
        return Err(lacks("compress"));
    }
    if given.encrypt.is_some() && !cfg!(feature = "encrypt") {
        return Err(lacks("encrypt"));
    }
    Ok(given.clone())
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
    store // `checked` has refused it
}

fn lacks(feature: &str) -> Error {
    Error::new(
        ErrorKind::Unsupported,
        format!("this build lacks the feature `{feature}` of the crate larder"),
    )
}

fn invalid(message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::Invalid, message)
}
