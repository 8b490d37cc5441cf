//! Writing to stdout: a reader that has seen enough is no error.

use std::io::{self, Stdout, Write};

use serde::Serialize;

use crate::Failure;

/// Whether somebody still reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reader {
    Reads,
    Gone,
}

/// Stdout, buffered.
#[derive(Debug)]
pub(crate) struct Output(io::BufWriter<Stdout>);

impl Output {
    pub(crate) fn new() -> Self {
        Self(io::BufWriter::with_capacity(64 << 10, io::stdout()))
    }

    /// The bytes as they are.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> Result<Reader, Failure> {
        read(self.0.write_all(bytes))
    }

    /// One JSON object and the end of the line.
    pub(crate) fn json(&mut self, value: &impl Serialize) -> Result<Reader, Failure> {
        let mut line =
            serde_json::to_vec(value).map_err(|error| Failure::new("an answer is no JSON").because(error))?;
        line.push(b'\n');
        self.bytes(&line)
    }

    pub(crate) fn flush(&mut self) -> Result<Reader, Failure> {
        read(self.0.flush())
    }
}

fn read(written: io::Result<()>) -> Result<Reader, Failure> {
    match written {
        Ok(()) => Ok(Reader::Reads),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Reader::Gone),
        Err(error) => Err(Failure::new("stdout cannot be written").because(error)),
    }
}
