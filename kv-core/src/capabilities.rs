//! What a store can do, keeps and costs: told before anybody calls.

/// How a store lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Listing {
    /// It cannot: `scan` is `Unsupported`.
    No,
    /// Each entry at least once, in no order.
    Unordered,
    /// Each entry exactly once, in byte order of the stored key.
    Ordered,
}

/// What a read may miss after an acknowledged write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Consistency {
    /// Nothing: every later operation on the key, by anybody, sees it or a newer one.
    Linearizable,
    /// As `Linearizable`, but a crash or failover may undo the last acknowledged writes.
    UntilFailover,
    /// Entries may vanish at any time.
    BestEffort,
}

/// Whose clock decides that an entry has expired. Exactly one does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Judge {
    /// The monotonic clock of this process.
    Process,
    /// The wall clock of this machine.
    Machine,
    /// The database server's clock.
    Server,
    /// The wall clock of whoever calls: machines that share the store should agree on the time.
    Caller,
}

/// Round trips that each operation takes, once connected; 0 for a store in this process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RoundTrips {
    /// `get`. Where it is 0, [`AnyStore`](crate::AnyStore) expects an answer at once: a call that has to wait is dropped and made anew.
    pub get: u8,
    /// `put` with `Replace`.
    pub replace: u8,
    /// `put` with `Create`.
    pub create: u8,
    /// `put` with `Update`.
    pub update: u8,
    /// `take`.
    pub take: u8,
}

/// What a store can do, keeps and costs.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[expect(clippy::struct_excessive_bools, reason = "independent facts, each read by its name")]
pub struct Capabilities {
    /// The scheme of the backend at the bottom, such as `memory`.
    pub backend: &'static str,
    /// How it lists.
    pub scan: Listing,
    /// Whether it may drop live entries to make room.
    pub evicts: bool,
    /// Whether entries outlive this process.
    pub durable: bool,
    /// Whether this process alone owns the data.
    pub exclusive: bool,
    /// What a read may miss.
    pub consistency: Consistency,
    /// Whether a read may show a write that does not yet stand as an acknowledged one would: who finds there what it wrote, and was
    /// not told how that ended, may still lose it.
    pub reads_ahead: bool,
    /// Whether a read may be answered by another store than the one that acknowledges writes: what it finds may be old for any
    /// time, and no news corrects it, since where writes go nothing changed.
    pub reads_elsewhere: bool,
    /// Whose clock decides about expiry.
    pub judge: Judge,
    /// The largest value in bytes; `None` is bounded by memory alone.
    pub max_value: Option<usize>,
    /// Keys that one round trip of `get_many` carries.
    pub read_batch: usize,
    /// Entries that one round trip of `put_many` and `delete_many` carries.
    pub write_batch: usize,
    /// Whether `signal` reaches other holders of this store.
    pub signals: bool,
    /// Whether `changes` tells what others changed.
    pub changes: bool,
    /// Whether it takes writes; false behind a read-only wrapper.
    pub writable: bool,
    /// What each operation costs in round trips.
    pub round_trips: RoundTrips,
}

impl Capabilities {
    /// The weakest set, to be raised field by field: cannot list, keeps nothing, promises nothing.
    pub const fn of(backend: &'static str) -> Self {
        Self {
            backend,
            scan: Listing::No,
            evicts: false,
            durable: false,
            exclusive: false,
            consistency: Consistency::BestEffort,
            reads_ahead: false,
            reads_elsewhere: false,
            judge: Judge::Caller,
            max_value: None,
            read_batch: 1,
            write_batch: 1,
            signals: false,
            changes: false,
            writable: true,
            round_trips: RoundTrips { get: 0, replace: 0, create: 0, update: 0, take: 0 },
        }
    }
}
