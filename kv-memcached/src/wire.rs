//! The meta commands of Memcached, as bytes: what is sent, and what is read of the answers.
//!
//! After `doc/protocol.txt` of Memcached 1.6, "Meta Commands". Flags that newer servers alone know are not used.

use bytes::{Buf, Bytes, BytesMut};
use kv_core::{Error, ErrorKind, Outcome, Result};

/// An answer line is shorter; what is longer is no Memcached.
const MAX_LINE: usize = 2_048;
/// The largest item that any server can be told to hold is 1 GiB.
const MAX_DATA: usize = 1 << 30;
/// A smaller value is copied, so that it keeps no more memory alive than its own.
const COPIED: usize = 16 << 10;
const END: &[u8] = b"\r\n";

/// On what condition `ms` stores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    Always,
    Absent,
    Cas(u64),
}

/// One answer to a meta command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    /// `HD`: done.
    Done,
    /// `VA`: the item, and its number if that was asked for.
    Value { data: Bytes, cas: Option<u64> },
    /// `EN` or `NF`: no such item.
    Missing,
    /// `NS`: there is an item already.
    NotStored,
    /// `EX`: the item has another number.
    Changed,
    /// `MN`: the answer to `mn`.
    Pong,
    /// `SERVER_ERROR`: the server could not; the next answer follows in order.
    Failed(Failure),
}

/// What a server could not do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    TooLarge,
    OutOfMemory,
    Other,
}

/// Appends `mn`, which does nothing.
pub(crate) fn ping(out: &mut Vec<u8>) {
    out.extend_from_slice(b"mn\r\n");
}

/// Appends a read of the item under `key`, with its number.
pub(crate) fn get(out: &mut Vec<u8>, key: &str) {
    line(out, &["mg", key, "c", "v"]);
}

/// Appends a write. `exptime` is in Memcached's own counting, see [`crate::lifetime`].
pub(crate) fn set(out: &mut Vec<u8>, key: &str, data: &[u8], exptime: u32, condition: Condition) {
    let (length, exptime) = (data.len().to_string(), format!("T{exptime}"));
    match condition {
        Condition::Always => line(out, &["ms", key, &length, &exptime]),
        Condition::Absent => line(out, &["ms", key, &length, &exptime, "ME"]),
        Condition::Cas(cas) => line(out, &["ms", key, &length, &exptime, &format!("C{cas}")]),
    }
    out.extend_from_slice(data);
    out.extend_from_slice(END);
}

/// Appends a removal; with `cas` only of the item that has that number.
pub(crate) fn delete(out: &mut Vec<u8>, key: &str, cas: Option<u64>) {
    match cas {
        None => line(out, &["md", key]),
        Some(cas) => line(out, &["md", key, &format!("C{cas}")]),
    }
}

fn line(out: &mut Vec<u8>, words: &[&str]) {
    for (at, word) in words.iter().enumerate() {
        if at > 0 {
            out.push(b' ');
        }
        out.extend_from_slice(word.as_bytes());
    }
    out.extend_from_slice(END);
}

/// Takes the next line off `read`, without its end; `None` if it is not there yet.
pub(crate) fn take_line(read: &mut BytesMut) -> Result<Option<Bytes>> {
    let Some(end) = line_end(read)? else { return Ok(None) };
    let line = Bytes::copy_from_slice(read.get(..end).unwrap_or_default());
    read.advance(end + END.len());
    Ok(Some(line))
}

/// Takes the next answer off `read`; `None` if it is not there whole yet.
///
/// An error leaves the connection out of step: it is of no use any more.
pub(crate) fn take_reply(read: &mut BytesMut) -> Result<Option<Reply>> {
    let Some(end) = line_end(read)? else { return Ok(None) };
    let line = read.get(..end).unwrap_or_default();
    let mut words = line.split(|byte| *byte == b' ').filter(|word| !word.is_empty());
    let reply = match words.next().unwrap_or_default() {
        b"HD" => Reply::Done,
        b"EN" | b"NF" => Reply::Missing,
        b"NS" => Reply::NotStored,
        b"EX" => Reply::Changed,
        b"MN" => Reply::Pong,
        b"SERVER_ERROR" => Reply::Failed(failure(line)),
        b"VA" => {
            let length = words.next().and_then(number).ok_or_else(out_of_step)?;
            let cas = words.filter_map(|flag| flag.strip_prefix(b"c")).find_map(number);
            return value(read, end + END.len(), length, cas);
        }
        _ => return Err(refused(line)),
    };
    read.advance(end + END.len());
    Ok(Some(reply))
}

