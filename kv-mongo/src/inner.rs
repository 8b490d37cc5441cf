//! What the handles of a store share, a call of theirs, and the operations on one entry.

use std::ops::Deref;
use std::sync::{Arc, Weak};
use std::time::Duration;

use kv_core::{Capabilities, Entry, Error, ErrorKind, Key, NewEntry, PutMode, Result, Version};
use mongodb::bson::{Document, RawDocument, RawDocumentBuf, doc};
use mongodb::error::Result as Answer;
use mongodb::options::ReturnDocument;
use mongodb::{Collection, Database};

use crate::MAX_TIME;
use crate::error;
use crate::names::{Name, Names};
use crate::now::{self, Now, Time};
use crate::open::{Link, twice};
use crate::places::Places;
use crate::wire::{self, DEADLINE, Draft, ID, VERSION};
use kv_core::backend::Gate;

/// How often a conditional take looks again when entries come and go under its eyes.
const LOOKS: usize = 8;

/// What the handles of a store share.
#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) link: Link,
    pub(crate) names: Names,
    pub(crate) places: Places,
    pub(crate) gate: Gate,
    pub(crate) capabilities: Capabilities,
}

impl Inner {
    pub(crate) fn collection(&self) -> &Collection<RawDocumentBuf> {
        &self.link.collection
    }

    pub(crate) fn database(&self) -> &Database {
        &self.link.database
    }

    pub(crate) fn time(&self) -> &Time {
        &self.link.time
    }

    /// What the request brings, if it comes in time. A server that stops in the middle of a write would hold a connection for
    /// ever, and whoever waits for one.
    pub(crate) async fn in_time<T>(&self, request: impl Future<Output = Answer<T>>) -> Result<T> {
        let answer = tokio::time::timeout(longest(self.collection()), request).await;
        answer.map_err(|_| error::silent())?.map_err(|e| error::driver(&e))
    }

    pub(crate) fn draft(&self, key: Key<'_>, entry: NewEntry) -> Result<Draft> {
        Draft::of(self.names.name(key), entry)
    }
}

/// How long a request to this collection may take.
pub(crate) fn longest(collection: &Collection<RawDocumentBuf>) -> Duration {
    let waits = collection.write_concern().and_then(|concern| concern.w_timeout);
    MAX_TIME + waits.unwrap_or_default()
}

/// A call. It may outlive its caller, but sends nothing more then.
#[derive(Debug)]
pub(crate) struct Call {
    inner: Arc<Inner>,
    /// Gone with the caller.
    caller: Weak<()>,
}

impl Deref for Call {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.inner
    }
}

impl Call {
    /// A call that is wanted as long as somebody holds `caller`.
    pub(crate) fn new(inner: Arc<Inner>, caller: &Arc<()>) -> Self {
        Self { inner, caller: Arc::downgrade(caller) }
    }

    /// [`Inner::in_time`], as long as somebody waits for it.
    pub(crate) async fn ask<T>(&self, request: impl Future<Output = Answer<T>>) -> Result<T> {
        if self.caller.strong_count() == 0 {
            return Err(error::unwanted());
        }
        self.in_time(request).await
    }

    pub(crate) async fn get(&self, name: &Name) -> Result<Option<Entry>> {
        let sent = self.time().sent();
        let fields = wire::fields_at(self.time().now());
        let Some(document) = self.read(name, fields).await? else { return Ok(None) };
        wire::check_name(&document, name)?;
        let found = wire::read(&document)?;
        self.time().learn(sent, found.read_at);
        Ok(found.entry)
    }

    pub(crate) async fn put(&self, draft: &Draft, mode: PutMode) -> Result<Version> {
        match mode {
            PutMode::Replace => self.replace(draft).await,
            PutMode::Create => self.create(draft).await,
            PutMode::Update(expected) => self.update(draft, expected).await,
        }
    }

    async fn replace(&self, draft: &Draft) -> Result<Version> {
        let replaced = twice(|| {
            let pipeline = vec![doc! { "$replaceWith": draft.document(self.time().now()) }];
            self.collection().update_one(doc! { ID: &draft.name.id }, pipeline).upsert(true).into_future()
        });
        self.ask(replaced).await?;
        Ok(draft.version)
    }

    /// Writes unless there is a live entry, in one step: whose version comes back tells whether we did.
    async fn create(&self, draft: &Draft) -> Result<Version> {
        let written = match self.create_once(draft).await? {
            // MongoDB always answers an upsert with a document, its stand-in not if it met another one. It was ours if the
            // version is: sending it again is safe.
            None => self.create_once(draft).await?,
            written => written,
        };
        let written = written.ok_or_else(|| error::strange("an upsert answered with nothing"))?;
        if is_ours(&written, draft)? {
            return Ok(draft.version);
        }
        Err(Error::new(ErrorKind::AlreadyExists, "there is an entry already"))
    }

