//! From a URL to a store.

mod backends;
mod frame;
#[cfg(feature = "encrypt")]
mod sealed;

use std::sync::{Mutex, PoisonError};

use kv_core::backend::embedded::Directory;
use kv_core::{AnyStore, Error, ErrorKind, Finding, Result, StoreUrl};

use crate::platform::Platform;
use crate::{layers, scheme};

use backends::by_scheme;

#[cfg(all(feature = "disk", feature = "encrypt"))]
pub(crate) use backends::disk;
pub(crate) use frame::Frame;
#[cfg(feature = "encrypt")]
pub(crate) use sealed::{open_encrypted, sealing};

/// What becomes of a store that is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    /// It is made, unless the URL says otherwise.
    IsMade,
    /// That is an error, whatever the URL says.
    IsRefused,
}

/// How a store is to be opened.
#[derive(Clone, Copy)]
struct Way<'a> {
    missing: Missing,
    /// Where the backend is to say how its database is set up.
    findings: Option<&'a Mutex<Vec<Finding>>>,
    /// Whether the caller looks at the note and seals what is opened here.
    is_sealed_later: bool,
}

/// Opens `url` for `app`, whose key file is the last place to look for a key.
pub(crate) async fn open(
    platform: &impl Platform,
    app: &str,
    url: &str,
    missing: Missing,
) -> Result<AnyStore> {
    opened(platform, app, url, missing, None).await
}

/// As [`open`]; beside it what the backend says of its database.
pub(crate) async fn diagnose(
    platform: &impl Platform,
    app: &str,
    url: &str,
    missing: Missing,
) -> Result<(AnyStore, Vec<Finding>)> {
    let findings = Mutex::default();
    let store = opened(platform, app, url, missing, Some(&findings)).await?;
    Ok((store, findings.into_inner().unwrap_or_else(PoisonError::into_inner)))
}

async fn opened(
    platform: &impl Platform,
    app: &str,
    url: &str,
    missing: Missing,
    findings: Option<&Mutex<Vec<Finding>>>,
) -> Result<AnyStore> {
    let named = |error: kv_core::Error| error.during("open");
    let mut url = StoreUrl::parse(url).map_err(named)?;
    let scheme = scheme::find(url.scheme()).map_err(named)?;
    let reserved = layers::checked(scheme, url.reserved()).map_err(named)?;
    let way = Way { missing, findings, is_sealed_later: false };
    by_scheme(platform, app, &mut url, reserved, way).await.map_err(named)
}

/// Sees to it that a directory holds a store, before anybody asks for the key that was made with it.
async fn look_at_directory(url: &StoreUrl) -> Result<()> {
    if !matches!(url.scheme(), "disk" | "rocksdb") {
        return Ok(());
    }
    let dir = url.directory()?;
    let look = tokio::task::spawn_blocking(move || (Directory::holds_a_store(&dir), dir)).await;
    let (holds_a_store, dir) = look.map_err(|error| {
        Error::new(ErrorKind::Unexpected, "looking into the directory was interrupted").because(error)
    })?;
    if holds_a_store {
        return Ok(());
    }
    let message = format!("there is no store in {}, and none is to be made", dir.display());
    Err(Error::new(ErrorKind::Invalid, message))
}
