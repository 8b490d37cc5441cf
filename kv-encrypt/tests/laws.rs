//! The laws of a store, on memory behind each form of sealing.

macro_rules! sealed_laws {
    ($module:ident, $cipher:expr, $name:literal) => {
        #[cfg(test)]
        mod $module {
            use kv_core::Clock;
            use kv_core::testing::{Harness, Held};
            use kv_encrypt::{Cipher, Encrypted, KeyRing, SecretKey};
            use kv_memory::{MemoryConfig, MemoryStore};

            struct Sealed(Clock);

            impl Sealed {
                fn over(inner: MemoryStore) -> Encrypted<MemoryStore> {
                    let keys = KeyRing::new([SecretKey::from_bytes([1; 32])]).unwrap();
                    Encrypted::new(inner, keys).context("laws").cipher($cipher)
                }

                fn store(&self, config: MemoryConfig) -> Encrypted<MemoryStore> {
                    Self::over(MemoryStore::open(config.clock(self.0.clone())).unwrap())
                }
            }

            impl Harness for Sealed {
                type Store = Encrypted<MemoryStore>;
                const NAME: &'static str = $name;

                async fn empty(&self) -> Self::Store {
                    self.store(MemoryConfig::default())
                }

                fn clock(&self) -> &Clock {
                    &self.0
                }

                async fn sibling(&self, store: &Self::Store) -> Option<Self::Store> {
                    Some(store.clone())
                }

                async fn held(&self, store: &Self::Store) -> Option<Held> {
                    let held = store.inner().held();
                    Some(Held { entries: held.entries, bytes: held.bytes })
                }

                async fn full(&self) -> Option<Self::Store> {
                    Some(self.store(MemoryConfig::default().max_bytes(32 << 10)))
                }
            }

            kv_core::laws!(Sealed(Clock::manual()));
        }
    };
}

sealed_laws!(aead, Cipher::Aead, "memory sealed by AEAD");
sealed_laws!(fernet, Cipher::Fernet, "memory sealed by Fernet");
