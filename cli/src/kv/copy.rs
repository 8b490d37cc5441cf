//! `larder kv copy`: all entries of one store into another, whatever they are.

mod pace;
mod place;
mod same;
mod total;
mod verify;
mod write;

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use kv_core::{AnyStore, Item, Scan, Store as _};
use serde_json::json;

use self::pace::Pace;
use self::place::{LeftOut, Place};
use self::total::total;
use self::verify::Comparison;
use self::write::{Counts, Present};
use super::export::tell;
use super::listing::{Listing, OnDamage, Step, passed_over};
use super::output::Output;
use super::progress::{Progress, Whom};
use super::resolved;
use crate::url_argument::UrlArgument;
use crate::{Failure, serve, store};

/// Arguments of `larder kv copy`.
#[derive(Debug, Args)]
#[command(
    after_help = "Values, lifetimes, codecs and tags are kept; versions are new. Entries replace what stands under \
                  their names in DST, and nothing there is removed, so copying again is harmless until somebody \
                  writes to DST: what was changed or taken there comes back as SRC has it. With --only-missing what was \
                  changed there stays, but what was taken or deleted comes back all the same. What was encrypted is \
                  decrypted on the way and sealed by DST if its URL says so. Writers to SRC may go on meanwhile: stop \
                  them before a last copy, or their last writes stay behind. Exit status 1 if an entry was refused \
                  by DST or passed over as damaged, or if --verify found a difference."
)]
#[expect(clippy::struct_excessive_bools, reason = "flags of a command line, each by itself")]
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

    /// Only what DST lacks: what stands there stays as it is
    #[arg(long, conflicts_with = "dry_run")]
    only_missing: bool,

    /// At most so many entries a second, compared ones too
    #[arg(long, value_name = "N")]
    rate: Option<NonZeroU32>,

    /// Keep the place in FILE, and go on from there if FILE exists; it is removed at the end
    #[arg(long, value_name = "FILE", conflicts_with = "dry_run")]
    resume: Option<PathBuf>,

    /// Afterwards read both stores and compare
    #[arg(long, conflicts_with = "dry_run")]
    verify: bool,

    #[command(flatten)]
    on_damage: OnDamage,

    /// Write nothing, only count what would be copied
    #[arg(long)]
    dry_run: bool,

    /// Answer as JSON
    #[arg(long)]
    json: bool,
}

/// Entries that are held in memory at a time; their values together at most 8 MiB.
const PAGE: usize = 500;

