//! Letting other tasks run during long batches.

use kv_core::each;

/// Counts work and gives way after each 64 values or 256 KiB: about 0.1 ms of sealing, 1 ms with Fernet.
#[derive(Debug, Default)]
pub(crate) struct Pause {
    values: usize,
    bytes: usize,
}

impl Pause {
    const VALUES: usize = 64;
    const BYTES: usize = 256 << 10;

    pub(crate) async fn after(&mut self, bytes: usize) {
        self.values += 1;
        self.bytes += bytes;
        if self.values >= Self::VALUES || self.bytes >= Self::BYTES {
            *self = Self::default();
            each::yield_now().await;
        }
    }
}
