//! What is particular to Memcached, on servers of our own that are started, restarted, stopped and filled here.
//! `LARDER_TEST_MEMCACHED_SERVER` is the program.

#[cfg(test)]
mod access;
#[cfg(test)]
mod batches;
#[cfg(test)]
mod clocks;
#[cfg(test)]
mod memory;
#[cfg(test)]
mod outcome;
#[cfg(test)]
mod pair;
mod renumbered;
#[cfg(test)]
mod restart;
#[cfg(test)]
mod stalled;
#[cfg(test)]
mod support;
