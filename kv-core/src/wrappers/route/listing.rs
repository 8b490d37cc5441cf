//! A listing of several stores: one after the other, the first one last.

use bytes::{BufMut, BytesMut};

use super::table::Table;
use crate::encoding::digest;
use crate::{Collections, Cursor, Error, ErrorKind, Page, Result, Scan, Store};

/// One page of `Under`, which several stores may have a part of. It is short where one store's part ends.
pub(super) async fn page<S: Store>(
    first: &S,
    table: &Table,
    scan: Scan<'_>,
    from: Option<&Cursor>,
) -> Result<Page> {
    scan.check()?;
    let start = match scan.collections {
        Collections::One(name) | Collections::Under(name) => name,
    };
    let digest = digest(&table.names().collect::<Vec<_>>(), &scan);
    let Position { place, within } = match from {
        None => Position { place: 0, within: None },
        Some(cursor) => Position::of(cursor, digest, table.len())?,
    };
    let part = table.rule(place).map(|rule| (rule.within(start), &rule.store));
    let page = match part {
        Some((Some(collections), store)) => store.scan(Scan { collections, ..scan }, within.as_ref()).await?,
        Some((None, _)) => Page::new(Vec::new(), None),
        None => first.scan(scan, within.as_ref()).await?,
    };
    let here = (place < table.len()).then_some(place);
    let items = page.items.into_iter().filter(|item| table.place_of(&item.collection) == here).collect();
    let of_here = |name: &(String, String)| table.place_of(&name.0) == here;
    let damaged =
        page.damaged.into_iter().filter(|damaged| damaged.name.as_ref().is_none_or(of_here)).collect();
    let next = match page.next {
        Some(within) => Some(Position { place, within: Some(within) }),
        None => here.map(|place| Position { place: place + 1, within: None }),
    };
    Ok(Page::new(items, next.map(|position| position.cursor(digest))).passed_over(damaged))
}

/// Where a listing stands: at a place of the table, or behind its last at the first store; and where in that store.
struct Position {
    place: usize,
    within: Option<Cursor>,
}

const FORMAT: u8 = 1;
const BEGINS: u8 = 0;
const GOES_ON: u8 = 1;

impl Position {
    /// `format 1 | digest 8 | place 4 | whether that store's cursor follows 1 | that cursor`
    fn cursor(&self, digest: [u8; 8]) -> Cursor {
        let mut bytes = BytesMut::new();
        bytes.put_u8(FORMAT);
        bytes.put_slice(&digest);
        bytes.put_u32(u32::try_from(self.place).unwrap_or(u32::MAX));
        bytes.put_u8(if self.within.is_some() { GOES_ON } else { BEGINS });
        if let Some(within) = &self.within {
            bytes.put_slice(within.as_bytes());
        }
        Cursor::from_bytes(bytes.freeze())
    }

    fn of(cursor: &Cursor, digest: [u8; 8], last: usize) -> Result<Self> {
        let invalid = || Error::new(ErrorKind::Invalid, "the cursor is not one of this scan").during("scan");
        let (head, rest) = cursor.as_bytes().split_first_chunk::<14>().ok_or_else(invalid)?;
        let [format, given @ .., a, b, c, d, mark] = *head;
        let place = usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or(usize::MAX);
        let within = match mark {
            BEGINS if rest.is_empty() => None,
            GOES_ON => Some(Cursor::from_bytes(rest.to_vec())),
            _ => return Err(invalid()),
        };
        if format != FORMAT || given != digest || place > last {
            return Err(invalid());
        }
        Ok(Self { place, within })
    }
}
