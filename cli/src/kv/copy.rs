//! `larder kv copy`: all entries of one store into another, whatever they are.

mod pace;
mod place;
mod verify;

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use kv_core::{AnyStore, ErrorKind, Item, Key, NewEntry, RedactedUrl, Scan, Store as _};
use serde_json::json;

use self::pace::Pace;
use self::place::Place;
use self::verify::Comparison;
use super::export::tell;
use super::output::Output;
use super::progress::Progress;
use super::{failed, missing_directory, resolved};
use crate::url_argument::UrlArgument;
use crate::{Failure, serve, store};

/// Arguments of `larder kv copy`.
#[derive(Debug, Args)]
#[command(
    after_help = "Values, lifetimes, codecs and tags are kept; versions are new. Entries replace what stands under \
                  their names in DST, and nothing there is removed, so copying again is harmless. Two URLs that \
                  differ may name one store, which is then written onto itself. What was encrypted \
                  is decrypted on the way and sealed by DST if its URL says so. Writers may go on meanwhile: stop \
                  them before a last copy, or their last writes stay behind. Exit status 1 if an entry was refused \
                  by DST, or if --verify found a difference."
)]
pub(crate) struct Copy {
    /// Where the entries are: a URL, `default`, @FILE or $NAME that holds a URL
    #[arg(value_name = "SRC")]
    from: UrlArgument,

    /// Where they shall be as well
    #[arg(value_name = "DST")]
    to: UrlArgument,

    /// Only this collection
    #[arg(long, value_name = "C", conflicts_with = "under")]
    collection: Option<String>,

    /// Only collections whose name begins with this
    #[arg(long, value_name = "C", default_value = "", hide_default_value = true)]
    under: String,

    /// Only ids that begin with this
    #[arg(long, value_name = "P", default_value = "", hide_default_value = true)]
    prefix: String,

    /// At most so many entries a second
    #[arg(long, value_name = "N")]
    rate: Option<NonZeroU32>,

    /// Keep the place in FILE, and go on from there if FILE exists; it is removed at the end
    #[arg(long, value_name = "FILE", conflicts_with = "dry_run")]
    resume: Option<PathBuf>,

    /// Afterwards read both stores and compare
    #[arg(long, conflicts_with = "dry_run")]
    verify: bool,

    /// Write nothing, only count what would be copied
    #[arg(long)]
    dry_run: bool,

    /// Answer as JSON
    #[arg(long)]
    json: bool,
}

/// Entries that are held in memory at a time; their values together at most 8 MiB.
const PAGE: usize = 500;
/// So often the source may change its order of listing.
const RESTARTS: u32 = 8;

/// What became of the entries.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    copied: u64,
    /// Their time was over before they were written.
    expired: u64,
    /// `DST` cannot hold them.
    refused: u64,
}

