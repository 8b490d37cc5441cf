//! What is particular to a store on disk: crashes, damage, full disks, its directory, what compaction frees.

#[cfg(test)]
mod crash;
#[cfg(test)]
mod damage;
#[cfg(test)]
mod directory;
#[cfg(test)]
mod durability;
#[cfg(test)]
mod full;
#[cfg(test)]
mod lifecycle;
#[cfg(test)]
mod support;
