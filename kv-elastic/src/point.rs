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

/// So long a claim stands for certain: the clock of no reaper is nearly a minute ahead.
const FRESH_MS: u64 = 10_000;

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

impl Seen {
    /// # Errors
    /// `Corrupt` for a document that stands under the id of another name.
    fn of(self, key: Key<'_>) -> Result<Self> {
        Ok(Self { stored: self.stored.of(key)?, state: self.state })
    }
}

#[derive(Clone, Copy, Deserialize)]
struct State {
    #[serde(rename = "_seq_no")]
    seq_no: u64,
    #[serde(rename = "_primary_term")]
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

/// The answer to an upsert that met a document.
#[derive(Deserialize)]
struct Met<'a> {
    #[serde(borrow)]
    get: Got<'a>,
}

/// How a try to create ended.
enum Created {
    Done,
    /// There is a document; nothing was done.
    Met(Seen),
    /// Another write came just before this one.
    Lost,
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

    /// Writes where there is no document, or over one that has expired. The server tells in the same step what it met: after a
    /// mere refusal, somebody else's entry that was deleted meanwhile could not be told from ours, written and deleted.
    async fn create(&self, key: Key<'_>, coded: Coded) -> Result<Version> {
        let mut turns = Turns::default();
        let mut ended = self.upsert(key, &coded).await?;
        loop {
            let seen = match ended {
                Created::Done => return Ok(coded.version),
                Created::Met(seen) => seen,
                // Something came before this very write. If it is gone it may have been ours, which is not sent again.
                Created::Lost => self.look_again(key, Part::Head).await?.ok_or_else(untraceable)?,
            };
            if seen.stored.tells_of(coded.version) {
                return Ok(coded.version); // the cluster repeated the write within itself
            }
            if seen.stored.is_live(self.clock.unix_ms()) {
                return Err(Error::new(ErrorKind::AlreadyExists, "there is a live entry already"));
            }
            let Some(state) = self.spared(key, seen).await? else {
                turns.lost().await?;
                ended = self.upsert(key, &coded).await?; // the entry was not sent in this turn
                continue;
            };
            let path = self.document(key) + &state.condition();
            if self.write(Method::PUT, &path, &coded).await? == Written::Done {
                return Ok(coded.version);
            }
            turns.lost().await?;
            ended = Created::Lost;
        }
    }

    /// The state of what has expired once no reaper deletes it: were it written over at the same moment, nobody could tell
    /// that deletion from one of the entry. `None` if something else came first.
    async fn spared(&self, key: Key<'_>, seen: Seen) -> Result<Option<State>> {
        let now_ms = self.clock.unix_ms();
        if seen.stored.was_claimed_after(now_ms.saturating_sub(FRESH_MS)) {
            return Ok(Some(seen.state));
        }
        let claim = Draft::claim(&self.namespace, key, Version::random(), seen.stored.version, now_ms)?;
        let body = claim.coded(self.body_limit).await?.document();
        let path = self.document(key) + &seen.state.condition();
        let answer = self.http.call(Method::PUT, &path, Content::Json(body)).await?;
        match answer.status {
            200 | 201 => answer.json().map(Some),
            409 => Ok(None),
            _ => Err(answer.refused()),
        }
    }

    async fn update(&self, key: Key<'_>, coded: Coded, expected: Version) -> Result<Version> {
        let mut turns = Turns::default();
        loop {
            let Some(seen) = self.look_for_turn(&turns, key, Part::Head).await? else {
                return Err(nothing_to_update().with_outcome(turns.outcome()));
            };
            if seen.stored.tells_of(coded.version) {
                return Ok(coded.version);
            }
            if !seen.stored.is_live(self.clock.unix_ms()) {
                return Err(nothing_to_update());
            }
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
            let Some(seen) = self.look_for_turn(&turns, key, Part::Whole).await? else {
                // After a lost turn it may have been our own claim that is gone.
                return if turns.is_first() { Ok(None) } else { Err(untraceable()) };
            };
            if seen.stored.tells_of(claim) {
                return Ok(claimed); // also where a `Create` has put its own claim over ours
            }
            let path = self.document(key) + &seen.state.condition();
            let now_ms = self.clock.unix_ms();
            let Some(entry) = seen.stored.at(now_ms) else { return Ok(None) };
            if expected.is_some_and(|expected| expected != entry.version) {
                return Err(another_version());
            }
            let draft = Draft::claim(&self.namespace, key, claim, entry.version, now_ms)?;
            let draft = draft.coded(self.body_limit).await?;
            if self.write(Method::PUT, &path, &draft).await? == Written::Done {
                return Ok(Some(entry));
            }
            claimed = Some(entry);
            turns.lost().await?;
        }
    }

    async fn write(&self, method: Method, path: &str, coded: &Coded) -> Result<Written> {
        let answer = self.http.call(method, path, Content::Json(coded.document())).await?;
        match answer.status {
            200 | 201 => Ok(Written::Done),
            409 => Ok(Written::Lost),
            _ => Err(answer.refused()),
        }
    }

    /// Writes if there is no document, else brings what it met, less the value.
    async fn upsert(&self, key: Key<'_>, coded: &Coded) -> Result<Created> {
        let path = self.path(&format!("_update/{}?_source_excludes=value&filter_path=get", coded.hash));
        let answer = self.http.post(&path, Content::Json(coded.upsert.clone())).await?;
        match answer.status {
            200 => decoded(answer.body, met).await?.of(key).map(Created::Met),
            201 => Ok(Created::Done),
            409 => Ok(Created::Lost),
            _ => Err(answer.refused()),
        }
    }

    /// Looks before the write of a turn: whatever goes wrong before the first, nothing was written.
    async fn look_for_turn(&self, turns: &Turns, key: Key<'_>, part: Part) -> Result<Option<Seen>> {
        self.look(key, part).await.map_err(|error| error.with_outcome(turns.outcome()))
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
        decoded(answer.body, seen).await?.map(|seen| seen.of(key)).transpose()
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
    if got.found { found(&got).map(Some) } else { Ok(None) }
}

fn met(body: &[u8]) -> Result<Seen> {
    let met: Met<'_> = serde_json::from_slice(body).map_err(|_| error::garbled())?;
    found(&met.get)
}

fn found(got: &Got<'_>) -> Result<Seen> {
    let source = got.source.ok_or_else(|| error::corrupt("the document has no source"))?;
    let state = State { seq_no: got.seq_no, primary_term: got.primary_term };
    Ok(Seen { stored: Stored::decode(source)?, state })
}

fn nothing_to_update() -> Error {
    Error::new(ErrorKind::Conflict, "there is no live entry to update")
}

/// A write was refused because another came first, which may have been an earlier try of the cluster's own, and what it wrote
/// is gone.
fn untraceable() -> Error {
    let message = "another write came first and the entry is gone: the cluster does not tell by whom";
    Error::new(ErrorKind::Unavailable, message).with_outcome(Outcome::Unknown)
}

fn another_version() -> Error {
    Error::new(ErrorKind::Conflict, "the live entry has another version")
}
