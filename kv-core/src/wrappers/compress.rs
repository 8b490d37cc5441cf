//! Values stored smaller.

use std::io::{Read, Write};

use bytes::{BufMut, Bytes, BytesMut};
use zstd::stream::{read, write};

use crate::each::{Pause, put_prepared, yield_now};
use crate::{
    AnyStore, Capabilities, Changes, Cursor, Entry, Error, ErrorKind, Item, Key, NewEntry, Outcome, Page,
    PutMode, Result, Scan, Signals, Store, Version,
};

const RAW: u8 = 0;
const ZSTD: u8 = 1;
/// The marker and the raw length before a compressed value.
const HEAD: usize = 5;
/// Shorter values never shrink enough to pay.
const MIN_BYTES: usize = 64;
/// What is taken through zstd between two yields: well under a millisecond.
const STEP: usize = 64 << 10;
/// What a frame may ask of memory before the first byte comes out, as a power of two: levels up to 19 never ask for more.
const MAX_WINDOW_LOG: u32 = 23;

/// Compresses values with zstd, and bounds what they may grow to on the way back.
///
/// Stored is one byte, 0 before a raw value and 1 before a compressed one, which has its raw length (u32,
/// little-endian) between marker and zstd frame. What would not shrink stays raw. `max_value` is one byte less than
/// below and counts raw bytes. All other laws hold as they hold below; a value that was not written through this
/// wrapper, is damaged, or claims to grow beyond 64 MiB is `Corrupt`.
///
/// It stands outside encryption: sealed bytes do not shrink. Lengths then show through the seal, so a value that
/// mixes a secret with text chosen by an attacker is better not compressed.
#[derive(Clone, Debug)]
pub struct Compress<S = AnyStore> {
    inner: S,
    level: i32,
    capabilities: Capabilities,
}

impl<S: Store> Compress<S> {
    /// Larger values are stored raw, and nothing may claim to grow beyond it.
    pub const MAX_RAW_BYTES: usize = 64 << 20;

    /// Compresses the values of `inner` at zstd's level 1, the fastest of the usual ones.
    pub fn new(inner: S) -> Self {
        let below = inner.capabilities().clone();
        let capabilities =
            Capabilities { max_value: below.max_value.map(|max| max.saturating_sub(1)), ..below };
        Self { inner, level: 1, capabilities }
    }

    /// Sets zstd's level, 1 (fast) to 19 (small). From about 10 on each 128 KiB of a value take milliseconds at a stretch, on the
    /// caller's executor.
    #[must_use]
    pub fn level(mut self, level: u8) -> Self {
        self.level = i32::from(level.clamp(1, 19));
        self
    }

    async fn packed(&self, entry: NewEntry) -> Result<NewEntry> {
        if self.capabilities.max_value.is_some_and(|max| entry.value().len() > max) {
            return Err(Error::new(ErrorKind::TooLarge, "the value is larger than the store takes"));
        }
        let packed = match shrunk(entry.value(), self.level).await {
            Some(packed) => packed,
            None => raw(entry.value()),
        };
        Ok(entry.map_value(|_| packed))
    }

    async fn unpacked(entry: Option<Entry>) -> Result<Option<Entry>> {
        let Some(entry) = entry else { return Ok(None) };
        let value = grown(&entry.value).await.map_err(|error| error.of(entry.version))?;
        Ok(Some(entry.with_value(value)))
    }
}

impl<S: Store> Store for Compress<S> {
    async fn get(&self, key: Key<'_>) -> Result<Option<Entry>> {
        Self::unpacked(self.inner.get(key).await?).await.map_err(|e| e.during("get").at(key))
    }

    async fn put(&self, key: Key<'_>, entry: NewEntry, mode: PutMode) -> Result<Version> {
        let packed = self.packed(entry).await.map_err(|e| e.during("put").at(key))?;
        self.inner.put(key, packed, mode).await
    }

    async fn take(&self, key: Key<'_>, version: Option<Version>) -> Result<Option<Entry>> {
        let taken = self.inner.take(key, version).await?;
        Self::unpacked(taken).await.map_err(|cause| {
            let message = "the value cannot be unpacked; the take has removed the entry";
            let error = Error::new(ErrorKind::Corrupt, message).because(cause).with_outcome(Outcome::Unknown);
            error.during("take").at(key)
        })
    }

