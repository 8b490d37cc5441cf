//! Commands as they are sent, and entries as they come back.

use std::borrow::Cow;

use bytes::{BufMut as _, Bytes};
use kv_core::{Entry, Error, ErrorKind, Meta, NewEntry, PutMode, Result, Version, header, ttl};
use redis::{Cmd, RedisWrite, ToRedisArgs, ToSingleRedisArg, Value};

use crate::digest::Digest;
use crate::error;
use crate::link::ServerClock;

/// Sets the key if the entry under it has the version that is expected.
const UPDATE: Script = Script {
    // Bytes 4 to 19 of the stored form are the version; an absent key has none of them.
    text: "if redis.call('GETRANGE', KEYS[1], 4, 19) ~= ARGV[1] then return 0 end \
           if ARGV[3] == '' then redis.call('SET', KEYS[1], ARGV[2]) \
           else redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) end return 1",
    sha: "fbf80c50b2ee4fe6bb78f6fae236fb663bc2e576",
};

/// Removes and returns the value if the entry has the version that is expected: nil is absent, 0 another version.
const TAKE: Script = Script {
    text: "local version = redis.call('GETRANGE', KEYS[1], 4, 19) \
           if version == '' then return false end \
           if version ~= ARGV[1] then return 0 end \
           return redis.call('GETDEL', KEYS[1])",
    sha: "7d9020c07d6eaf024acd57f9bf0777f5e16abb7f",
};

/// Writes, whatever is there, and leaves nothing.
const REMOVE_ANEW: &str = "if redis.call('UNLINK', KEYS[1]) == 0 then \
                           redis.call('SET', KEYS[1], '') redis.call('UNLINK', KEYS[1]) end return 1";

/// A script of one key, and the SHA-1 of its text, by which the server knows it once it has run.
#[derive(Debug)]
struct Script {
    text: &'static str,
    sha: &'static str,
}

impl Script {
    /// `EVALSHA` while the server should know the script, `EVAL` to tell it.
    ///
    /// There is room for `arguments` that have so many `bytes`.
    fn call(&self, known: bool, key: &[u8], arguments: usize, bytes: usize) -> Cmd {
        let (name, script) = if known { ("EVALSHA", self.sha) } else { ("EVAL", self.text) };
        let mut cmd = Cmd::with_capacity(4 + arguments, 8 + script.len() + key.len() + bytes);
        cmd.arg(name).arg(script).arg(1_u8).arg(key);
        cmd
    }
}

/// A command as the server that gets it needs it: deadlines are told by that server's clock, whichever it turns out to be.
pub(crate) trait Command: Sync {
    /// The command for the server that has this clock.
    fn at(&self, clock: &ServerClock) -> Result<Cow<'_, Cmd>>;
}

impl Command for Cmd {
    fn at(&self, _: &ServerClock) -> Result<Cow<'_, Cmd>> {
        Ok(Cow::Borrowed(self))
    }
}

/// The write of an entry.
pub(crate) struct Put<'a> {
    pub(crate) key: &'a [u8],
    pub(crate) entry: &'a NewEntry,
    pub(crate) ttl_ms: Option<u64>,
    pub(crate) mode: PutMode,
    /// Whether the server should know the script that it takes.
    pub(crate) known: bool,
    /// The largest stored form that the server takes.
    pub(crate) largest: usize,
}

impl Put<'_> {
    pub(crate) fn cmd(&self, clock: &ServerClock) -> Result<Cmd> {
        let Self { key, entry, ttl_ms, mode, known, largest } = *self;
        let stored = Stored::of(key, entry, ttl_ms, ttl_ms.map_or(0, |_| clock.now_ms()))?;
        if stored.len() > largest {
            return Err(Error::new(ErrorKind::TooLarge, "value and tags are larger than the server takes"));
        }
        Ok(match mode {
            PutMode::Replace => set(key, &stored, ttl_ms, false),
            PutMode::Create => set(key, &stored, ttl_ms, true),
            PutMode::Update(version) => update(known, key, &version, &stored, ttl_ms),
        })
    }
}

impl Command for Put<'_> {
    fn at(&self, clock: &ServerClock) -> Result<Cow<'_, Cmd>> {
        self.cmd(clock).map(Cow::Owned)
    }
}

/// Removes the key in such a way that replicas are told of it, also where there is none. It answers a number.
pub(crate) fn remove_anew(key: &[u8]) -> Cmd {
    let mut cmd = Cmd::with_capacity(4, 8 + REMOVE_ANEW.len() + key.len());
    cmd.arg("EVAL").arg(REMOVE_ANEW).arg(1_u8).arg(key);
    cmd
}

