//! `requestState`: what a client carries from one round to the next, sealed (2026-07-28, basic/patterns/mrtr).

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chacha20poly1305::aead::{Aead as _, Payload};
use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305};
use kv_core::{AnyStore, Clock, Collection, StoreExt as _};
use rand::Rng as _;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};

use super::keys::{Key, Keys};
use super::left::Left;
use super::round::{Questions, Round};
use crate::protocol::{Failure, InputRequired, canonical};
use crate::request::Resumed;
use crate::session::hex;
use crate::{Answer, Operation, Request};

/// How long a client may take for its answers.
pub(crate) const EXPIRY: Duration = Duration::from_secs(3600);
/// A larger record lies in the store, and the client carries its name.
const CARRIED: usize = 32 << 10;
/// In how many rounds one request may be asked: who never answers what is asked is not asked for ever.
const MAX_ROUNDS: u32 = 100;
const VERSION: u8 = 1;
const NONCE: usize = 24;

/// What was answered and done in earlier rounds, and what is open.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Record {
    /// Answers that the handler took, by key.
    pub(super) answers: BTreeMap<String, Answered>,
    /// Questions without an answer: the digest of each, by key.
    pub(super) open: BTreeMap<String, String>,
    /// Results of `once`, by key.
    pub(super) done: BTreeMap<String, Box<RawValue>>,
    /// Tickets to pages, by the key of the question.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) pages: BTreeMap<String, Box<RawValue>>,
    /// How many rounds have asked.
    #[serde(default)]
    pub(super) rounds: u32,
}

#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Answered {
    /// Of the question.
    pub(super) digest: String,
    pub(super) result: Box<RawValue>,
}

/// Where records go between rounds.
#[derive(Clone)]
pub(crate) struct Records {
    server: String,
    keys: Keys,
    clock: Clock,
    /// Records that are too large to be carried, sealed.
    large: Collection<String>,
    left: Left,
    /// States that may be used once, and were.
    used: Collection<bool>,
}

/// What is inside the seal.
#[derive(Serialize, Deserialize)]
struct Sealed {
    /// Unix milliseconds.
    expires: u64,
    /// What tells two states apart.
    nonce: String,
    /// `None` where it lies in the store.
    record: Option<Record>,
    /// Its name there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kept: Option<String>,
}

impl Records {
    pub(crate) fn new(server: &str, store: &AnyStore, keys: Keys, clock: Clock, left: Left) -> Self {
        Self {
            server: server.to_owned(),
            keys,
            clock,
            large: store.clone().collection("asking/states").ttl(EXPIRY),
            left,
            used: store.clone().collection("asking/used").ttl(EXPIRY),
        }
    }

    /// The round that a request with `resumed` begins.
    ///
    /// Answers without a state belong to no question that was asked. They count for questions with a key of their own, which a
    /// client may know from before, unless each answer counts once.
    ///
    /// # Errors
    /// As [`Records::open`], and for answers that are no object.
    pub(crate) async fn resume(
        &self,
        request: &Request,
        resumed: Resumed,
        once: bool,
    ) -> Result<Round, Failure> {
        let Resumed { responses, state } = resumed;
        let responses = responses.map(|responses| responses.to()).transpose();
        let responses = responses.map_err(|_| Failure::invalid_params("inputResponses must be an object"))?;
        let responses = responses.unwrap_or_default();
        match state {
            Some(state) => Ok(Round::further(self.open(request, &state, once).await?, responses)),
            None if once => Ok(Round::default()),
            None => Ok(Round::volunteered(responses)),
        }
    }

    /// The answer that asks: the questions, and what the next round needs. A request that has been asked too often fails.
    pub(crate) async fn ask(&self, request: &Request, questions: Questions) -> Answer {
        if questions.record.rounds > MAX_ROUNDS {
            return too_many_rounds().into();
        }
        match self.seal(request, questions.record).await {
            Ok(state) => Answer::Asked(InputRequired::new(questions.requests, Some(state))),
            Err(failure) => failure.into(),
        }
    }

    /// The text that the client carries.
    ///
    /// # Errors
    /// `Internal error` where the store failed; the log has the cause.
    pub(super) async fn seal(&self, request: &Request, record: Record) -> Result<String, Failure> {
        let key = self.keys.sealing().await.map_err(|error| failed(&error))?;
        let mut nonce = [0; 16];
        rand::rng().fill_bytes(&mut nonce);
        let expires =
            self.clock.unix_ms().saturating_add(u64::try_from(EXPIRY.as_millis()).unwrap_or(u64::MAX));
        let mut sealed = Sealed { expires, nonce: hex(&nonce), record: Some(record), kept: None };
        let bound = self.bound(request);
        let text = sealed.text(&key, &bound)?;
        if text.len() <= CARRIED {
            return Ok(text);
        }
        self.left.entry(&request.principal, text.len())?;
        let record = sealed.record.take().ok_or_else(Failure::internal)?;
        let name = record.name(&key, &bound)?;
        self.large.put(&name, &text).await.map_err(|error| failed(&error))?;
        sealed.kept = Some(name);
        sealed.text(&key, &bound)
    }

