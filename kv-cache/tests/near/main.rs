//! What is held near, and for how long.

#![cfg(feature = "near")]

#[cfg(test)]
mod bench;
#[cfg(test)]
mod beside;
#[cfg(test)]
mod caches;
#[cfg(test)]
mod closing;
#[cfg(test)]
mod news;
#[cfg(test)]
mod reading;
#[cfg(test)]
mod room;
#[cfg(test)]
mod turns;
#[cfg(test)]
mod writing;
