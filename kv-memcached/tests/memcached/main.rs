//! What is particular to Memcached, on servers of our own that are started, restarted, stopped and filled here.
//! LARDER_TEST_MEMCACHED_SERVER is the program.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod access;
mod batches;
mod clocks;
mod memory;
mod pair;
mod restart;
mod support;
