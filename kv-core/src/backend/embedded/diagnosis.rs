//! What `larder doctor` is told of a store in a directory.

use std::fs;
use std::io;
use std::path::Path;

use super::Durability;
use crate::Finding;

/// What is to be said of the directory and of what a write survives. Reads the sizes of all files: off the executor.
pub fn findings(engine: &str, dir: &Path, durability: Durability, warnings: &[String]) -> Vec<Finding> {
    let mut findings = vec![kept(engine, durability)];
    let shown = dir.display();
    findings.push(match size(dir) {
        Ok(bytes) => Finding::good("directory", format!("{shown}, {bytes} bytes")),
        Err(error) => {
            Finding::notice("directory", format!("{shown} cannot be looked at: {error}"), "see its rights")
        }
    });
    let shared = |warning: &String| {
        Finding::notice("rights", warning.clone(), "take them from the others: `chmod 700` the directory")
    };
    findings.extend(warnings.iter().map(shared));
    findings
}

fn kept(engine: &str, durability: Durability) -> Finding {
    match durability {
        Durability::Os => Finding::notice(
            "durability",
            format!(
                "{engine}: what was acknowledged survives kill -9; a power cut may cost the last moments"
            ),
            "add `durability=always` where that is too much",
        ),
        Durability::Always => {
            Finding::good("durability", format!("{engine}: what was acknowledged survives a power cut"))
        }
    }
}

/// The bytes of all files.
fn size(dir: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            bytes += size(&entry.path())?;
        } else if kind.is_file() {
            bytes += entry.metadata()?.len();
        }
    }
    Ok(bytes)
}