impl Copy {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let (from, to) = (resolved(&self.from, "SRC")?, resolved(&self.to, "DST")?);
        if from == to {
            return Err(Failure::usage("SRC and DST are the same store: change one of them"));
        }
        missing_directory(&from, "SRC")?;
        let source = store::open(&from, "SRC").await?;
        let done =
            if self.dry_run { self.count(&source).await } else { self.transfer(&from, &to, &source).await };
        serve::close(&source).await;
        done
    }

    /// Counts; DST is not even opened, which might make it.
    async fn count(&self, source: &AnyStore) -> Result<(), Failure> {
        let (mut counts, mut place) = (Counts::default(), Place::open(None, "")?);
        self.copy(source, None, &mut place, &mut counts).await?;
        self.answer(counts, None)
    }

    async fn transfer(&self, from: &str, to: &str, source: &AnyStore) -> Result<(), Failure> {
        let target = store::open(to, "DST").await?;
        let done = self.copy_and_verify(from, to, source, &target).await;
        serve::close(&target).await;
        done
    }

    async fn copy_and_verify(
        &self,
        from: &str,
        to: &str,
        source: &AnyStore,
        target: &AnyStore,
    ) -> Result<(), Failure> {
        if !target.capabilities().durable || target.capabilities().evicts {
            tell("DST forgets: what is copied there may be gone when it needs room, or when a process ends");
        }
        let mut place = Place::open(self.resume.as_deref(), &self.purpose(from, to))?;
        let mut counts = Counts { refused: place.refused(), ..Counts::default() };
        let copied = self.copy(source, Some(target), &mut place, &mut counts).await;
        if let Err(failure) = copied {
            tell(&format!("{} entries were copied until then{}", counts.copied, self.advice()));
            return Err(failure);
        }
        let compared =
            if self.verify { Some(verify::compare(source, target, self.scan()).await?) } else { None };
        self.answer(counts, compared)?;
        place.finish()?;
        if counts.refused > 0 {
            return Err(Failure::new(format!("DST refused {} entries", counts.refused)));
        }
        match compared.filter(|compared| !compared.is_alike()) {
            Some(compared) => Err(Failure::new(format!("the stores differ: {compared}"))),
            None => Ok(()),
        }
    }

    async fn copy(
        &self,
        source: &AnyStore,
        target: Option<&AnyStore>,
        place: &mut Place,
        counts: &mut Counts,
    ) -> Result<(), Failure> {
        let progress = Progress::new(if self.dry_run { "counted" } else { "copied" });
        let mut throttle = Pace::new(self.rate);
        let mut restarts = 0;
        loop {
            let read = Instant::now();
            let page = match source.scan(self.scan(), place.cursor()).await {
                Err(error) if error.kind() == ErrorKind::Conflict && restarts < RESTARTS => {
                    restarts += 1;
                    tell("SRC was restarted or resharded: listing it from its beginning");
                    place.restart();
                    continue;
                }
                page => page.map_err(failed)?,
            };
            for some in chunks(page.items, throttle.step()) {
                let entries = some.len() as u64;
                self.write(target, some, read, counts).await?;
                progress.add(entries);
                throttle.after(entries).await;
            }
            let Some(next) = page.next else { return Ok(()) };
            let refused = counts.refused.saturating_sub(place.refused());
            place.advance(next, refused)?;
        }
    }

    async fn write(
        &self,
        target: Option<&AnyStore>,
        items: Vec<Item>,
        read: Instant,
        counts: &mut Counts,
    ) -> Result<(), Failure> {
        let (mut names, mut entries) = (Vec::with_capacity(items.len()), Vec::with_capacity(items.len()));
        for item in items {
            match item.entry.and_then(|entry| renewed(entry, read.elapsed())) {
                Some(entry) => {
                    names.push((item.collection, item.id));
                    entries.push(entry);
                }
                None => counts.expired += 1,
            }
        }
        let Some(target) = target.filter(|_| !entries.is_empty()) else {
            counts.copied += entries.len() as u64;
            return Ok(());
        };
        let keys: Vec<_> = names.iter().map(|(collection, id)| Key::new(collection, id)).collect();
        let written = target.put_many(keys.iter().copied().zip(entries).collect()).await.map_err(failed)?;
        for answer in written {
            match answer {
                Ok(_) => counts.copied += 1,
                Err(error) if is_about_the_entry(error.kind()) => {
                    tell(&format!("left out: {error}"));
                    counts.refused += 1;
                }
                Err(error) => return Err(failed(error)),
            }
        }
        Ok(())
    }

    fn scan(&self) -> Scan<'_> {
        let of = self.collection.as_deref().map_or(Scan::under(&self.under), Scan::one);
        of.prefix(&self.prefix).values().limit(PAGE)
    }

    /// What a kept place belongs to. Never a password: this is hashed into a file.
    fn purpose(&self, from: &str, to: &str) -> String {
        let Self { collection, under, prefix, .. } = self;
        format!("{}\n{}\n{collection:?}\n{under:?}\n{prefix:?}", RedactedUrl::new(from), RedactedUrl::new(to))
    }

    const fn advice(&self) -> &'static str {
        if self.resume.is_some() { "; run the same command to go on" } else { "; copying again is harmless" }
    }

    fn answer(&self, counts: Counts, compared: Option<Comparison>) -> Result<(), Failure> {
        let Counts { copied, expired, refused } = counts;
        if self.json {
            let mut answer = json!({ "copied": copied, "expired": expired, "refused": refused });
            if let (Some(answer), Some(compared)) = (answer.as_object_mut(), compared) {
                answer.insert("compared".into(), compared.to_json());
            }
            let mut output = Output::new();
            output.json(&answer)?;
            return output.flush().map(drop);
        }
        let verb = if self.dry_run { "would copy" } else { "copied" };
        tell(&format!("{verb} {copied} entries, left out {expired} that have expired"));
        if let Some(compared) = compared {
            tell(&format!("compared: {compared}"));
        }
        Ok(())
    }
}

/// The entry to be written, if its time is not over.
fn renewed(entry: kv_core::Entry, since: Duration) -> Option<NewEntry> {
    let left = match entry.ttl {
        Some(ttl) => Some(ttl.checked_sub(since).filter(|left| !left.is_zero())?),
        None => None,
    };
    Some(NewEntry::new(entry.value).ttl(left).meta(entry.meta))
}

/// Whether another entry may well be taken.
const fn is_about_the_entry(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::TooLarge | ErrorKind::Invalid)
}

fn chunks(items: Vec<Item>, size: usize) -> impl Iterator<Item = Vec<Item>> {
    let mut items = items.into_iter();
    std::iter::from_fn(move || {
        Some(items.by_ref().take(size).collect::<Vec<_>>()).filter(|some| !some.is_empty())
    })
}
