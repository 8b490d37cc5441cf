//! Operations on one entry. By id everything is real-time; conditions are the server's.

use kv_core::{Entry, Error, ErrorKind, Key, NewEntry, Outcome, PutMode, Result, Version};
use reqwest::Method;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::error;
use crate::http::Content;
use crate::inner::Inner;
use crate::turns::Turns;
use crate::wire::{Coded, Draft, Stored, decoded};

/// What is read of a document.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Whole,
    /// All but the value.
    Head,
}

/// A document and the state it was seen in: a write that names the state succeeds only as long as that is the latest.
struct Seen {
    stored: Stored,
    state: State,
}

#[derive(Clone, Copy)]
struct State {
    seq_no: u64,
    primary_term: u64,
}

impl State {
    fn condition(self) -> String {
        format!("?if_seq_no={}&if_primary_term={}", self.seq_no, self.primary_term)
    }
}

#[derive(Deserialize)]
struct Got<'a> {
    found: bool,
    #[serde(rename = "_seq_no", default)]
    seq_no: u64,
    #[serde(rename = "_primary_term", default)]
    primary_term: u64,
    #[serde(rename = "_source", borrow)]
    source: Option<&'a RawValue>,
}

/// How a conditional write ended.
#[derive(PartialEq, Eq)]
enum Written {
    Done,
    /// Another write came first; nothing was done.
    Lost,
}

impl Inner {
    pub(crate) async fn get(&self, key: Key<'_>) -> Result<Option<Entry>> {
        let seen = self.look(key, Part::Whole).await?;
        Ok(seen.and_then(|seen| seen.stored.at(self.clock.unix_ms())))
    }

    pub(crate) async fn put(&self, key: Key<'_>, entry: NewEntry, mode: PutMode) -> Result<Version> {
        let coded = self.coded(key, entry).await?;
        match mode {
            PutMode::Replace => match self.write(Method::PUT, &self.document(key), &coded).await? {
                Written::Done => Ok(coded.version),
                Written::Lost => Err(error::garbled()), // there was no condition
            },
            PutMode::Create => self.create(key, coded).await,
            PutMode::Update(version) => self.update(key, coded, version).await,
        }
    }

    /// Writes where there is no document, or over one that has expired.
    async fn create(&self, key: Key<'_>, coded: Coded) -> Result<Version> {
        let path = self.path(&format!("_create/{}", coded.hash));
        let mut turns = Turns::default();
        loop {
            if self.write(Method::PUT, &path, &coded).await? == Written::Done {
                return Ok(coded.version);
            }
            if let Some(seen) = self.look_again(key, Part::Head).await? {
                if seen.stored.tells_of(coded.version) {
                    return Ok(coded.version); // the cluster repeated the write within itself
                }
                if seen.stored.is_live(self.clock.unix_ms()) {
                    return Err(Error::new(ErrorKind::AlreadyExists, "there is a live entry already"));
                }
                let path = self.document(key) + &seen.state.condition();
                if self.write(Method::PUT, &path, &coded).await? == Written::Done {
                    return Ok(coded.version);
                }
            }
            turns.lost().await?;
        }
    }

    async fn update(&self, key: Key<'_>, coded: Coded, expected: Version) -> Result<Version> {
        let mut turns = Turns::default();
        loop {
            let seen = self.look_for_turn(&turns, key, Part::Head).await?;
            if seen.as_ref().is_some_and(|seen| seen.stored.tells_of(coded.version)) {
                return Ok(coded.version);
            }
            let Some(seen) = seen.filter(|seen| seen.stored.is_live(self.clock.unix_ms())) else {
                return Err(Error::new(ErrorKind::Conflict, "there is no live entry to update"));
            };
            if seen.stored.version != expected {
                return Err(another_version());
            }
            let path = self.document(key) + &seen.state.condition();
            if self.write(Method::PUT, &path, &coded).await? == Written::Done {
                return Ok(coded.version);
            }
            turns.lost().await?;
        }
    }

    /// Reads, then claims exactly what was read: whoever's claim stands in its place has the entry, and nobody else. A deletion
    /// would leave nothing to recognise: where a node fails, the cluster repeats a write within itself, and only the second try,
    /// which finds the entry gone, would be answered.
    pub(crate) async fn take(&self, key: Key<'_>, expected: Option<Version>) -> Result<Option<Entry>> {
        let (claim, mut turns, mut claimed) = (Version::random(), Turns::default(), None);
        loop {
            let Some(seen) = self.look_for_turn(&turns, key, Part::Whole).await? else { return Ok(None) };
            if seen.stored.version == claim {
                return Ok(claimed);
            }
            let path = self.document(key) + &seen.state.condition();
            let Some(entry) = seen.stored.at(self.clock.unix_ms()) else { return Ok(None) };
            if expected.is_some_and(|expected| expected != entry.version) {
                return Err(another_version());
            }
            let draft = Draft::claim(&self.namespace, key, claim, entry.version)?;
            let draft = draft.coded(self.body_limit).await?;
            if self.write(Method::PUT, &path, &draft).await? == Written::Done {
                return Ok(Some(entry));
            }
            claimed = Some(entry);
            turns.lost().await?;
        }
    }

    async fn write(&self, method: Method, path: &str, coded: &Coded) -> Result<Written> {
        let answer = self.http.call(method, path, Content::Json(coded.body.clone())).await?;
        match answer.status {
            200 | 201 => Ok(Written::Done),
            409 => Ok(Written::Lost),
            _ => Err(answer.refused()),
        }
    }

    /// Looks before the write of a turn: whatever goes wrong before the first, nothing was written.
    async fn look_for_turn(&self, turns: &Turns, key: Key<'_>, part: Part) -> Result<Option<Seen>> {
        if turns.is_first() {
            return self.look(key, part).await.map_err(|error| error.with_outcome(Outcome::NotDone));
        }
        self.look_again(key, part).await
    }

    /// Looks after a write that the server says was not done: it may have been, by an earlier try of the cluster's own.
    async fn look_again(&self, key: Key<'_>, part: Part) -> Result<Option<Seen>> {
        self.look(key, part).await.map_err(|error| error.with_outcome(Outcome::Unknown))
    }

    /// The document as it is now, whether its entry lives or has expired.
    async fn look(&self, key: Key<'_>, part: Part) -> Result<Option<Seen>> {
        let mut path = self.document(key);
        if part == Part::Head {
            path.push_str("?_source_excludes=value");
        }
        let answer = self.http.get(&path).await?;
        if answer.status != 200 && !(answer.status == 404 && gone(&answer.body)) {
            return Err(answer.refused());
        }
        let seen = decoded(answer.body, seen).await?;
        seen.map(|seen| Ok(Seen { stored: seen.stored.of(key)?, state: seen.state })).transpose()
    }
}

/// Whether a 404 is about the document, not about the index.
fn gone(body: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Gone {
        found: Option<bool>,
    }
    serde_json::from_slice::<Gone>(body).is_ok_and(|gone| gone.found == Some(false))
}

fn seen(body: &[u8]) -> Result<Option<Seen>> {
    let got: Got<'_> = serde_json::from_slice(body).map_err(|_| error::garbled())?;
    if !got.found {
        return Ok(None);
    }
    let source = got.source.ok_or_else(|| error::corrupt("the document has no source"))?;
    let state = State { seq_no: got.seq_no, primary_term: got.primary_term };
    Ok(Some(Seen { stored: Stored::decode(source)?, state }))
}

fn another_version() -> Error {
    Error::new(ErrorKind::Conflict, "the live entry has another version")
}
