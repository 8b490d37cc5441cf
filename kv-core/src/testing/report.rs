//! The record of a run, from which `docs/laws.md` is made.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::Law;

/// How a law ended for a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The store obeys.
    Holds,
    /// The store cannot do by its capabilities, or the harness cannot show, what the law speaks of.
    NotApplicable(String),
    /// It fails every time, by design, and did so.
    Breaks(String),
    /// It may pass or fail: the store promises nothing here.
    CannotShow(String),
    /// It fails and must not.
    Broken(String),
}

impl Verdict {
    const fn word(&self) -> &'static str {
        match self {
            Self::Holds => "holds",
            Self::NotApplicable(_) => "n/a",
            Self::Breaks(_) => "breaks",
            Self::CannotShow(_) => "cannot show",
            Self::Broken(_) => "BROKEN",
        }
    }

    fn reason(&self) -> &str {
        match self {
            Self::Holds => "",
            Self::NotApplicable(why) | Self::Breaks(why) | Self::CannotShow(why) => why,
            Self::Broken(_) => "see the test", // its text may hold times, and the record must not differ by run
        }
    }
}

/// Where verdicts are written: the directory that `LARDER_LAWS_REPORT` names, or nowhere.
///
/// One file per harness, one line per law: group, law, verdict and reason, separated by tabs, in the order in which
/// the laws ended.
#[derive(Clone, Debug)]
pub struct Report(Option<PathBuf>);

impl Report {
    /// The report that the environment asks for.
    pub fn from_env() -> Self {
        Self(std::env::var_os("LARDER_LAWS_REPORT").map(PathBuf::from))
    }

    /// A report in `directory`.
    pub fn in_directory(directory: impl Into<PathBuf>) -> Self {
        Self(Some(directory.into()))
    }

    /// Adds how `law` ended for `harness`.
    ///
    /// # Panics
    /// If the directory cannot be written: a record with gaps would pass for a whole one.
    pub fn add(&self, harness: &str, law: Law, verdict: &Verdict) {
        if let Some(directory) = &self.0 {
            let line = format!("{}\t{}\t{}\t{}\n", law.group, law.name, verdict.word(), verdict.reason());
            append(directory, harness, &line).expect("the report of the laws can be written");
        }
    }
}

/// Laws end on many threads, and the head of a file comes first.
static WRITING: Mutex<()> = Mutex::new(());

fn append(directory: &Path, harness: &str, line: &str) -> std::io::Result<()> {
    let _one_at_a_time = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
    std::fs::create_dir_all(directory)?;
    let file: String = harness.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let path = directory.join(format!("{file}.tsv"));
    let new = !path.exists();
    let mut file = OpenOptions::new().create(true).append(true).open(path)?;
    if new {
        file.write_all(format!("#\t{harness}\n").as_bytes())?;
    }
    file.write_all(line.as_bytes())
}
