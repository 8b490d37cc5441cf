//! The stores, with their keys and what stands around them.

use kv_core::{AnyStore, Result, StoreUrl};
use kv_pykv::{FileTree, Opener, PyKeyValue};

use crate::keys::{Place, Seal};
use crate::open::Frame;
use crate::platform::Platform;

/// The file tree in the directory that the URL names.
pub(crate) async fn tree(frame: Frame<'_, impl Platform>, url: &mut StoreUrl) -> Result<AnyStore> {
    let directory = url.directory()?;
    url.params().finish()?;
    let (frame, opener) = unsealed(frame).await?;
    frame.around(async { Ok(PyKeyValue::new(FileTree::open(directory).await?, opener)) }).await
}

/// The strings of the Redis that the URL names.
#[cfg(feature = "redis")]
pub(crate) async fn redis(frame: Frame<'_, impl Platform>, url: &mut StoreUrl) -> Result<AnyStore> {
    let mut config = kv_redis::RedisConfig::from_url(url)?;
    config.foreign = true;
    let (frame, opener) = unsealed(frame).await?;
    let opening = async {
        let strings = kv_redis::RedisStore::open(config).await?;
        Ok(PyKeyValue::new(kv_pykv::Compound::new(strings), opener))
    };
    frame.around(opening).await
}

/// The seal is the library's, so it is opened here, and no wrapper of ours stands around. Its key lies wherever somebody
/// put it, never where Larder makes its own.
async fn unsealed<P: Platform>(mut frame: Frame<'_, P>) -> Result<(Frame<'_, P>, Opener)> {
    let seal = Seal::find(frame.platform, frame.app, &frame.reserved, Place::Elsewhere).await?;
    (frame.reserved.encrypt, frame.reserved.key_file) = (None, None);
    Ok((frame, seal.map_or_else(Opener::plain, Seal::opener)))
}
