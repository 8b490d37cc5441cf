//! Waiting for a descriptor that does not wait by itself: whoever started this process may have made its pipes
//! non-blocking, or shares a terminal with somebody who did.

use std::io;
use std::os::fd::AsFd;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

/// Waits until the descriptor can be read from or written to, or its other side has gone.
pub(super) fn wait(descriptor: impl AsFd, what: PollFlags) -> io::Result<()> {
    loop {
        match poll(&mut [PollFd::new(&descriptor, what)], None) {
            Err(Errno::INTR) => {}
            polled => return Ok(polled.map(drop)?),
        }
    }
}