    /// What is in `state`. With `once`, a second use of it is refused.
    ///
    /// # Errors
    /// `Invalid params` for what was not sealed here, for this principal and this request, or is too old; `Internal
    /// error` where the store failed.
    pub(super) async fn open(&self, request: &Request, state: &str, once: bool) -> Result<Record, Failure> {
        let sealed = self.opened(request, state).await?;
        if once {
            self.use_up(request, &sealed.nonce).await?;
        }
        if let Some(record) = sealed.record {
            return Ok(record);
        }
        let name = sealed.kept.ok_or_else(foreign)?;
        let kept = self.large.get(&name).await.map_err(|error| failed(&error))?;
        let kept = self.opened(request, &kept.ok_or_else(foreign)?).await?;
        kept.record.ok_or_else(foreign)
    }

    async fn opened(&self, request: &Request, state: &str) -> Result<Sealed, Failure> {
        let bytes = URL_SAFE_NO_PAD.decode(state).map_err(|_| foreign())?;
        let Some((&[VERSION, a, b, c, d], rest)) = bytes.split_first_chunk::<5>() else {
            return Err(foreign());
        };
        let key = self.keys.opening([a, b, c, d]).await.map_err(|error| failed(&error))?;
        let (key, (nonce, sealed)) = key.zip(rest.split_first_chunk::<NONCE>()).ok_or_else(foreign)?;
        let opened = opened(&key, nonce, &self.bound(request), sealed).ok_or_else(foreign)?;
        let opened: Sealed = serde_json::from_slice(&opened).map_err(|_| foreign())?;
        if opened.expires <= self.clock.unix_ms() {
            return Err(foreign());
        }
        Ok(opened)
    }

    async fn use_up(&self, request: &Request, nonce: &str) -> Result<(), Failure> {
        self.left.entry(&request.principal, nonce.len())?;
        match self.used.create(nonce, &true).await {
            Ok(_) => Ok(()),
            Err(error) if error.kind() == kv_core::ErrorKind::AlreadyExists => Err(Failure::invalid_params(
                "the answers to this requestState were sent before, and it may be used once",
            )),
            Err(error) => Err(failed(&error)),
        }
    }

    /// What a state belongs to: this server, whoever asks, and what is asked for, without what changes from round to round.
    fn bound(&self, request: &Request) -> Vec<u8> {
        let mut hash = Sha256::new();
        let mut add = |part: &[u8]| {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        };
        add(b"larder request state");
        add(self.server.as_bytes());
        add(&request.principal.key());
        add(request.operation.method().as_bytes());
        add(request.operation.target().unwrap_or_default().as_bytes());
        if let Operation::CallTool { arguments, .. } | Operation::GetPrompt { arguments, .. } =
            &request.operation
        {
            match canonical(arguments) {
                Some(bytes) => add(&bytes),
                None => add(arguments.as_bytes()),
            }
        }
        hash.finalize().to_vec()
    }
}

impl Record {
    /// What it lies under in the store: the same for the same record, so that whoever sends a round again and again leaves
    /// one copy. Nobody without the key can tell a record by it.
    fn name(&self, key: &Key, bound: &[u8]) -> Result<String, Failure> {
        let record = serde_json::to_vec(self).map_err(|_| Failure::internal())?;
        let mut hash = Sha256::new();
        hash.update(b"larder kept record");
        hash.update(key.bytes);
        hash.update(bound); // it has always the same length
        hash.update(&record);
        Ok(hex(&hash.finalize()))
    }
}

impl Sealed {
    fn text(&self, key: &Key, bound: &[u8]) -> Result<String, Failure> {
        let plain = serde_json::to_vec(self).map_err(|_| Failure::internal())?;
        let mut nonce = [0; NONCE];
        rand::rng().fill_bytes(&mut nonce);
        let sealed = sealed(key, &nonce, bound, &plain).ok_or_else(Failure::internal)?;
        let bytes = [&[VERSION][..], &key.id, &nonce, &sealed].concat();
        Ok(URL_SAFE_NO_PAD.encode(bytes))
    }
}

/// XChaCha20-Poly1305, whose nonces may be drawn at random without counting (draft-irtf-cfrg-xchacha §3.1).
fn sealed(key: &Key, nonce: &[u8; NONCE], bound: &[u8], plain: &[u8]) -> Option<Vec<u8>> {
    let cipher = XChaCha20Poly1305::new((&key.bytes).into());
    cipher.encrypt(nonce.into(), Payload { msg: plain, aad: bound }).ok()
}

fn opened(key: &Key, nonce: &[u8; NONCE], bound: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
    let cipher = XChaCha20Poly1305::new((&key.bytes).into());
    cipher.decrypt(nonce.into(), Payload { msg: sealed, aad: bound }).ok()
}

/// One sentence for all that is wrong with a state: which of it tells nobody anything.
fn foreign() -> Failure {
    Failure::invalid_params(
        "requestState was not made for this request and this caller, or is too old: send the request again without it",
    )
}

fn too_many_rounds() -> Failure {
    Failure::invalid_params(
        "this request was asked in 100 rounds and its questions are still open: send it again without requestState",
    )
}

fn failed(error: &kv_core::Error) -> Failure {
    tracing::error!(%error, "the state of a request could not be kept or read");
    Failure::internal()
}

impl std::fmt::Debug for Records {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Records").field("server", &self.server).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