/// A command of one key and nothing else.
pub(crate) fn of_key(name: &str, key: &[u8]) -> Cmd {
    let mut cmd = Cmd::with_capacity(2, name.len() + key.len());
    cmd.arg(name).arg(key);
    cmd
}

/// A command of many keys.
pub(crate) fn of_keys<'a>(name: &str, keys: impl ExactSizeIterator<Item = &'a [u8]> + Clone) -> Cmd {
    let data: usize = keys.clone().map(<[u8]>::len).sum();
    let mut cmd = Cmd::with_capacity(1 + keys.len(), name.len() + data);
    cmd.arg(name);
    for key in keys {
        cmd.arg(key);
    }
    cmd
}

/// `SET`, whatever is there, or only if nothing is.
fn set(key: &[u8], stored: &Stored<'_>, ttl_ms: Option<u64>, create: bool) -> Cmd {
    let mut cmd = Cmd::with_capacity(6, 32 + key.len() + stored.len());
    cmd.arg("SET").arg(key).arg(stored);
    if let Some(ms) = ttl_ms {
        cmd.arg("PX").arg(ms);
    }
    if create {
        cmd.arg("NX");
    }
    cmd
}

/// The script that sets the key if the entry under it has this version; `known` unless the server has to be told.
fn update(known: bool, key: &[u8], version: &Version, stored: &Stored<'_>, ttl_ms: Option<u64>) -> Cmd {
    let ttl = ttl_ms.map(|ms| ms.to_string()).unwrap_or_default();
    let version = version.as_bytes();
    let mut cmd = UPDATE.call(known, key, 3, version.len() + stored.len() + ttl.len());
    cmd.arg(version).arg(stored).arg(ttl);
    cmd
}

/// The script that removes and returns the value if the entry has this version.
pub(crate) fn take(known: bool, key: &[u8], version: &Version) -> Cmd {
    let version = version.as_bytes();
    let mut cmd = TAKE.call(known, key, 1, version.len());
    cmd.arg(version);
    cmd
}

/// A longer bulk string is refused by the server unless it is told otherwise (`proto-max-bulk-len`).
pub(crate) const LARGEST_STORED: usize = 512 << 20;
/// Head and tags have room beside a value of the largest size.
const BESIDE_VALUE: usize = 64 << 10;

/// The largest value, given the largest bulk string of the server.
pub(crate) const fn largest_value(bulk: usize) -> usize {
    bulk.saturating_sub(BESIDE_VALUE)
}

/// The largest stored form of values up to `most` bytes.
pub(crate) const fn largest_stored(most: usize) -> usize {
    most.saturating_add(BESIDE_VALUE)
}

/// About how long the stored form of `entry` is.
pub(crate) fn about(entry: &NewEntry) -> usize {
    let tags: usize =
        entry.meta_ref().tags.iter().map(|(tag, generation)| tag.len() + 8 + generation.len()).sum();
    header::HEAD_BYTES + tags + entry.value().len()
}

/// The ttl in milliseconds, checked.
pub(crate) fn ttl_ms(entry: &NewEntry) -> Result<Option<u64>> {
    ttl::checked_ttl(entry.lifetime())
}

/// The stored form of an entry as one argument: it is put together in the command, and nowhere else.
struct Stored<'a>(header::Parts<'a>);

impl<'a> Stored<'a> {
    /// The server judges expiry by its own means; the deadline in the head only reports the rest.
    fn of(key: &[u8], entry: &'a NewEntry, ttl_ms: Option<u64>, server_ms: u64) -> Result<Self> {
        header::encode_parts(key, entry, ttl_ms.map(|ms| ttl::deadline(server_ms, ms))).map(Self)
    }

    fn len(&self) -> usize {
        self.0.as_slices().map(<[u8]>::len).iter().sum()
    }
}

impl ToRedisArgs for Stored<'_> {
    fn write_redis_args<W: ?Sized + RedisWrite>(&self, out: &mut W) {
        let mut argument = out.bufmut_for_next_arg(self.len());
        for part in self.0.as_slices() {
            argument.put_slice(part);
        }
    }
}

impl ToSingleRedisArg for Stored<'_> {}