impl Copy {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let (from, to) = (resolved(&self.from, "SRC")?, resolved(&self.to, "DST")?);
        if same::is_same(&from, &to) {
            return Err(Failure::usage("SRC and DST are the same store: change one of them"));
        }
        if same::feeds_itself(&from, &to, |written| self.reads(written)) {
            return Err(Failure::usage(
                "DST lies in what is read of SRC, so the copy would read what it writes: give DST another `namespace`; to \
                 seal what is there where it is, use `larder kv rotate-key --migrate`",
            ));
        }
        let source = store::open_existing(&from, &self.from.place("SRC")).await?;
        let done =
            if self.dry_run { self.count(&source).await } else { self.transfer(&from, &to, &source).await };
        serve::close(&source).await;
        done
    }

    /// Counts; DST is not even opened, which might make it.
    async fn count(&self, source: &AnyStore) -> Result<(), Failure> {
        let (mut counts, place) = (Counts::default(), Place::open(None, "")?);
        self.copy(source, None, &place, &mut counts).await?;
        self.answer(counts, None)?;
        passed_over(counts.damaged)
    }

    async fn transfer(&self, from: &str, to: &str, source: &AnyStore) -> Result<(), Failure> {
        let target = store::open(to, &self.to.place("DST")).await?;
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
        let place = Place::open(self.resume.as_deref(), &self.purpose(from, to))?;
        let LeftOut { refused, damaged } = place.left_out();
        let mut counts = Counts { refused, damaged, ..Counts::default() };
        let copied = self.copy(source, Some(target), &place, &mut counts).await;
        if let Err(failure) = copied {
            tell(&format!("{} entries were copied until then{}", counts.copied, self.advice()));
            return Err(failure);
        }
        let compared = if self.verify {
            let whom = Whom::of(self.json);
            Some(
                verify::compare(self.listing(source).quiet(), source, target, Pace::new(self.rate), whom)
                    .await?,
            )
        } else {
            None
        };
        self.answer(counts, compared)?;
        place.finish()?;
        if counts.refused > 0 {
            return Err(Failure::new(format!("DST refused {} entries", counts.refused)));
        }
        passed_over(counts.damaged)?;
        match compared.filter(|compared| !compared.is_as_after(self.present())) {
            Some(compared) => Err(Failure::new(format!("the stores differ: {compared}"))),
            None => Ok(()),
        }
    }

    async fn copy(
        &self,
        source: &AnyStore,
        target: Option<&AnyStore>,
        place: &Place,
        counts: &mut Counts,
    ) -> Result<(), Failure> {
        let progress = Progress::new(if self.dry_run { "counted" } else { "copied" }, Whom::of(self.json));
        if progress.is_shown()
            && let Some(total) = total(source, self.names(), place.cursor()).await
        {
            progress.expect(total);
        }
        let mut throttle = Pace::new(self.rate);
        let mut listing = self.listing(source).from(place.cursor(), counts.damaged);
        loop {
            let read = Instant::now();
            let items = match listing.next().await? {
                None => return Ok(()),
                Some(Step::Items(items)) => items,
                Some(Step::Again) => {
                    *counts = Counts::default(); // everything comes once more, and is counted then
                    progress.again();
                    continue;
                }
            };
            for some in chunks(items, throttle.step()) {
                let entries = some.len() as u64;
                write::write(target, self.present(), some, read, counts).await?;
                progress.add(entries);
                throttle.after(entries).await;
            }
            counts.damaged = listing.damaged();
            if let Some(next) = listing.cursor() {
                let Counts { refused, damaged, .. } = *counts;
                place.advance(next, LeftOut { refused, damaged })?;
            }
        }
    }

    fn listing<'a>(&'a self, source: &'a AnyStore) -> Listing<'a> {
        Listing::new(source, self.scan(), self.on_damage)
    }

    const fn present(&self) -> Present {
        if self.only_missing { Present::Kept } else { Present::Replaced }
    }

    fn scan(&self) -> Scan<'_> {
        self.names().values().limit(PAGE)
    }

    fn names(&self) -> Scan<'_> {
        self.collection.as_deref().map_or(Scan::under(&self.under), Scan::one).prefix(&self.prefix)
    }

    /// Whether some collections whose names begin so are read.
    fn reads(&self, begin: &str) -> bool {
        let Self { collection, under, .. } = self;
        match collection {
            Some(collection) => collection.starts_with(begin),
            None => under.starts_with(begin) || begin.starts_with(under.as_str()),
        }
    }

    /// What a kept place belongs to. Never a password: this is hashed into a file.
    fn purpose(&self, from: &str, to: &str) -> String {
        let Self { collection, under, prefix, .. } = self;
        let [from, to] = [from, to].map(same::identity);
        let only_missing = if self.only_missing { "\nonly missing" } else { "" };
        format!("{from}\n{to}\n{collection:?}\n{under:?}\n{prefix:?}{only_missing}")
    }

    const fn advice(&self) -> &'static str {
        if self.resume.is_some() {
            "; run the same command to go on"
        } else {
            "; copying again is harmless while nobody writes to DST"
        }
    }

    fn answer(&self, counts: Counts, compared: Option<Comparison>) -> Result<(), Failure> {
        let Counts { copied, kept, expired, refused, damaged } = counts;
        if self.json {
            let mut answer = json!({ "copied": copied, "kept": kept, "expired": expired, "refused": refused,
                "damaged": damaged });
            if let (Some(answer), Some(compared)) = (answer.as_object_mut(), compared) {
                answer.insert("compared".into(), compared.to_json());
            }
            let mut output = Output::new();
            output.json(&answer)?;
            return output.flush().map(drop);
        }
        let verb = if self.dry_run { "would copy" } else { "copied" };
        let kept = if self.only_missing { format!(" and {kept} that DST has") } else { String::new() };
        tell(&format!("{verb} {copied} entries, left out {expired} that have expired{kept}"));
        if let Some(compared) = compared {
            tell(&format!("compared: {compared}"));
        }
        Ok(())
    }
}

fn chunks(items: Vec<Item>, size: usize) -> impl Iterator<Item = Vec<Item>> {
    let mut items = items.into_iter();
    std::iter::from_fn(move || {
        Some(items.by_ref().take(size).collect::<Vec<_>>()).filter(|some| !some.is_empty())
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use clap::Parser;
    use kv_core::testing::{Fault, Faults, Faulty};
    use kv_core::{ErrorKind, Key, NewEntry, PutMode, Store as _, StoreExt as _};
    use kv_memory::MemoryStore;

    use super::{Copy, Counts, PAGE, Place};

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        copy: Copy,
    }

    #[tokio::test]
    async fn a_copy_that_begins_anew_counts_nothing_twice() {
        let faults = Faults::none();
        let source = Faulty::new(MemoryStore::new(), &faults).erased();
        for n in 0..=2 * PAGE {
            let id = n.to_string();
            source.put(Key::new("c", &id), NewEntry::new("v"), PutMode::Create).await.unwrap();
        }
        faults.next("scan", Fault::delayed(Duration::ZERO)).next("scan", Fault::refused(ErrorKind::Conflict));
        let copy = Line::parse_from(["copy", "memory://", "memory://"]).copy;
        let (target, mut counts) = (MemoryStore::new(), Counts::default());
        let place = Place::open(None, "").unwrap();
        copy.copy(&source, Some(&target.clone().erased()), &place, &mut counts).await.unwrap();
        assert!(faults.all_met());
        assert_eq!((counts.copied, target.held().entries), (2 * PAGE as u64 + 1, 2 * PAGE as u64 + 1));
    }
}