fn value(read: &mut BytesMut, head: usize, length: u64, cas: Option<u64>) -> Result<Option<Reply>> {
    let length = usize::try_from(length).ok().filter(|length| *length <= MAX_DATA).ok_or_else(out_of_step)?;
    let whole = head + length + END.len();
    if read.len() < whole {
        read.reserve(whole - read.len());
        return Ok(None);
    }
    if !read.get(head + length..).is_some_and(|rest| rest.starts_with(END)) {
        return Err(out_of_step());
    }
    read.advance(head);
    let data = if length < COPIED {
        let data = Bytes::copy_from_slice(read.get(..length).unwrap_or_default());
        read.advance(length);
        data
    } else {
        read.split_to(length).freeze()
    };
    read.advance(END.len());
    Ok(Some(Reply::Value { data, cas }))
}

fn line_end(read: &BytesMut) -> Result<Option<usize>> {
    let seen = read.get(..read.len().min(MAX_LINE)).unwrap_or_default();
    match seen.windows(END.len()).position(|window| window == END) {
        None if seen.len() == MAX_LINE => Err(out_of_step()),
        found => Ok(found),
    }
}

fn number(word: &[u8]) -> Option<u64> {
    std::str::from_utf8(word).ok()?.parse().ok()
}

fn failure(line: &[u8]) -> Failure {
    let says = |text: &[u8]| line.windows(text.len()).any(|window| window == text);
    if says(b"too large") {
        Failure::TooLarge
    } else if says(b"out of memory") {
        Failure::OutOfMemory
    } else {
        Failure::Other
    }
}

/// What to make of a line that is no answer to a meta command.
pub(crate) fn refused(line: &[u8]) -> Error {
    if line.starts_with(b"CLIENT_ERROR unauthenticated") {
        let advice = "the server wants a login: put user and password into the URL, or use `password_env`";
        Error::new(ErrorKind::Denied, advice)
    } else if line.starts_with(b"ERROR Too many open connections") {
        Error::new(ErrorKind::Unavailable, "the server has no connection to give")
            .with_outcome(Outcome::NotDone)
    } else if line.starts_with(b"CLIENT_ERROR") || line == b"ERROR" {
        let advice = "the server does not understand meta commands: it must be Memcached 1.6.10 or later";
        Error::new(ErrorKind::Unexpected, advice)
    } else {
        out_of_step()
    }
}

fn out_of_step() -> Error {
    Error::new(ErrorKind::Unexpected, "the answer is not Memcached's")
}

#[cfg(test)]
mod tests {
    use bytes::{Bytes, BytesMut};
    use kv_core::ErrorKind;

    use super::{Condition, Failure, MAX_LINE, Reply, delete, get, ping, set, take_line, take_reply};

    fn replies(bytes: &[u8]) -> kv_core::Result<Vec<Reply>> {
        let mut read = BytesMut::from(bytes);
        std::iter::from_fn(|| take_reply(&mut read).transpose()).collect()
    }

