//! What stands around a backend.

use std::future::Future;
use std::sync::{Mutex, PoisonError};

use kv_core::{AnyStore, Diagnose, Finding, Reserved, Result, Store};

use crate::keys::{Place, Seal};
use crate::note::{self, Note};
use crate::platform::Platform;
use crate::scheme::Where;
use crate::{foreign, layers};

/// What stands around a backend: the same for each.
pub(crate) struct Frame<'a, P> {
    pub(crate) platform: &'a P,
    pub(crate) app: &'a str,
    pub(crate) place: Where,
    pub(crate) reserved: Reserved,
    /// Where the backend is to say how its database is set up.
    pub(crate) findings: Option<&'a Mutex<Vec<Finding>>>,
    /// Whether the caller looks at the note and seals what is opened.
    pub(crate) is_sealed_later: bool,
}

impl<P: Platform> Frame<'_, P> {
    /// The store that `opening` opens, in the wrappers that the URL asks for. Not for a directory.
    pub(crate) async fn around<S: Store + Diagnose>(
        self,
        opening: impl Future<Output = Result<S>> + Send,
    ) -> Result<AnyStore> {
        self.around_directory(true, opening).await
    }

    /// As `around`, for a directory that holds a store already or not: its key may be made with it, not later.
    pub(crate) async fn around_directory<S: Store + Diagnose>(
        self,
        exists: bool,
        opening: impl Future<Output = Result<S>> + Send,
    ) -> Result<AnyStore> {
        let Self { platform, app, place: lies, reserved, findings, is_sealed_later } = self;
        let place = match lies {
            Where::Process | Where::Network => Place::Elsewhere,
            Where::Directory if exists => Place::ExistingDirectory,
            Where::Directory => Place::NewDirectory,
        };
        let seal = Seal::find(platform, app, &reserved, place).await?;
        let store = opening.await?;
        if let Some(findings) = findings {
            let found = store.diagnose().await;
            findings.lock().unwrap_or_else(PoisonError::into_inner).extend(found);
        }
        let note = match (lies, &seal) {
            (Where::Process, Some(seal)) => Note::Names(seal.key()), // nobody else comes upon what it holds
            _ if is_sealed_later || foreign::is_asked(&reserved) => Note::Missing,
            _ => looked_at(&store, &note::place(&reserved), lies, seal.as_ref()).await?,
        };
        let note = match &seal {
            // What only tries the store must not shut out those who use it: no note is written.
            Some(seal) if findings.is_some() => Note::Names(seal.key()),
            _ => note,
        };
        Ok(layers::around(store, &reserved, seal, &note))
    }
}

/// The note of a backend that was just opened; one whose note forbids to open it so is closed again.
pub(super) async fn looked_at(
    store: &impl Store,
    place: &str,
    lies: Where,
    seal: Option<&Seal>,
) -> Result<Note> {
    let checked = match note::look(store, place, lies).await {
        Ok(found) => note::check(&found, seal).map(|()| found),
        Err(error) => Err(error),
    };
    if checked.is_err() {
        drop(store.close().await); // nothing was written
    }
    checked
}
