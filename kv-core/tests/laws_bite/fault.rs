//! What a store can do wrong.

/// One fault of a store, such as somebody might write, or did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// No fault.
    None,

    // Names
    /// Collection and id are joined by `::`.
    JoinsNames,
    /// An empty part becomes a space.
    EmptyIsSpace,
    /// A name ends at its first NUL.
    EndsAtNul,
    /// What 16 bits cannot hold becomes `?`.
    SixteenBits,
    /// Combining accents are composed.
    Normalizes,
    /// Names are lower case.
    FoldsCase,
    /// `%2F` is read as `/`.
    Unescapes,
    /// Spaces around a name are dropped.
    Trims,
    /// `//` is `/`.
    ResolvesPaths,
    /// Names are cut to 250 bytes.
    CutsNames,
    /// A scan hands names back in lower case.
    ListsLowerCase,

    // Time
    /// Entries leave a tenth of their ttl early.
    Early,
    /// Entries leave 100 ms late.
    Late,
    /// A batch of reads finds expired entries.
    ExpiredInBatch,
    /// `take` hands out expired entries.
    ExpiredTaken,
    /// `Update` takes an expired entry for a live one.
    ExpiredUpdated,
    /// `Create` fails over an expired entry.
    ExpiredBlocksCreate,
    /// A scan without values lists expired entries.
    ExpiredListed,
    /// A scan with values lists expired entries.
    ExpiredListedWithValues,
    /// A millisecond more is told than is left.
    RemainingPlusOne,
    /// What is told to be left is what was asked for.
    RemainingStands,
    /// A ttl is rounded down.
    RoundsDown,
    /// A ttl of zero never ends.
    ZeroIsForever,
    /// A ttl above 100 years becomes 100 years.
    CapsTtl,
    /// 68 years of seconds fit 31 bits.
    RefusesAbove68Years,
    /// A ttl above 30 days is taken for a date long past.
    DateAbove30Days,
    /// Nothing lives beyond ten years from now.
    EndsEarlierThan2038,
    /// Without a ttl, a day.
    DefaultTtl,
    /// A put without ttl keeps the old one.
    KeepsOldTtl,
    /// The first ttl of a key counts.
    KeepsFirstDeadline,
    /// A read starts the ttl anew.
    Slides,
    /// A refused `Create` gives its ttl to the entry that it met.
    CreateTouches,
    /// The first ttl of a batch counts for all.
    BatchSharesTtl,
    /// One bad entry fails its batch.
    BatchAllOrNothing,

    // Atomic steps
    /// Each tenth write is acknowledged and dropped.
    LosesSome,
    /// Each handle remembers what it read.
    HandlesCache,
    /// `take` leaves the entry.
    TakeLeaves,
    /// Absence is an error.
    AbsenceFails,
    /// `Create` replaces.
    CreateReplaces,
    /// What was removed blocks `Create`.
    Tombstones,
    /// `Update` is always a conflict.
    UpdateRefuses,
    /// `Update` of nothing creates.
    UpdateCreates,
    /// `Update` takes any version.
    UpdateIgnoresVersion,
    /// `take` takes any version.
    TakeIgnoresVersion,
    /// A put answers a version of its own.
    AnswersOtherVersion,
    /// The version is made from the value.
    VersionFromValue,
    /// `take` reads, then removes.
    TakeInTwoSteps,
    /// `Create` looks, then writes.
    CreateInTwoSteps,
    /// `Update` compares, then writes.
    UpdateInTwoSteps,
    /// `Update`s wait for each other, but not for a `take`.
    UpdateRevives,

    // Batches
    /// An empty batch is refused.
    EmptyBatchFails,
    /// A batch of reads makes up versions.
    BatchReadsOtherVersion,
    /// Nothing is read beyond the thousandth key.
    BatchCut,
    /// A second read of a key finds nothing.
    ReadsOnce,
    /// The first of duplicate writes wins.
    FirstWriteWins,
    /// A second deletion of a key fails.
    DeletesOnce,
    /// A batch leaves out what is absent.
    DropsAbsent,
    /// Deleting what is absent fails.
    AbsentDeleteFails,
    /// A batch writes only what is new.
    BatchCreates,
    /// All of a batch goes to the first collection.
    BatchOneCollection,
    /// A batch above 8 MiB is refused.
    BatchOf8Mib,

    // Values
    /// Values are cut to 100,000 bytes.
    CutsValues,
    /// Values are text.
    ValuesAreText,
    /// Nothing is told apart from an empty value.
    EmptyIsAbsent,
    /// What begins like our own head is taken for one.
    Unwraps,
    /// The limit itself is too large.
    LargestRefused,
    /// A refused value takes the old one with it.
    TooLargeDeletes,
    /// Codec and tags are lost.
    DropsMeta,
    /// A scan does not tell codec and tags.
    ScanDropsMeta,
    /// A plain put keeps the old codec and tags.
    KeepsOldMeta,
    /// What is full drops something else.
    FullEvicts,
    /// What finds no room takes the old value with it.
    FullDeletesOld,
    /// Once full, always full.
    FullForEver,

    // Listing
    /// Collections that begin alike are listed as one.
    ListsNeighbours,
    /// The last entry of a page is skipped.
    SkipsBetweenPages,
    /// The last entry of a page is listed twice.
    Repeats,
    /// A star in a prefix matches anything.
    PrefixIsGlob,
    /// A star in a collection matches anything.
    CollectionIsGlob,
    /// A prefix is cut to 100 bytes.
    CutsPrefix,
    /// `Under` lists one collection.
    UnderIsOne,
    /// A page holds one more than its limit.
    LimitPlusOne,
    /// A bad limit is taken for the nearest good one.
    LimitClamped,
    /// A bad cursor starts over.
    BadCursorStartsOver,
    /// A cursor is good in its own handle alone.
    CursorOfHandle,
    /// A page has no end in bytes.
    PageUnbounded,
    /// Values come unasked.
    ValuesAlways,
    /// A scan of nothing fails.
    EmptyScanFails,
    /// A scan ends where its last entry was removed.
    CursorNeedsItsEntry,

    // First use, drops, reclaim, close
    /// The first users each set the store up, and wipe it.
    FirstUseWipes,
    /// A put removes the old entry before it writes.
    RemovesThenWrites,
    /// An entry is made first, and filled then.
    MakesThenFills,
    /// What a dropped `take` removed comes back.
    TakenComesBack,
    /// A dropped future leaves the store locked.
    DropLocks,
    /// A dropped write lands 20 ms later.
    DropLandsLate,
    /// Each write leaves a copy for ever.
    Hoards,
    /// A closed store still reads.
    ReadsWhenClosed,
    /// Closing an unused store does nothing.
    ClosesOnlyIfUsed,
    /// Closing ends one handle.
    ClosesOwnHandle,
    /// Closing again fails.
    ClosesOnce,
    /// Closing does not wait.
    CloseDoesNotWait,

    // Signals
    /// The second subscriber hears nothing.
    OneSubscriber,
    /// Other handles hear nothing.
    SignalsStayHere,
    /// Topics are lower case.
    TopicsFold,
    /// Long messages are cut.
    CutsSignals,
    /// Dropped subscriptions keep their places.
    SubscriptionsLeak,
    /// Subscriptions outlive the store.
    SignalsOutliveClose,
    /// The capabilities promise signals that are not there.
    SignalsLie,
    /// News begin with the first change.
    NewsStartBare,
    /// News end after the first item.
    NewsEnd,
    /// News outlive the store.
    NewsOutliveClose,

    // Errors
    /// Errors tell their kind alone.
    ErrorsBare,
    /// Errors claim not to know.
    ErrorsUnknown,
    /// Errors show the value.
    ErrorsShowValue,
    /// Errors show the id as it is.
    ErrorsShowRawId,
    /// `Debug` shows values.
    DebugShowsValues,

    // The executor and the capabilities
    /// Long work never yields.
    Hogs,
    /// It needs a second thread.
    NeedsThreads,
    /// A batch of no keys is the largest.
    BatchOfZero,
    /// Each handle tells another limit.
    CapabilitiesPerHandle,
    /// The capabilities deny the listing that is there.
    ScanLies,
    /// The capabilities deny the writes that are taken.
    WritableLies,
}
