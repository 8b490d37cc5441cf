//! Where the key of an encrypted store comes from.

#[cfg(feature = "encrypt")]
mod find;

#[cfg(feature = "encrypt")]
pub(crate) use find::Seal;
#[cfg(not(feature = "encrypt"))]
pub(crate) use without::Seal;

/// What the store to be encrypted is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Not on this machine's disk: it is gone with the process, or others share it and would each make a key.
    Elsewhere,
    /// A directory of this machine that will be made now: its key may be made with it.
    NewDirectory,
    /// A directory of this machine: another key than its own opens nothing.
    ExistingDirectory,
}

#[cfg(not(feature = "encrypt"))]
mod without {
    use kv_core::{AnyStore, Reserved, Result, Store};

    use super::Place;
    use crate::note::Note;
    use crate::platform::Platform;

    /// A build without encryption seals nothing; the parameter was refused.
    #[derive(Clone, Debug)]
    pub(crate) enum Seal {}

    impl Seal {
        #[expect(clippy::unused_async, reason = "the same signature as with encryption")]
        pub(crate) async fn find(_: &impl Platform, _: &str, _: &Reserved, _: Place) -> Result<Option<Self>> {
            Ok(None)
        }

        #[cfg(feature = "pykv")]
        pub(crate) fn opener(self) -> kv_pykv::Opener {
            match self {}
        }

        pub(crate) fn noted(self, _: impl Store, _: String, _: &Note) -> AnyStore {
            match self {}
        }

        pub(crate) fn has(&self, _: &str) -> bool {
            match *self {}
        }

        pub(crate) fn key(&self) -> String {
            match *self {}
        }

        pub(crate) fn given(&self) -> String {
            match *self {}
        }
    }
}
