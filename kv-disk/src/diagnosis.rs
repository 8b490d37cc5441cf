//! What `larder doctor` is told.

use kv_core::backend::embedded;
use kv_core::{Diagnose, Finding};
use tokio::task::spawn_blocking;

use crate::store::DiskStore;

impl Diagnose for DiskStore {
    async fn diagnose(&self) -> Vec<Finding> {
        let (dir, engine, warnings) = (self.dir().to_owned(), self.engine(), self.warnings().to_vec());
        let durability = self.durability();
        let look = move || embedded::findings(engine.as_str(), &dir, durability, &warnings);
        spawn_blocking(look).await.unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use kv_core::{Diagnose as _, Verdict};

    use crate::{DiskConfig, DiskStore, Durability};

    #[tokio::test]
    async fn what_a_power_cut_costs_is_told() {
        for (durability, verdict) in [(Durability::Os, Verdict::Notice), (Durability::Always, Verdict::Good)]
        {
            let dir = tempfile::tempdir().unwrap();
            let mut config = DiskConfig::new(dir.path());
            config.durability = durability;
            let findings = DiskStore::open(config).await.unwrap().diagnose().await;
            assert_eq!(findings[0].verdict, verdict);
            assert!(findings[1].found.contains("bytes"), "{findings:?}");
        }
    }
}
