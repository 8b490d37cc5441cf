//! What a store on disk does beyond the laws: its directory, crashes, damage, and what it waits for.

mod crash;
mod damage;
mod directory;
mod durability;
mod support;
