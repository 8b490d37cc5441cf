//! Pages that were joined before: bytes only, shared by every request that sees the same.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::{PoisonError, RwLock};

use super::component::Component;
use super::cursor;
use super::shelf::{Shelf, Visible, sees};
use crate::protocol::{ListKind, ListPage, WireForm, rendered};
use crate::{Rendered, Reply};

/// What a page depends on, beside the components themselves.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Address {
    kind: ListKind,
    form: WireForm,
    start: usize,
    visible: Visible,
}

#[derive(Default)]
pub(super) struct Pages(RwLock<HashMap<Address, Rendered>>);

impl Pages {
    /// How many pages are kept. Beyond, all are forgotten: rights may differ from user to user.
    const MAX: usize = 64;

    /// The page that begins at `start`, as the object of a result.
    pub(super) fn get_or_join<T: Component>(
        &self,
        components: &Shelf<T>,
        form: WireForm,
        start: usize,
        visible: Visible,
        size: Option<NonZeroUsize>,
    ) -> Rendered {
        let address = Address { kind: T::KIND, form, start, visible };
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner).get(&address).cloned();
        known.unwrap_or_else(|| {
            let page = joined(components, &address, size);
            self.keep(address, page.clone());
            page
        })
    }

    fn keep(&self, address: Address, page: Rendered) {
        let mut pages = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if pages.len() >= Self::MAX {
            pages.clear();
        }
        pages.insert(address, page);
    }
}

fn joined<T: Component>(shelf: &Shelf<T>, address: &Address, size: Option<NonZeroUsize>) -> Rendered {
    let size = size.map_or(usize::MAX, NonZeroUsize::get);
    let mut rest = shelf.entries().enumerate().skip(address.start);
    let mut seen = rest.by_ref().filter(|(index, _)| sees(&address.visible, *index)).map(|(_, entry)| entry);
    let page: Vec<_> = seen.by_ref().take(size).collect();
    let last = page.last().filter(|_| seen.next().is_some());
    let next_cursor = last.map(|entry| cursor::encode(T::KIND, &entry.order));
    let items = page.iter().map(|entry| entry.definition(address.form).clone()).collect();
    let reply = Reply::List(ListPage::new(T::KIND, items, next_cursor));
    rendered(&reply, address.form)
}
