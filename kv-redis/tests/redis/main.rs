//! What the laws do not ask: servers that die, refuse, fill up, move, or are shared.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, in its helpers too"
)]

mod clocks;
mod cluster;
mod crash;
mod damage;
mod denied;
mod diagnosis;
mod failover;
mod full;
mod loss;
mod moving;
mod names;
mod news;
mod open;
mod place;
mod private;
mod roles;
mod scan;
mod scripts;
mod shared;
mod trips;
mod unsaved;