    async fn create_once(&self, draft: &Draft) -> Result<Option<RawDocumentBuf>> {
        let written = twice(|| {
            let now = self.time().now();
            let condition = doc! { "$and": [wire::is_there(), now.alive()] };
            self.choose(draft, doc! { "$cond": [condition, "$$ROOT", draft.document(now)] }, true)
        });
        self.ask(written).await
    }

    /// Writes over the live entry of this version, in one step. Whose version comes back tells whether we did, also if
    /// the driver had to send it twice.
    async fn update(&self, draft: &Draft, expected: Version) -> Result<Version> {
        let now = self.time().now();
        let is_expected = doc! { "$eq": [format!("${VERSION}"), wire::version(expected)] };
        let condition = doc! { "$and": [is_expected, now::is_dated(), now.alive()] };
        let chosen = doc! { "$cond": [condition, draft.document(now), "$$ROOT"] };
        let written = self.ask(self.choose(draft, chosen, false)).await?;
        match written {
            Some(written) if is_ours(&written, draft)? => Ok(draft.version),
            _ => Err(conflict()),
        }
    }

    /// Replaces the document by what `chosen` makes of it, and hands back the version and the deadline it then has.
    async fn choose(&self, draft: &Draft, chosen: Document, upsert: bool) -> Answer<Option<RawDocumentBuf>> {
        let pipeline = vec![doc! { "$replaceWith": chosen }];
        let choosing = self.collection().find_one_and_update(doc! { ID: &draft.name.id }, pipeline);
        let fields = doc! { VERSION: 1, DEADLINE: 1 };
        choosing.upsert(upsert).return_document(ReturnDocument::After).projection(fields).await
    }

    /// What cannot be judged, for want of a deadline, is removed: that is right whether it lived or not.
    pub(crate) async fn take(&self, name: &Name, version: Option<Version>) -> Result<Option<Entry>> {
        for _ in 0..LOOKS {
            let now = self.time().now();
            let removing = self.collection().find_one_and_delete(alive(name, version, now));
            let removed = self.ask(removing.projection(wire::fields()).into_future()).await?;
            if let Some(removed) = removed {
                return self.taken(&removed, name, now).map(Some).map_err(error::removed);
            }
            let Some(version) = version else { return Ok(None) };
            match self.version(name).await? {
                None => return Ok(None),
                Some(other) if other != version => return Err(conflict()),
                Some(_) => {} // it was written between both looks
            }
        }
        Err(conflict())
    }

    /// The entry that the server removed and handed back.
    fn taken(&self, removed: &RawDocument, name: &Name, now: Now) -> Result<Entry> {
        wire::check_name(removed, name)?;
        let left = self.time().left_of_removed(wire::deadline_of(removed)?, now);
        wire::entry(removed, left)
    }

    /// The version of the live entry.
    async fn version(&self, name: &Name) -> Result<Option<Version>> {
        let found = self.read(name, wire::version_at(self.time().now())).await?;
        found.as_deref().and_then(|found| wire::live_version(found).transpose()).transpose()
    }

    /// These fields of the document of this name.
    async fn read(&self, name: &Name, fields: Document) -> Result<Option<RawDocumentBuf>> {
        let pipeline = [doc! { "$match": { ID: &name.id } }, doc! { "$project": fields }];
        let found = async {
            // Room for two, so that one ends the cursor.
            let mut cursor = self.collection().aggregate(pipeline).batch_size(2).max_time(MAX_TIME).await?;
            Ok(cursor.advance().await?.then(|| cursor.current().to_owned()))
        };
        self.ask(found).await
    }
}

/// Whether a conditional write wrote, by what it hands back.
///
/// # Errors
/// `Corrupt` for a document that was left as it was because no condition can be judged on it.
fn is_ours(written: &RawDocument, draft: &Draft) -> Result<bool> {
    let is_ours = wire::version_of(written)? == draft.version;
    if !is_ours {
        wire::deadline_of(written)?;
    }
    Ok(is_ours)
}

/// Finds the entry of this name, and version if one is given, as long as it lives.
fn alive(name: &Name, version: Option<Version>, now: Now) -> Document {
    let mut filter = doc! { ID: &name.id };
    if let Some(version) = version {
        filter.insert(VERSION, wire::version(version));
    }
    filter.insert("$expr", now.alive());
    filter
}

fn conflict() -> Error {
    Error::new(ErrorKind::Conflict, "the entry is another one now, or none")
}
