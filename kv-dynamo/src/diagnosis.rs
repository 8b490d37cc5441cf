//! What `larder doctor` is told.

use kv_core::{Diagnose, Finding};

use crate::DynamoStore;

impl Diagnose for DynamoStore {
    async fn diagnose(&self) -> Vec<Finding> {
        let mut findings = vec![match self.clock_ahead_ms() {
            Some(ahead) => Finding::clock(-ahead, true),
            None => Finding::notice(
                "clock",
                "the service did not tell its time",
                "each caller judges expiry by its own clock: synchronise them (NTP)",
            ),
        }];
        for warning in self.warnings() {
            findings.push(Finding::notice("table", warning.clone(), "see docs/backends/dynamodb.md"));
        }
        findings
    }
}
