//! What `larder doctor` is told.

use kv_core::{Diagnose, Finding};

use crate::MemoryStore;

impl Diagnose for MemoryStore {
    async fn diagnose(&self) -> Vec<Finding> {
        let held = self.held();
        let about = format!("{} entries, {} bytes", held.entries, held.bytes);
        vec![match self.limits() {
            (Some(bytes), _) => Finding::good("room", format!("{about}, of {bytes} bytes")),
            (None, Some(entries)) => Finding::good("room", format!("{about}, of {entries} entries")),
            (None, None) => Finding::notice(
                "room",
                format!("{about}; without a limit"),
                "it grows with what is put into it: set `max_bytes=` to have `full` instead of a process that is killed",
            ),
        }]
    }
}

#[cfg(test)]
mod tests {
    use kv_core::{Diagnose as _, Verdict};

    use crate::{MemoryConfig, MemoryStore};

    #[tokio::test]
    async fn a_store_without_a_limit_is_told_of() {
        let findings = MemoryStore::new().diagnose().await;
        assert_eq!(findings[0].verdict, Verdict::Notice);
        let limited = MemoryStore::open(MemoryConfig::default().max_bytes(4_096)).unwrap();
        let findings = limited.diagnose().await;
        assert!(
            findings[0].verdict == Verdict::Good && findings[0].found.contains("of 4096 bytes"),
            "{findings:?}"
        );
    }
}
