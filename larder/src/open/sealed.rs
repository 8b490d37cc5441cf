//! From a URL to a store of which the encryption is looked at or changed.

use kv_core::{AnyStore, Error, Result, StoreExt, StoreUrl};
use kv_encrypt::Encrypted;

use super::backends::by_scheme;
use super::frame::looked_at;
use super::{Missing, Way, look_at_directory};
use crate::keys::{Place, Seal};
use crate::note::{self, Noted};
use crate::platform::{Platform, Sealing};
use crate::scheme::{self, Scheme, Where};
use crate::{foreign, layers};

/// The store of `url` from its encryption downwards: without what stands above it. It must be there.
///
/// So its names have their prefixes: it is the whole namespace. The note of the prefix that the URL names is the one that
/// says whether the key is right, and the one that is written with the first value.
pub(crate) async fn open_encrypted(
    platform: &impl Platform,
    app: &str,
    url: &str,
) -> Result<Encrypted<AnyStore>> {
    let named = |error: Error| error.during("open");
    let mut url = StoreUrl::parse(url).map_err(named)?;
    let scheme = scheme::find(url.scheme()).map_err(named)?;
    let mut reserved = layers::checked(scheme, url.reserved()).map_err(named)?;
    if foreign::is_asked(&reserved) {
        return Err(named(layers::invalid("what py-key-value wrote is only read: no key of it is changed")));
    }
    look_at_directory(&url).await.map_err(named)?;
    let seal = Seal::find(platform, app, &reserved, there(scheme)).await.map_err(named)?;
    let seal =
        seal.ok_or_else(|| named(layers::invalid("the URL asks for no encryption: add `encrypt=aead`")))?;
    let place = note::place(&reserved);
    (reserved.encrypt, reserved.key_file, reserved.compress) = (None, None, None);
    (reserved.prefix, reserved.ttl, reserved.near) = (None, None, None);
    let way = Way { missing: Missing::IsRefused, findings: None, is_sealed_later: true };
    let backend = by_scheme(platform, app, &mut url, reserved, way).await.map_err(named)?;
    let note = looked_at(&backend, &place, scheme.place, Some(&seal)).await.map_err(named)?;
    let noted = Noted::new(backend, place, Some(seal.clone()), &note);
    Ok(seal.around(noted.erased()))
}

/// How the store of `url` seals its values.
pub(crate) async fn sealing(platform: &impl Platform, app: &str, url: &str) -> Result<Option<Sealing>> {
    let url = StoreUrl::parse(url)?;
    let place = there(scheme::find(url.scheme())?);
    let seal = Seal::find(platform, app, url.reserved(), place).await?;
    Ok(seal.map(|seal| seal.sealing()))
}

/// What the store is, which is there.
fn there(scheme: &Scheme) -> Place {
    match scheme.place {
        Where::Process | Where::Network => Place::Elsewhere,
        Where::Directory => Place::ExistingDirectory,
    }
}
