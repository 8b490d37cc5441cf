//! What a store on disk does beyond the laws: its directory, crashes, damage, and what it waits for.

#[cfg(test)]
mod crash;
#[cfg(test)]
mod damage;
#[cfg(test)]
mod directory;
#[cfg(test)]
mod durability;
#[cfg(test)]
mod failing;
#[cfg(test)]
mod full;
#[cfg(test)]
mod lifecycle;
#[cfg(test)]
mod support;