    async fn get_many(&self, keys: &[Key<'_>]) -> Result<Vec<Result<Option<Entry>>>> {
        let mut answers = self.inner.get_many(keys).await?;
        let mut pause = Pause::every(STEP);
        for (answer, key) in answers.iter_mut().zip(keys) {
            if let Ok(found) = answer {
                *answer = Self::unpacked(found.take()).await.map_err(|e| e.during("get_many").at(*key));
            }
            pause.after(length(answer.as_ref().ok().and_then(Option::as_ref))).await;
        }
        Ok(answers)
    }

    async fn put_many(&self, entries: Vec<(Key<'_>, NewEntry)>) -> Result<Vec<Result<Version>>> {
        let mut packed = Vec::with_capacity(entries.len());
        let mut pause = Pause::every(STEP);
        for (key, entry) in entries {
            let bytes = entry.value().len();
            packed.push((key, self.packed(entry).await));
            pause.after(bytes).await;
        }
        put_prepared(&self.inner, packed).await
    }

    async fn delete_many(&self, keys: &[Key<'_>]) -> Result<Vec<Result<()>>> {
        self.inner.delete_many(keys).await
    }

    async fn scan(&self, mut scan: Scan<'_>, from: Option<&Cursor>) -> Result<Page> {
        let mut page = self.inner.scan(scan, from).await?;
        // Below, a page ends at 8 MiB of compressed bytes. A cursor cannot be made here: ask again for what fits.
        while let Some(fits) = shorter_page(&page.items) {
            scan = scan.limit(fits);
            page = self.inner.scan(scan, from).await?;
        }
        let mut pause = Pause::every(STEP);
        let mut items = Vec::with_capacity(page.items.len());
        for mut item in page.items {
            match Self::unpacked(item.entry.take()).await {
                Ok(entry) => item.entry = entry,
                Err(e) => {
                    page.damaged.push(scan.pass_over(Some(Key::new(&item.collection, &item.id)), e)?);
                    continue;
                }
            }
            pause.after(length(item.entry.as_ref())).await;
            items.push(item);
        }
        Ok(Page::new(items, page.next).passed_over(page.damaged))
    }

    async fn signal(&self, topic: &str, message: Bytes) -> Result<()> {
        self.inner.signal(topic, message).await
    }

    async fn signals(&self, topic: &str) -> Result<Signals> {
        self.inner.signals(topic).await
    }

    async fn changes(&self) -> Result<Changes> {
        self.inner.changes().await
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn close(&self) -> Result<()> {
        self.inner.close().await
    }
}

fn length(entry: Option<&Entry>) -> usize {
    entry.map_or(0, |entry| entry.value.len())
}

/// How many items reach the bytes at which a page ends, if they are not all.
fn shorter_page(items: &[Item]) -> Option<usize> {
    let mut bytes = 0;
    let ends_at = items.iter().position(|item| {
        bytes += item.entry.as_ref().map_or(0, |entry| raw_length(&entry.value));
        bytes >= Scan::MAX_PAGE_BYTES
    })?;
    Some(ends_at + 1).filter(|fits| *fits < items.len())
}

/// The length that the raw value has, or claims to have.
fn raw_length(stored: &[u8]) -> usize {
    match stored {
        [ZSTD, a, b, c, d, ..] => usize::try_from(u32::from_le_bytes([*a, *b, *c, *d])).unwrap_or(usize::MAX),
        _ => stored.len(),
    }
}

fn raw(value: &[u8]) -> Bytes {
    let mut stored = BytesMut::with_capacity(value.len() + 1);
    stored.put_u8(RAW);
    stored.put_slice(value);
    stored.freeze()
}

/// The compressed form; `None` if it would not be smaller than the raw one.
async fn shrunk(value: &[u8], level: i32) -> Option<Bytes> {
    if value.len() < MIN_BYTES || value.len() > Compress::<AnyStore>::MAX_RAW_BYTES {
        return None;
    }
    let length = u32::try_from(value.len()).ok()?;
    let mut stored = Vec::with_capacity(HEAD + value.len() / 2);
    stored.push(ZSTD);
    stored.extend_from_slice(&length.to_le_bytes());
    let mut encoder = write::Encoder::new(stored, level).ok()?;
    encoder.set_pledged_src_size(Some(u64::from(length))).ok()?;
    for (at, step) in value.chunks(STEP).enumerate() {
        if at > 0 {
            yield_now().await;
        }
        encoder.write_all(step).ok()?;
    }
    let stored = encoder.finish().ok()?;
    (stored.len() <= value.len()).then(|| stored.into())
}

/// The raw value of what was stored.
async fn grown(stored: &Bytes) -> Result<Bytes> {
    match stored.first() {
        Some(&RAW) => Ok(stored.slice(1..)),
        Some(&ZSTD) => inflated(stored).await,
        _ => Err(corrupt("the value was not written by the compressing wrapper")),
    }
}

async fn inflated(stored: &[u8]) -> Result<Bytes> {
    let short = || corrupt("the compressed value is cut short");
    let (head, frame) = stored.split_first_chunk::<HEAD>().ok_or_else(short)?;
    let [_, length @ ..] = *head;
    let length = usize::try_from(u32::from_le_bytes(length)).unwrap_or(usize::MAX);
    if length > Compress::<AnyStore>::MAX_RAW_BYTES {
        return Err(corrupt("the compressed value claims to be larger than 64 MiB"));
    }
    let damaged = |_| corrupt("the compressed value is damaged");
    let mut decoder = read::Decoder::with_buffer(frame).map_err(damaged)?.single_frame();
    decoder.window_log_max(MAX_WINDOW_LOG).map_err(damaged)?;
    let mut value = Vec::with_capacity(length.min(STEP)); // the length is a claim: memory follows the data
    while value.len() <= length {
        let wanted = STEP.min(length - value.len() + 1) as u64; // one more than claimed shows a bomb
        let before = value.len();
        (&mut decoder).take(wanted).read_to_end(&mut value).map_err(damaged)?;
        if value.len() == before {
            break;
        }
        if value.len() >= STEP {
            yield_now().await;
        }
    }
    if value.len() != length || !decoder.finish().is_empty() {
        return Err(corrupt("the compressed value does not have the length that it claims"));
    }
    Ok(value.into())
}

fn corrupt(message: &'static str) -> Error {
    Error::new(ErrorKind::Corrupt, message)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use bytes::Bytes;
    use rand::Rng;
    use zstd::stream::write;

    use super::{HEAD, RAW, STEP, ZSTD, grown, inflated, raw, shrunk};
    use crate::ErrorKind;

    async fn round_trip(value: &[u8]) -> usize {
        let stored = shrunk(value, 1).await.unwrap_or_else(|| raw(value));
        assert_eq!(grown(&stored).await.unwrap(), value);
        stored.len()
    }

    #[tokio::test]
    async fn every_length_comes_back() {
        for length in [0, 1, 63, 64, 65, 1000, STEP - 1, STEP, STEP + 1, 3 * STEP, 1 << 20] {
            let text: Vec<u8> =
                b"a value that repeats itself; ".iter().copied().cycle().take(length).collect();
            assert!(round_trip(&text).await <= length + 1);
            let mut noise = vec![0; length];
            rand::rng().fill_bytes(&mut noise);
            assert_eq!(round_trip(&noise).await, length + 1, "what does not shrink stays raw");
        }
        assert!(round_trip(&vec![7; 1 << 20]).await < 200);
    }

    #[tokio::test]
    async fn a_bomb_is_corrupt_and_takes_no_more_than_it_claims() {
        let honest = shrunk(&vec![0; 8 << 20], 1).await.unwrap();
        for claim in [0, 1, 1000, (8 << 20) - 1, (8 << 20) + 1, u32::MAX] {
            let mut bomb = honest.to_vec();
            bomb[1..HEAD].copy_from_slice(&claim.to_le_bytes());
            assert_eq!(inflated(&bomb).await.unwrap_err().kind(), ErrorKind::Corrupt, "{claim}");
        }
    }

    #[tokio::test]
    async fn a_frame_that_asks_for_much_memory_is_corrupt_however_small_it_is() {
        let mut encoder = write::Encoder::new(vec![ZSTD, 200, 0, 0, 0], 1).unwrap();
        encoder.window_log(27).unwrap();
        encoder.write_all(&[7; 200]).unwrap();
        let greedy = encoder.finish().unwrap();
        assert!(greedy.len() < 64);
        assert_eq!(inflated(&greedy).await.unwrap_err().kind(), ErrorKind::Corrupt);
    }

    #[tokio::test]
    async fn no_level_that_can_be_chosen_asks_for_more_memory_than_reading_allows() {
        let value = vec![0; 9 << 20];
        for level in [1, 19] {
            let stored = shrunk(&value, level).await.unwrap();
            assert!(grown(&stored).await.unwrap() == value);
        }
    }

    #[tokio::test]
    async fn what_is_not_ours_is_corrupt() {
        let honest = shrunk(&[9; 500], 1).await.unwrap();
        for length in 1..honest.len() {
            assert_eq!(
                grown(&honest.slice(..length)).await.unwrap_err().kind(),
                ErrorKind::Corrupt,
                "{length}"
            );
        }
        let trailing = [&honest[..], b"x"].concat();
        for stored in [&b""[..], &[2, 3], &[ZSTD], &[ZSTD, 1, 0, 0, 0, 9], &trailing] {
            let stored = Bytes::copy_from_slice(stored);
            assert_eq!(grown(&stored).await.unwrap_err().kind(), ErrorKind::Corrupt, "{stored:?}");
        }
        assert_eq!(grown(&Bytes::from_static(&[RAW])).await.unwrap(), "");
    }
}
