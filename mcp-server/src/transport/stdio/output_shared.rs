//! Standard output where it cannot be kept from others: their lines stand between those of the protocol.

use std::io::{self, Write as _};

use crate::Result;

/// Keeps nothing.
#[derive(Debug)]
pub(super) struct Guard;

impl Guard {
    #[expect(clippy::unnecessary_wraps, reason = "where it can be kept, that can fail")]
    pub(super) fn new() -> Result<Self> {
        Ok(Self)
    }
}

/// Where the protocol writes.
#[derive(Debug)]
pub(super) struct Output;

impl Output {
    #[expect(clippy::unnecessary_wraps, reason = "where it is a descriptor of its own, that can fail")]
    pub(super) fn new(_: Option<&Guard>) -> io::Result<Self> {
        Ok(Self)
    }

    #[expect(clippy::unused_self, reason = "where it is a descriptor of its own, it is used")]
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut output = io::stdout().lock();
        output.write_all(bytes)?;
        output.flush()
    }
}
