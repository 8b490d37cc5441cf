//! Bytes into lines, within a bound.

use bytes::{Buf as _, Bytes, BytesMut};

/// The longest message in bytes, on every transport: a line that is longer is refused with -32600, a body with 413.
pub const MAX_MESSAGE: usize = 4 << 20;

/// What an empty line may be made of: the white space of JSON (RFC 8259 §2). A form feed is none of it, and is answered.
const BLANK: &[u8] = b" \t\r";

/// Cuts what was read into lines; a line over [`MAX_MESSAGE`] is skipped up to its end, and reported once.
#[derive(Default)]
pub(crate) struct Splitter {
    buffer: BytesMut,
    searched: usize,
    skipping: bool,
}

/// What a line turned out to be.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// A line, without its newline.
    Whole(Bytes),
    /// A line that was too long.
    TooLong,
}

impl Splitter {
    /// Adds bytes that were read elsewhere.
    pub(crate) fn add(&mut self, read: &[u8]) {
        self.buffer.extend_from_slice(read);
    }

    /// Where to read more bytes into.
    pub(crate) fn buffer(&mut self) -> &mut BytesMut {
        self.buffer.reserve(64 << 10);
        &mut self.buffer
    }

    /// The next line, if a whole one was read; empty lines are passed over.
    pub(crate) fn next(&mut self) -> Option<Line> {
        loop {
            let unsearched = self.buffer.get(self.searched..).unwrap_or_default();
            let Some(found) = memchr::memchr(b'\n', unsearched) else {
                return self.incomplete();
            };
            let mut line = self.buffer.split_to(self.searched + found);
            self.buffer.advance(1);
            self.searched = 0;
            if std::mem::take(&mut self.skipping) {
                continue;
            }
            if line.last() == Some(&b'\r') {
                line.truncate(line.len() - 1);
            }
            if line.len() > MAX_MESSAGE {
                return Some(Line::TooLong);
            }
            if !line.iter().all(|byte| BLANK.contains(byte)) {
                return Some(Line::Whole(line.freeze()));
            }
        }
    }

    fn incomplete(&mut self) -> Option<Line> {
        self.searched = self.buffer.len();
        let ends_a_line = self.buffer.last() == Some(&b'\r'); // which is none of it, if a newline follows
        if self.searched <= MAX_MESSAGE + usize::from(ends_a_line) && !self.skipping {
            return None;
        }
        self.buffer.clear();
        self.searched = 0;
        (!std::mem::replace(&mut self.skipping, true)).then_some(Line::TooLong)
    }
}

#[cfg(test)]
mod tests {
    use super::{Line, MAX_MESSAGE, Splitter};

    fn feed(splitter: &mut Splitter, bytes: &[u8]) -> Vec<Line> {
        splitter.buffer().extend_from_slice(bytes);
        std::iter::from_fn(|| splitter.next()).collect()
    }

    #[test]
    fn lines_are_cut_wherever_the_reads_fell() {
        let mut splitter = Splitter::default();
        assert_eq!(feed(&mut splitter, b"one\r\n\n  \ntw"), [Line::Whole("one".into())]);
        assert_eq!(feed(&mut splitter, b"o\nthree"), [Line::Whole("two".into())]);
        assert_eq!(feed(&mut splitter, b"\n"), [Line::Whole("three".into())]);
        assert_eq!(feed(&mut splitter, b" \t\r\n \t\x0c\n"), [Line::Whole(" \t\x0c".into())]);
    }

    #[test]
    fn the_longest_line_may_end_in_two_reads() {
        let longest = vec![b'x'; MAX_MESSAGE];
        for reads in [[&b"\r\n"[..], b""], [b"\r", b"\n"], [b"", b"\r\n"]] {
            let mut splitter = Splitter::default();
            let mut lines = feed(&mut splitter, &[&longest, reads[0]].concat());
            lines.extend(feed(&mut splitter, reads[1]));
            assert_eq!(lines, [Line::Whole(longest.clone().into())]);
        }
        let mut splitter = Splitter::default();
        assert_eq!(feed(&mut splitter, &[&longest[..], b"\r"].concat()), []);
        assert_eq!(feed(&mut splitter, b"x"), [Line::TooLong]);
    }

    #[test]
    fn a_line_that_is_too_long_is_reported_once_and_the_next_is_read() {
        let mut splitter = Splitter::default();
        let chunk = vec![b'x'; MAX_MESSAGE / 2 + 1];
        assert_eq!(feed(&mut splitter, &chunk), []);
        assert_eq!(feed(&mut splitter, &chunk), [Line::TooLong]);
        assert_eq!(feed(&mut splitter, &chunk), []);
        assert_eq!(feed(&mut splitter, b"end\nnext\n"), [Line::Whole("next".into())]);
    }
}
