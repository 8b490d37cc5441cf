//! The library's file tree: `collection/key.json`, and beside each directory `collection-info.json` with its true name.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use kv_core::{Cursor, Diagnose, Error, ErrorKind, Finding, Key, Result, Scan};

use crate::{Found, Source};

mod place;
mod tree;

use place::Place;
use tree::Tree;

/// A directory that the library's `FileTreeStore` wrote. It may have been moved. Cheap to clone.
///
/// Nothing outside of it is read: names are never paths, and symbolic links are not followed but refused.
#[derive(Clone, Debug)]
pub struct FileTree(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    tree: Tree,
    closed: AtomicBool,
}

impl FileTree {
    /// The tree in `directory`. Needs a tokio runtime.
    ///
    /// # Errors
    /// `Invalid` where there is no such directory; `Denied` where it may not be read.
    pub async fn open(directory: PathBuf) -> Result<Self> {
        let tree = Tree::new(directory);
        let inner = Arc::new(Inner { tree, closed: AtomicBool::new(false) });
        let tree = Self(inner);
        tree.read(|tree| tree.collections().map(drop)).await.map_err(|error| error.during("open"))?;
        Ok(tree)
    }

    /// Does what may block elsewhere.
    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Tree) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        if self.0.closed.load(Ordering::Acquire) {
            return Err(Error::new(ErrorKind::Closed, "the store was closed"));
        }
        let inner = Arc::clone(&self.0);
        tokio::task::spawn_blocking(move || work(&inner.tree)).await.map_err(interrupted)?
    }
}

/// Files have no settings.
impl Diagnose for FileTree {
    async fn diagnose(&self) -> Vec<Finding> {
        Vec::new()
    }
}

impl Source for FileTree {
    const NAME: &'static str = "py-key-value file tree";

    async fn get(&self, key: Key<'_>) -> Result<Option<Bytes>> {
        let (collection, id) = (key.collection.to_owned(), key.id.to_owned());
        self.read(move |tree| tree.get(&collection, &id)).await
    }

    async fn page(&self, scan: Scan<'_>, from: Option<&Cursor>) -> Result<(Vec<Found>, Option<Cursor>)> {
        let place = Place::of(scan, from)?;
        self.read(move |tree| page(tree, place)).await
    }

    async fn close(&self) -> Result<()> {
        self.0.closed.store(true, Ordering::Release);
        Ok(())
    }
}

/// Files in the order of their names, from the place on, until the page is full.
fn page(tree: &Tree, mut place: Place) -> Result<(Vec<Found>, Option<Cursor>)> {
    let (mut found, mut bytes) = (Vec::new(), 0);
    for ((collection, id), file) in tree.files(|collection| place.has_collection(collection))? {
        if !place.is_ahead(&collection, &id) {
            continue;
        }
        if found.len() >= place.limit() || bytes >= Scan::MAX_PAGE_BYTES {
            return Ok((found, Some(place.cursor())));
        }
        let stored = tree::read(&file);
        place.pass(&collection, &id);
        match stored {
            Ok(Some(stored)) => {
                bytes += stored.len();
                found.push(Found::new(collection, id, stored));
            }
            Ok(None) => {}
            Err(error) => found.push(Found::damaged(collection, id, error)),
        }
    }
    Ok((found, None))
}

fn interrupted(error: tokio::task::JoinError) -> Error {
    Error::new(ErrorKind::Unexpected, "reading the files was interrupted").because(error)
}

#[cfg(test)]
mod tests;
