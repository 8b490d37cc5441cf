//! The process that holds the store.

use kv_core::AnyStore;
use mcp_server::Service;
#[cfg(unix)]
use tokio::io::{DuplexStream, duplex, split};
#[cfg(unix)]
use tokio::task::JoinHandle;

use super::{ServeSettings, close};
use crate::Failure;
#[cfg(unix)]
use crate::join::Door;

/// A running memory server with the store it opened, and the door through which others join it.
#[derive(Debug)]
pub(crate) struct Owner {
    service: Service,
    store: AnyStore,
    #[cfg(unix)]
    door: Option<Door>,
}

impl Owner {
    /// Builds the server on `store`, just opened by `url`; a store on disk can then be joined.
    #[cfg_attr(not(unix), expect(unused_variables, reason = "nobody can join there"))]
    pub(crate) async fn new(settings: &ServeSettings, url: &str, store: AnyStore) -> Result<Self, Failure> {
        let service = match settings.service(&store) {
            Ok(service) => service,
            Err(failure) => {
                close(&store).await;
                return Err(failure);
            }
        };
        #[cfg(unix)]
        let door = match crate::store::directory(url) {
            Some(dir) => Door::open(&dir, url, &service).await,
            None => None,
        };
        Ok(Self {
            service,
            store,
            #[cfg(unix)]
            door,
        })
    }

    pub(crate) const fn service(&self) -> &Service {
        &self.service
    }

    /// A connection from within this process, served as one from stdio.
    #[cfg(unix)]
    pub(crate) fn connection(&self) -> (DuplexStream, JoinHandle<()>) {
        let (ours, theirs) = duplex(64 << 10);
        let service = self.service.clone();
        let serving = tokio::spawn(async move {
            let (input, output) = split(theirs);
            if let Err(error) = service.serve_lines(input, output).await {
                tracing::debug!(%error, "the connection from within ended early");
            }
        });
        (ours, serving)
    }

    /// Ends what others have joined, then the store: the directory is free once this returns.
    pub(crate) async fn end(self) {
        #[cfg(unix)]
        if let Some(door) = self.door {
            door.close().await;
        }
        close(&self.store).await;
    }
}
