//! Listing: `SCAN` on one master after the other, in no order, each entry at least once.

use std::time::{Duration, Instant};

use kv_core::each::Pause;
use kv_core::{Cursor, Entry, Item, Key, Page, Result, Scan};
use redis::{Cmd, Value};

use crate::batch::{Asked, BYTES_A_TURN};
use crate::digest::Digest;
use crate::error::nonsense;
use crate::names::is_listed;
use crate::store::Inner;
use crate::wire;

mod ground;
mod position;

use ground::Ground;
use position::Position;

/// A page that found less after so many round trips is handed out short, ..
const TRIPS: usize = 64;
/// .. and so is one that takes longer: it must be there before its caller gives up, or the next try would begin where this
/// one did.
const LONGEST: Duration = Duration::from_secs(1);
/// The server looks at so many keys a round trip at most.
const MOST_LOOKED_AT: usize = 1_000;
/// Values are fetched in groups of so many at first, then of what fits by their size.
const FIRST_GROUP: usize = 16;

impl Inner {
    pub(crate) async fn page(&self, scan: Scan<'_>, from: Option<&Cursor>) -> Result<Page> {
        scan.check()?;
        let begun = Instant::now();
        let identity = self.identity(&scan);
        let start = from.map(|cursor| Position::read(cursor, identity)).transpose()?;
        let ground = self.ground().await?;
        let mut position = start.unwrap_or_else(|| Position::first(ground.digest));
        ground.is_that_of(position.ground)?;
        let found = self.names(&scan, &ground, begun, &mut position).await?;
        let mut page = Page::new(Vec::new(), None);
        if scan.values {
            self.values(&scan, found, begun, &mut position, &mut page).await?;
        } else {
            page.items = found.into_iter().filter_map(|key| self.item(&key, None)).collect();
        }
        let more = !position.rest.is_empty() || usize::from(position.node) < ground.masters.len();
        page.next = more.then(|| position.cursor(identity));
        if !more {
            // What moved behind the scan's back meanwhile would be missing without a word.
            self.ground().await?.is_that_of(ground.digest)?;
        }
        Ok(page)
    }

    /// Stored keys that the scan lists, at most its limit; what came beyond that stays in the position.
    async fn names(
        &self,
        scan: &Scan<'_>,
        ground: &Ground,
        begun: Instant,
        position: &mut Position,
    ) -> Result<Vec<Vec<u8>>> {
        let mut found = std::mem::take(&mut position.rest);
        found.retain(|key| self.lists(scan, key)); // a cursor is not trusted to stay within its scan
        let pattern = self.names.pattern(scan);
        let mut looked_at = scan.limit.max(10);
        let mut pause = Pause::every(BYTES_A_TURN);
        for trip in 0..TRIPS {
            let Some((node, live)) = ground.masters.get(usize::from(position.node)) else { break };
            if found.len() >= scan.limit || trip > 0 && begun.elapsed() >= LONGEST {
                break;
            }
            let cmd = command(position.cursor, &pattern, looked_at);
            let (next, keys) = listed(node.link.send_on(live.clone(), &cmd).await?)?;
            if keys.is_empty() {
                looked_at = (looked_at * 4).min(MOST_LOOKED_AT);
            }
            for key in keys {
                pause.after(key.len()).await;
                if self.lists(scan, &key) {
                    found.push(key);
                }
            }
            position.cursor = next;
            if next == 0 {
                position.node += 1;
            }
        }
        position.rest = found.split_off(found.len().min(scan.limit));
        Ok(found)
    }

    /// Puts the entries under the keys on the page, until it is full; the keys behind it go back to the position.
    async fn values(
        &self,
        scan: &Scan<'_>,
        mut keys: Vec<Vec<u8>>,
        begun: Instant,
        position: &mut Position,
        page: &mut Page,
    ) -> Result<()> {
        let (mut bytes, mut group) = (0, FIRST_GROUP);
        let mut has_time = true; // for the first group, whatever it took to find it
        while !keys.is_empty() && bytes < Scan::MAX_PAGE_BYTES && has_time {
            let later = keys.split_off(group.min(keys.len()));
            let entries = self.entries(&keys).await?;
            let read = entries.len();
            let mut fit = 0;
            for (key, entry) in keys.iter().zip(entries) {
                if bytes >= Scan::MAX_PAGE_BYTES {
                    break;
                }
                fit += 1;
                match entry {
                    Ok(Some(entry)) => {
                        bytes += entry.value.len();
                        page.items.extend(self.item(key, Some(entry)));
                    }
                    Ok(None) => {}
                    Err(e) => {
                        let names = self.names.parse(key);
                        let name = names.as_ref().map(|(collection, id)| Key::new(collection, id));
                        page.damaged.push(scan.pass_over(name, e)?);
                    }
                }
            }
            let unfit = keys.split_off(fit);
            keys = unfit.into_iter().chain(later).collect();
            has_time = begun.elapsed() < LONGEST;
            let each = (bytes / page.items.len().max(1)).max(1);
            group = (Scan::MAX_PAGE_BYTES.saturating_sub(bytes) / each).clamp(1, read.max(FIRST_GROUP) * 4);
        }
        keys.append(&mut position.rest);
        position.rest = keys;
        Ok(())
    }

    async fn entries(&self, keys: &[Vec<u8>]) -> Result<Vec<Result<Option<Entry>>>> {
        let asked = keys.iter().enumerate().map(|(place, key)| Asked { place, key: key.clone() });
        let mut answers = self.read_stored(asked.collect()).await;
        answers.sort_unstable_by_key(|(place, _)| *place);
        Ok(answers.into_iter().map(|(_, answer)| answer).collect())
    }

    fn lists(&self, scan: &Scan<'_>, key: &[u8]) -> bool {
        self.names.parse(key).is_some_and(|(collection, id)| is_listed(scan, &collection, id))
    }

    fn item(&self, key: &[u8], entry: Option<Entry>) -> Option<Item> {
        let (collection, id) = self.names.parse(key)?;
        Some(Item::new(&*collection, id, entry))
    }

    /// What makes a cursor this scan's: whose namespace, which collections, which prefix.
    fn identity(&self, scan: &Scan<'_>) -> [u8; 8] {
        let mut digest = Digest::default();
        digest.add(&self.names.pattern(scan));
        digest.add(match scan.collections {
            kv_core::Collections::One(_) => b"1",
            kv_core::Collections::Under(_) => b"*",
        });
        digest.0.to_be_bytes()
    }
}

fn command(cursor: u64, pattern: &[u8], looked_at: usize) -> Cmd {
    let mut cmd = Cmd::new();
    cmd.arg("SCAN").arg(cursor).arg("MATCH").arg(pattern).arg("COUNT").arg(looked_at);
    cmd
}

/// The next cursor and the keys in the answer to `SCAN`.
fn listed(answer: Value) -> Result<(u64, Vec<Vec<u8>>)> {
    let mut parts = wire::many(answer, 2)?.into_iter();
    let next =
        parts.next().as_ref().and_then(wire::text).and_then(|text| text.parse().ok()).ok_or_else(nonsense)?;
    let Some(Value::Array(keys)) = parts.next() else { return Err(nonsense()) };
    let key = |key| match key {
        Value::BulkString(key) => Ok(key),
        _ => Err(nonsense()),
    };
    Ok((next, keys.into_iter().map(key).collect::<Result<_>>()?))
}
