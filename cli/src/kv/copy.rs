//! `larder kv copy`: all entries of one store into another, whatever they are.

mod fates;
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
use kv_core::{AnyStore, Capabilities, Consistency, Item, Listing as Order, Scan, Store as _};
use serde_json::{Value, json};

use self::fates::{Counts, Fates, Remembers};
use self::pace::Pace;
use self::place::{LeftOut, Place};
use self::total::total;
use self::verify::Comparison;
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
                  them before a last copy, or their last writes stay behind.\n\n\
                  With --only-missing a damaged entry in DST is named and stays, and the others are copied. To know its \
                  own writes again this run remembers what it wrote, up to 75 bytes an entry, if --verify is given or \
                  SRC lists in no order (Redis; then also what it kept, up to 39).\n\n\
                  --resume goes on behind the last page that DST acknowledged. A crash of DST, of its machine, or a \
                  failover may undo the last of what was acknowledged, which FILE does not know: go on with --verify \
                  then, or remove FILE to begin anew.\n\n\
                  Exit status 1 if an entry was refused by DST or passed over as damaged, if --only-missing met a damaged \
                  one in DST, or if --verify found one that is missing, different or unreadable in DST. With \
                  --only-missing `different` are those that this run wrote. What others wrote, before or since, may be \
                  other than in SRC: it counts as `kept` and is no failure. After --resume so does what an earlier run \
                  wrote, which this one cannot tell from that; what is missing or unreadable never does."
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
        let (mut fates, place) = (Fates::replacing(), Place::open(None, "")?);
        self.copy(source, None, &place, &mut fates).await?;
        self.answer(fates.counts, None)?;
        passed_over(fates.counts.damaged)
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
        if place.cursor().is_some() && !self.verify && !survives_a_crash(target.capabilities()) {
            tell(
                "going on behind what DST has acknowledged: if DST or its machine has crashed since, the last of that may be \
                 gone; then add --verify, or remove the file of --resume to begin anew",
            );
        }
        let LeftOut { refused, damaged } = place.left_out();
        let mut fates = self.fates(source);
        fates.counts = Counts { refused, damaged, ..Counts::default() };
        let copied = self.copy(source, Some(target), &place, &mut fates).await;
        let counts = fates.counts;
        if let Err(failure) = copied {
            tell(&format!("{} entries were copied until then{}", counts.copied, self.advice()));
            return Err(failure);
        }
        let compared = if self.verify { Some(self.compare(source, target, &fates).await) } else { None };
        self.answer(counts, compared.as_ref())?;
        let compared = compared.transpose()?;
        place.finish()?;
        if counts.refused > 0 {
            return Err(Failure::new(format!("DST refused {} entries", counts.refused)));
        }
        passed_over(counts.damaged)?;
        match compared.filter(|compared| !compared.is_as_copied()) {
            Some(compared) => Err(Failure::new(format!("the stores differ: {compared}"))),
            None => Ok(()),
        }
    }

    async fn copy(
        &self,
        source: &AnyStore,
        target: Option<&AnyStore>,
        place: &Place,
        fates: &mut Fates,
    ) -> Result<(), Failure> {
        let progress = Progress::new(if self.dry_run { "counted" } else { "copied" }, Whom::of(self.json));
        if progress.is_shown()
            && let Some(total) = total(source, self.names(), place.cursor()).await
        {
            progress.expect(total);
        }
        let mut throttle = Pace::new(self.rate);
        let mut listing = self.listing(source).from(place.cursor(), fates.counts.damaged);
        loop {
            let read = Instant::now();
            let items = match listing.next().await? {
                None => return Ok(()),
                Some(Step::Items(items)) => items,
                Some(Step::Again) => {
                    fates.begin_anew();
                    progress.again();
                    continue;
                }
            };
            for some in chunks(items, throttle.step()) {
                let entries = some.len() as u64;
                write::write(target, some, read, fates).await?;
                progress.add(entries);
                throttle.after(entries).await;
            }
            fates.counts.damaged = listing.damaged();
            if let Some(next) = listing.cursor() {
                let Counts { refused, damaged, .. } = fates.counts;
                place.advance(next, LeftOut { refused, damaged })?;
            }
        }
    }

    async fn compare(
        &self,
        source: &AnyStore,
        target: &AnyStore,
        fates: &Fates,
    ) -> Result<Comparison, Failure> {
        let (listing, throttle) = (self.listing(source).quiet(), Pace::new(self.rate));
        verify::compare(listing, source, target, fates, throttle, Whom::of(self.json)).await
    }

    fn listing<'a>(&'a self, source: &'a AnyStore) -> Listing<'a> {
        Listing::new(source, self.scan(), self.on_damage).of("SRC")
    }

    /// The fates of entries from this source: an order of listing tells whether one may come again.
    fn fates(&self, source: &AnyStore) -> Fates {
        if !self.only_missing {
            return Fates::replacing();
        }
        Fates::keeping(match source.capabilities().scan {
            Order::Ordered if self.verify => Remembers::Written,
            Order::Ordered => Remembers::Nothing,
            _ => Remembers::Everything,
        })
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

    /// The counts, and what came of a comparison that was asked for: in JSON `null` if it failed.
    fn answer(&self, counts: Counts, compared: Option<&Result<Comparison, Failure>>) -> Result<(), Failure> {
        if self.json {
            let mut output = Output::new();
            output.json(&as_json(counts, compared))?;
            return output.flush().map(drop);
        }
        let Counts { copied, kept, expired, .. } = counts;
        let verb = if self.dry_run { "would copy" } else { "copied" };
        let kept = if self.only_missing { format!(" and {kept} that DST has") } else { String::new() };
        tell(&format!("{verb} {copied} entries, left out {expired} that have expired{kept}"));
        match compared {
            Some(Ok(compared)) => tell(&format!("compared: {compared}")),
            Some(Err(_)) => {
                tell(&format!("the stores were not compared to the end{}", self.advice()));
            }
            None => {}
        }
        Ok(())
    }
}

