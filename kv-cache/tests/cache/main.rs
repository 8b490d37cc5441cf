//! The behaviour of caches, through the public API.

#[cfg(test)]
mod down;
#[cfg(test)]
mod entries;
#[cfg(test)]
mod failing;
#[cfg(test)]
mod flights;
#[cfg(test)]
mod races;
#[cfg(test)]
mod stale;
#[cfg(test)]
mod tags;