/// The entry that the server answered; nil is absent. The clock is asked for what has a deadline.
pub(crate) fn open(key: &[u8], answer: Value, server_ms: impl FnOnce() -> u64) -> Result<Option<Entry>> {
    match answer {
        Value::BulkString(stored) => decoded(key, stored.into(), server_ms).map(Some),
        Value::Nil => Ok(None),
        Value::ServerError(refusal) => Err(error::refused(&refusal)),
        _ => Err(error::nonsense()),
    }
}

/// The string that another program wrote; its version follows from its bytes.
pub(crate) fn foreign(answer: Value) -> Result<Option<Entry>> {
    match answer {
        Value::BulkString(value) => {
            let mut digest = Digest::default();
            digest.add(&value);
            let version = Version::from_bytes(u128::from(digest.0).to_be_bytes());
            Ok(Some(Entry::new(value.into(), version, None, Meta::default())))
        }
        Value::Nil => Ok(None),
        Value::ServerError(refusal) => Err(error::refused(&refusal)),
        _ => Err(error::nonsense()),
    }
}

fn decoded(key: &[u8], stored: Bytes, server_ms: impl FnOnce() -> u64) -> Result<Entry> {
    let header::Stored { mut entry, deadline_ms, .. } = header::decode(key, stored)?;
    // The server handed it out, so it was alive: what our notion of its clock says beyond that is no verdict.
    entry.ttl = deadline_ms
        .map(|deadline| ttl::remaining(deadline, server_ms()).unwrap_or(std::time::Duration::from_millis(1)));
    Ok(entry)
}

/// What the answer to `SET` means; nil is that the condition did not hold.
pub(crate) fn was_set(answer: &Value) -> Result<bool> {
    match answer {
        Value::Okay => Ok(true),
        Value::Nil => Ok(false),
        Value::ServerError(refusal) => Err(error::refused(refusal)),
        _ => Err(error::nonsense()),
    }
}

/// The number that a command answered.
pub(crate) fn number(answer: &Value) -> Result<i64> {
    match answer {
        Value::Int(number) => Ok(*number),
        Value::ServerError(refusal) => Err(error::refused(refusal)),
        _ => Err(error::nonsense()),
    }
}

/// The text that a command answered.
pub(crate) fn text(answer: &Value) -> Option<&str> {
    match answer {
        Value::BulkString(bytes) => std::str::from_utf8(bytes).ok(),
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => Some(text),
        _ => None,
    }
}

/// An answer that holds as many others as were asked for.
pub(crate) fn many(answer: Value, count: usize) -> Result<Vec<Value>, Error> {
    match answer {
        Value::Array(answers) if answers.len() == count => Ok(answers),
        Value::ServerError(refusal) => Err(error::refused(&refusal)),
        _ => Err(error::nonsense()),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use kv_core::{ErrorKind, NewEntry, header};
    use redis::Value;

    use super::{Stored, open, set};

    #[test]
    fn a_live_entry_has_something_left_whatever_the_clock_says() {
        let entry = NewEntry::new("x").ttl(Duration::from_secs(1));
        let stored = header::encode(b"k", &entry, Some(6_000), None).unwrap();
        for (now, left) in [(5_000, 1_000), (5_400, 600), (6_000, 1), (9_000, 1)] {
            let found = open(b"k", Value::BulkString(stored.clone()), || now).unwrap().unwrap();
            assert_eq!((found.ttl, found.version), (Some(Duration::from_millis(left)), entry.version()));
        }
    }

    #[test]
    fn what_is_stored_under_another_key_or_is_no_entry_is_corrupt() {
        let stored = header::encode(b"k", &NewEntry::new("x"), None, None).unwrap();
        for (key, bytes) in [(&b"other"[..], stored), (b"k", b"LD".to_vec()), (b"k", Vec::new())] {
            let error = open(key, Value::BulkString(bytes), || 0).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt);
        }
        assert_eq!(open(b"k", Value::Nil, || 0).unwrap(), None);
    }

    #[test]
    fn one_command_sets_value_lifetime_and_condition() {
        let entry = NewEntry::new("v");
        let stored = Stored::of(b"k", &entry, Some(1_500), 1_000).unwrap();
        let packed = set(b"k", &stored, Some(1_500), true).get_packed_command();
        let value = header::encode(b"k", &entry, Some(2_500), None).unwrap();
        let expected = [
            b"*6\r\n$3\r\nSET\r\n$1\r\nk\r\n$33\r\n".as_slice(),
            &value,
            b"\r\n$2\r\nPX\r\n$4\r\n1500\r\n$2\r\nNX\r\n",
        ];
        assert_eq!(packed, expected.concat());
    }
}