fn as_json(counts: Counts, compared: Option<&Result<Comparison, Failure>>) -> Value {
    let Counts { copied, kept, expired, refused, damaged } = counts;
    let mut answer =
        json!({ "copied": copied, "kept": kept, "expired": expired, "refused": refused, "damaged": damaged });
    if let (Some(answer), Some(compared)) = (answer.as_object_mut(), compared) {
        answer.insert("compared".into(), compared.as_ref().map_or(Value::Null, |found| found.to_json()));
    }
    answer
}

/// Whether all that such a store acknowledged is there after a crash. A store in a directory of this machine does not tell: on disk
/// it hangs on `durability=`.
fn survives_a_crash(capabilities: &Capabilities) -> bool {
    let &Capabilities { durable, exclusive, evicts, consistency, .. } = capabilities;
    durable && !exclusive && !evicts && consistency == Consistency::Linearizable
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
    use kv_core::{
        AnyStore, Capabilities, Consistency, ErrorKind, Key, NewEntry, PutMode, Store as _, StoreExt as _,
    };
    use kv_memory::MemoryStore;
    use serde_json::Value;

    use super::{Copy, Counts, Failure, PAGE, Place, as_json, survives_a_crash};

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        copy: Copy,
    }

    fn copy(flags: &[&str]) -> Copy {
        Line::parse_from([&["copy", "memory://", "memory://"], flags].concat()).copy
    }

    const ENTRIES: usize = 2 * PAGE + 1;

    /// Holds `ENTRIES` entries, lists in no order, as far as it says, and fails as it is told to.
    async fn unordered(faults: &Faults) -> AnyStore {
        let routed = MemoryStore::new().routed().collection("c", MemoryStore::new());
        filled(Faulty::new(routed, faults).erased()).await
    }

    async fn filled(store: AnyStore) -> AnyStore {
        for n in 0..ENTRIES {
            put(&store, &n.to_string(), "v", PutMode::Create).await;
        }
        store
    }

    async fn put(store: &AnyStore, id: &str, value: &'static str, mode: PutMode) {
        store.put(Key::new("c", id), NewEntry::new(value), mode).await.unwrap();
    }

    async fn value(store: &AnyStore, id: &str) -> Vec<u8> {
        store.get(Key::new("c", id)).await.unwrap().unwrap().value.to_vec()
    }

    #[tokio::test]
    async fn a_copy_that_begins_anew_counts_nothing_twice() {
        for flags in [&[][..], &["--only-missing"]] {
            let (faults, writes) = (Faults::none(), Faults::none());
            let source = unordered(&faults).await;
            faults
                .next("scan", Fault::delayed(Duration::ZERO))
                .next("scan", Fault::refused(ErrorKind::Conflict));
            let (copy, held) = (copy(flags), MemoryStore::new());
            let target = Faulty::new(held.clone(), &writes).erased();
            let (mut fates, place) = (copy.fates(&source), Place::open(None, "").unwrap());
            copy.copy(&source, Some(&target), &place, &mut fates).await.unwrap();
            assert!(faults.all_met());
            let twice = if copy.only_missing { PAGE + ENTRIES } else { 1 + 3 }; // entries, or batches of them
            assert_eq!(writes.calls().len(), twice, "the first page came twice");
            let entries = ENTRIES as u64;
            assert_eq!(fates.counts, Counts { copied: entries, ..Counts::default() }, "{flags:?}");
            assert_eq!(held.held().entries, entries);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_changes_before_a_copy_begins_anew_is_copied_again_unless_others_changed_the_copy() {
        let faults = Faults::none();
        let source = unordered(&faults).await;
        let target = MemoryStore::new().erased();
        let [changed, taken_over] = ["0", "1"]; // on the first page: names are in order there
        let pause = Duration::from_secs(10);
        faults
            .next("scan", Fault::delayed(Duration::ZERO))
            .next("scan", Fault::refused(ErrorKind::Conflict).after(pause));
        let meanwhile = async {
            tokio::time::sleep(pause / 2).await;
            assert_eq!(value(&target, changed).await, b"v", "it was copied before");
            for id in [changed, taken_over] {
                put(&source, id, "newer", PutMode::Replace).await;
            }
            put(&target, taken_over, "theirs", PutMode::Replace).await;
        };
        let copy = copy(&["--only-missing"]);
        let (mut fates, place) = (copy.fates(&source), Place::open(None, "").unwrap());
        let (copied, ()) = tokio::join!(copy.copy(&source, Some(&target), &place, &mut fates), meanwhile);
        copied.unwrap();
        assert!(faults.all_met());
        assert_eq!(value(&target, changed).await, b"newer");
        assert_eq!(value(&target, taken_over).await, b"theirs");
        assert_eq!(fates.counts, Counts { copied: ENTRIES as u64 - 1, kept: 1, ..Counts::default() });
    }

    #[test]
    fn only_a_store_that_many_keep_and_that_undoes_nothing_survives_every_crash() {
        let mut told = Capabilities::of("any");
        (told.durable, told.consistency) = (true, Consistency::Linearizable);
        assert!(survives_a_crash(&told));
        let but = |change: fn(&mut Capabilities)| {
            let mut told = told.clone();
            change(&mut told);
            survives_a_crash(&told)
        };
        assert!(!but(|told| told.consistency = Consistency::UntilFailover), "Redis");
        assert!(
            !but(|told| told.exclusive = true),
            "a directory, which loses its last writes with durability=os"
        );
        assert!(!but(|told| told.durable = false) && !but(|told| told.evicts = true));
    }

    #[tokio::test]
    async fn a_comparison_that_fails_names_the_store_and_leaves_the_counts_of_the_copy() {
        let pages = ENTRIES.div_ceil(PAGE);
        for (operation, failing) in
            [("scan", "SRC failed"), ("get", "SRC failed"), ("get_many", "DST failed")]
        {
            let (of_source, of_target) = (Faults::none(), Faults::none());
            let source = unordered(&of_source).await;
            let target =
                Faulty::new(MemoryStore::new(), &of_target).default_ttl(Duration::from_secs(60)).erased();
            let faults = if operation == "get_many" { &of_target } else { &of_source };
            for _ in 0..if operation == "scan" { pages } else { 0 } {
                faults.next("scan", Fault::delayed(Duration::ZERO));
            }
            faults.next(operation, Fault::refused(ErrorKind::Unavailable));
            let ended = copy(&["--verify"]).copy_and_verify("a", "b", &source, &target).await;
            assert_eq!(ended.unwrap_err().to_string(), failing, "{operation}");
            assert!(faults.all_met());
        }
        let failed = Err(Failure::new("SRC failed"));
        let told = as_json(Counts { copied: 3, ..Counts::default() }, Some(&failed));
        assert_eq!((&told["copied"], told.get("compared")), (&3.into(), Some(&Value::Null)));
    }

    #[tokio::test]
    async fn a_copy_of_what_is_missing_gets_past_what_is_damaged_there_and_fails_in_the_end() {
        let faults = Faults::none();
        let source = unordered(&Faults::none()).await;
        let target = Faulty::new(MemoryStore::new(), &faults).erased();
        faults.next("put", Fault::refused(ErrorKind::Corrupt));
        let ended = copy(&["--only-missing"]).copy_and_verify("a", "b", &source, &target).await;
        assert_eq!(ended.unwrap_err().to_string(), "DST refused 1 entries");
        assert!(faults.calls().iter().filter(|call| **call == "put").count() == ENTRIES);
    }

    #[tokio::test]
    async fn a_copy_of_what_is_missing_fails_over_what_it_wrote_otherwise_and_not_over_what_it_kept() {
        let sources = [unordered(&Faults::none()).await, filled(MemoryStore::new().erased()).await];
        for source in &sources {
            let verified = async |target: AnyStore| {
                let copy = copy(&["--only-missing", "--verify"]);
                copy.copy_and_verify("a", "b", source, &target).await.map_err(|failure| failure.to_string())
            };
            let kept = MemoryStore::new().erased();
            put(&kept, "0", "theirs", PutMode::Create).await;
            verified(kept).await.unwrap();

            let hour = MemoryStore::new().default_ttl(Duration::from_secs(3_600)).erased();
            let otherwise = verified(hour).await.unwrap_err();
            assert!(otherwise.contains(&format!("{ENTRIES} different")), "{otherwise}");

            let bare = MemoryStore::new().erased();
            put(&bare, "0", "\u{7f} foreign", PutMode::Create).await;
            let unreadable = verified(bare.compressed().erased()).await.unwrap_err();
            assert!(unreadable.contains("1 unreadable in DST"), "{unreadable}");
        }
    }
}
