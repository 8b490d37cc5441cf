//! The store of an application that was given none.

use kv_core::{AnyStore, Error, ErrorKind, Result};

use crate::open::{Missing, open};
use crate::platform::{Os, Platform, named};

const VARIABLE: &str = "LARDER_STORE";

pub(crate) async fn default_store(platform: &impl Platform, app: &str) -> Result<AnyStore> {
    named(app)?;
    if let Some(url) = told(platform)? {
        return open(platform, app, &url, Missing::IsMade).await;
    }
    match platform.os() {
        Os::Linux => {
            let store = open(platform, app, "memory://", Missing::IsMade).await?;
            platform.tell(&format!(
                "{app}: no store is set: everything is kept in memory and lost at the end; set {VARIABLE}, for \
                 example to disk:///var/lib/{app}?encrypt=aead"
            ));
            Ok(store)
        }
        Os::MacOs | Os::Windows => kept(platform, app).await,
    }
}

pub(crate) async fn program_store(platform: &impl Platform, app: &str) -> Result<AnyStore> {
    named(app)?;
    match told(platform)? {
        Some(url) => open(platform, app, &url, Missing::IsMade).await,
        None => kept(platform, app).await,
    }
}

/// The URL in the environment; an empty one is none.
fn told(platform: &impl Platform) -> Result<Option<String>> {
    let Some(url) = platform.var(VARIABLE).filter(|url| !url.is_empty()) else { return Ok(None) };
    let no_text = |_| Error::new(ErrorKind::Invalid, "LARDER_STORE is not UTF-8");
    url.into_string().map(Some).map_err(no_text)
}

/// An encrypted directory among the user's data.
#[cfg(all(feature = "disk", feature = "encrypt"))]
async fn kept(platform: &impl Platform, app: &str) -> Result<AnyStore> {
    let mut reserved = kv_core::Reserved::default();
    reserved.encrypt = Some(kv_core::Encryption::Aead);
    let dir = crate::platform::data_dir(platform, app)?.join("store");
    let frame = crate::open::Frame {
        platform,
        app,
        place: crate::scheme::Where::Directory,
        reserved,
        findings: None,
        is_sealed_later: false,
    };
    let opened = crate::open::disk(frame, kv_disk::DiskConfig::new(dir)).await;
    opened.map_err(|error| error.during("open"))
}

#[cfg(not(all(feature = "disk", feature = "encrypt")))]
#[expect(clippy::unused_async, reason = "the same signature as with the features")]
async fn kept(_: &impl Platform, _: &str) -> Result<AnyStore> {
    let message = "the default store needs the features `disk` and `encrypt` of the crate larder: enable them, or \
                   set LARDER_STORE";
    Err(Error::new(ErrorKind::Unsupported, message))
}
