//! What handlers did, so that tests watch side effects and never guess by the clock.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

/// Marks that handlers set and tests wait for, and the other way round. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Effects(Arc<watch::Sender<BTreeSet<String>>>);

impl Default for Effects {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(BTreeSet::new())))
    }
}

/// How long a test waits for a mark that must come.
const PATIENCE: Duration = Duration::from_secs(20);

impl Effects {
    /// Sets a mark.
    pub fn mark(&self, name: impl Into<String>) {
        self.0.send_modify(|marks| {
            marks.insert(name.into());
        });
    }

    /// Whether a mark is set.
    pub fn has(&self, name: &str) -> bool {
        self.0.borrow().contains(name)
    }

    /// Waits for a mark, for ever.
    pub async fn passed(&self, name: &str) {
        let mut marks = self.0.subscribe();
        marks.wait_for(|marks| marks.contains(name)).await.unwrap();
    }

    /// Waits for a mark that must come within 20 s.
    pub async fn wait(&self, name: &str) {
        let came = tokio::time::timeout(PATIENCE, self.passed(name)).await;
        assert!(came.is_ok(), "{name} never happened; {:?} did", self.0.borrow());
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
