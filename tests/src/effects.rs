//! What handlers did, so that tests watch side effects and never guess by the clock.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::watch;

type Marks = watch::Sender<BTreeSet<String>>;

/// Marks that handlers set and tests wait for, and the other way round. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Effects {
    marks: Arc<Marks>,
    /// Where each mark is a file, for another process to see.
    dir: Option<Arc<Path>>,
}

impl Default for Effects {
    fn default() -> Self {
        Self { marks: Arc::new(watch::Sender::new(BTreeSet::new())), dir: None }
    }
}

/// How long a test waits for a mark that must come.
const PATIENCE: Duration = Duration::from_secs(20);

impl Effects {
    /// The same in every process that names this directory: a mark is a file in it, written before the one who marks
    /// goes on.
    pub fn in_dir(dir: impl Into<PathBuf>) -> Self {
        let dir: Arc<Path> = Arc::from(Into::<PathBuf>::into(dir));
        let effects = Self { dir: Some(Arc::clone(&dir)), ..Self::default() };
        let marks = Arc::downgrade(&effects.marks);
        std::thread::spawn(move || follow(&dir, &marks));
        effects
    }

    /// Sets a mark.
    ///
    /// # Panics
    /// When it cannot be written into the directory.
    pub fn mark(&self, name: impl Into<String>) {
        let name = name.into();
        if let Some(dir) = self.dir.as_ref().filter(|_| !self.has(&name)) {
            std::fs::write(dir.join(&name), "").expect("a file of the test");
        }
        self.marks.send_modify(|marks| {
            marks.insert(name);
        });
    }

    /// Whether a mark is set.
    pub fn has(&self, name: &str) -> bool {
        let is_file = || self.dir.as_ref().is_some_and(|dir| dir.join(name).exists());
        self.marks.borrow().contains(name) || is_file()
    }

    /// Waits for a mark, for ever.
    pub async fn passed(&self, name: &str) {
        let mut marks = self.marks.subscribe();
        marks.wait_for(|marks| marks.contains(name)).await.unwrap();
    }

    /// Waits for a mark that must come within 20 s.
    pub async fn wait(&self, name: &str) {
        let came = tokio::time::timeout(PATIENCE, self.passed(name)).await;
        assert!(came.is_ok(), "{name} never happened; {:?} did", self.marks.borrow());
    }

    /// Begins what is watched under `key`: marks `began:KEY` now, and `dropped:KEY` when what is returned is dropped
    /// before [`Watched::done`].
    pub fn begin(&self, key: &str) -> Watched {
        self.mark(format!("began:{key}"));
        Watched { effects: self.clone(), key: key.to_owned(), done: false }
    }

    /// Lets what waits under `key` go on.
    pub fn open(&self, key: &str) {
        self.mark(format!("open:{key}"));
    }
}

/// Takes over what other processes have marked, as long as somebody wants to know.
fn follow(dir: &Path, marks: &Weak<Marks>) {
    while let Some(marks) = marks.upgrade() {
        let found = std::fs::read_dir(dir).into_iter().flatten().flatten();
        let found: BTreeSet<String> = found.filter_map(|file| file.file_name().into_string().ok()).collect();
        marks.send_if_modified(|marks| {
            let before = marks.len();
            marks.extend(found);
            marks.len() > before
        });
        drop(marks);
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// One run that is watched.
#[derive(Debug)]
pub struct Watched {
    effects: Effects,
    key: String,
    done: bool,
}

impl Watched {
    /// Waits until the test lets it go on.
    pub async fn opened(&self) {
        self.effects.passed(&format!("open:{}", self.key)).await;
    }

    /// Marks `done:KEY`: the run came to its end.
    pub fn done(mut self) {
        self.done = true;
        self.effects.mark(format!("done:{}", self.key));
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if !self.done {
            self.effects.mark(format!("dropped:{}", self.key));
        }
    }
}