    #[test]
    fn commands_are_written_as_the_protocol_has_them() {
        let mut out = Vec::new();
        ping(&mut out);
        get(&mut out, "k");
        set(&mut out, "k", b"va\r\n", 61, Condition::Always);
        set(&mut out, "k", b"", 0, Condition::Absent);
        set(&mut out, "k", b"v", 0, Condition::Cas(7));
        delete(&mut out, "k", None);
        delete(&mut out, "k", Some(7));
        let expected = "mn\r\nmg k c v\r\nms k 4 T61\r\nva\r\n\r\nms k 0 T0 ME\r\n\r\nms k 1 T0 C7\r\nv\r\nmd k\r\nmd k C7\r\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn answers_are_read_in_order_whatever_bytes_a_value_has() {
        let read =
            replies(b"HD\r\nVA 6 c12 f0\r\na\r\nEN\r\r\nEN\r\nNF\r\nNS\r\nEX\r\nMN\r\nVA 0\r\n\r\n").unwrap();
        let value = |data: &'static [u8], cas| Reply::Value { data: Bytes::from_static(data), cas };
        let (missing, pong) = (Reply::Missing, Reply::Pong);
        let expected = [
            Reply::Done,
            value(b"a\r\nEN\r", Some(12)),
            missing.clone(),
            missing,
            Reply::NotStored,
            Reply::Changed,
            pong,
            value(b"", None),
        ];
        assert_eq!(read, expected);
    }

    #[test]
    fn an_answer_that_is_not_there_whole_yet_is_waited_for() {
        let whole = b"VA 3 c1\r\nabc\r\n";
        for length in 0..whole.len() {
            let mut read = BytesMut::from(&whole[..length]);
            assert_eq!(take_reply(&mut read).unwrap(), None, "{length} bytes");
            read.extend_from_slice(&whole[length..]);
            assert!(matches!(take_reply(&mut read).unwrap(), Some(Reply::Value { .. })));
            assert!(read.is_empty());
        }
    }

    #[test]
    fn a_large_value_is_not_copied_and_a_small_one_pins_nothing() {
        let large = vec![7; 20_000];
        let mut read = BytesMut::from(&b"VA 20000\r\n"[..]);
        read.extend_from_slice(&large);
        read.extend_from_slice(b"\r\n");
        let at = read.as_ptr().addr() + 10;
        let Some(Reply::Value { data, .. }) = take_reply(&mut read).unwrap() else { panic!("no value") };
        assert_eq!((data.as_ptr().addr(), data.as_ref()), (at, large.as_slice()));
    }

    #[test]
    fn what_the_server_could_not_do_leaves_the_connection_in_step() {
        let read = replies(
            b"SERVER_ERROR object too large for cache\r\nSERVER_ERROR out of memory storing object\r\nSERVER_ERROR x\r\nHD\r\n",
        );
        let failed = [Failure::TooLarge, Failure::OutOfMemory, Failure::Other].map(Reply::Failed);
        assert_eq!(read.unwrap(), [failed.as_slice(), &[Reply::Done]].concat());
    }

    #[test]
    fn everything_else_is_an_error() {
        for (bytes, kind) in [
            (&b"CLIENT_ERROR unauthenticated\r\n"[..], ErrorKind::Denied),
            (b"ERROR Too many open connections\r\n", ErrorKind::Unavailable),
            (b"CLIENT_ERROR bad data chunk\r\n", ErrorKind::Unexpected),
            (b"ERROR\r\n", ErrorKind::Unexpected),
            (b"HTTP/1.1 400 Bad Request\r\n", ErrorKind::Unexpected),
            (b"\r\n", ErrorKind::Unexpected),
            (b"VA\r\n", ErrorKind::Unexpected),
            (b"VA -1\r\n", ErrorKind::Unexpected),
            (b"VA 99999999999\r\n", ErrorKind::Unexpected),
            (b"VA 18446744073709551616\r\n", ErrorKind::Unexpected),
            (b"VA 1\r\nabc\r\n", ErrorKind::Unexpected),
            (&[b'x'; MAX_LINE], ErrorKind::Unexpected),
        ] {
            assert_eq!(replies(bytes).unwrap_err().kind(), kind, "{}", String::from_utf8_lossy(bytes));
        }
    }

    #[test]
    fn lines_are_taken_one_by_one() {
        let mut read = BytesMut::from(&b"STAT a 1\r\nEND\r\nhalf"[..]);
        assert_eq!(take_line(&mut read).unwrap().as_deref(), Some(&b"STAT a 1"[..]));
        assert_eq!(take_line(&mut read).unwrap().as_deref(), Some(&b"END"[..]));
        assert_eq!(take_line(&mut read).unwrap(), None);
    }
}
