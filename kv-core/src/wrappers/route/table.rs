//! Which collection is kept in which store.

use std::sync::Arc;

use crate::{AnyStore, Capabilities, Collections, Consistency, Listing, RoundTrips};

/// The routes, in the order in which they were added. A route's place is its number in that order.
#[derive(Clone, Debug, Default)]
pub(super) struct Table(Arc<Vec<Rule>>);

#[derive(Clone, Debug)]
pub(super) struct Rule {
    name: Box<str>,
    whole: bool,
    pub(super) store: AnyStore,
}

impl Table {
    pub(super) fn add(&mut self, collections: Collections<'_>, store: AnyStore) {
        let (name, whole) = match collections {
            Collections::One(name) => (name, true),
            Collections::Under(start) => (start, false),
        };
        Arc::make_mut(&mut self.0).push(Rule { name: name.into(), whole, store });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The place of the route of this collection; `None` is the first store. Of equal routes the earlier one wins.
    pub(super) fn place_of(&self, collection: &str) -> Option<usize> {
        let fits = self.0.iter().enumerate().filter(|(_, rule)| rule.takes(collection));
        let better =
            |(place, rule): &(usize, &Rule)| (rule.whole, rule.name.len(), std::cmp::Reverse(*place));
        fits.max_by_key(better).map(|(place, _)| place)
    }

    pub(super) fn store_of(&self, collection: &str) -> Option<&AnyStore> {
        self.place_of(collection).and_then(|place| self.0.get(place)).map(|rule| &rule.store)
    }

    pub(super) fn stores(&self) -> impl Iterator<Item = &AnyStore> {
        self.0.iter().map(|rule| &rule.store)
    }

    pub(super) fn rule(&self, place: usize) -> Option<&Rule> {
        self.0.get(place)
    }

    /// What each route takes, in two words, so that no table has the words of another.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().flat_map(|rule| [if rule.whole { "one" } else { "under" }, &*rule.name])
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

impl Rule {
    fn takes(&self, collection: &str) -> bool {
        if self.whole { *self.name == *collection } else { collection.starts_with(&*self.name) }
    }

    /// What of the collections that begin with `start` this route can have.
    pub(super) fn within<'a>(&'a self, start: &'a str) -> Option<Collections<'a>> {
        match self.whole {
            true => self.name.starts_with(start).then_some(Collections::One(&self.name)),
            false if self.name.starts_with(start) => Some(Collections::Under(&self.name)),
            false => start.starts_with(&*self.name).then_some(Collections::Under(start)),
        }
    }
}

/// What two stores together can do and promise.
pub(super) fn weakest(one: &Capabilities, other: &Capabilities) -> Capabilities {
    let RoundTrips { get, replace, create, update, take } = other.round_trips;
    let lists = one.scan != Listing::No && other.scan != Listing::No;
    Capabilities {
        scan: if lists { Listing::Unordered } else { Listing::No },
        evicts: one.evicts || other.evicts,
        durable: one.durable && other.durable,
        exclusive: one.exclusive && other.exclusive,
        consistency: weaker(one.consistency, other.consistency),
        reads_ahead: one.reads_ahead || other.reads_ahead,
        reads_elsewhere: one.reads_elsewhere || other.reads_elsewhere,
        max_value: one.max_value.into_iter().chain(other.max_value).min(),
        read_batch: one.read_batch.min(other.read_batch),
        write_batch: one.write_batch.min(other.write_batch),
        signals: one.signals && other.signals,
        changes: one.changes && other.changes,
        writable: one.writable && other.writable,
        round_trips: RoundTrips {
            get: one.round_trips.get.max(get),
            replace: one.round_trips.replace.max(replace),
            create: one.round_trips.create.max(create),
            update: one.round_trips.update.max(update),
            take: one.round_trips.take.max(take),
        },
        ..one.clone()
    }
}

fn weaker(one: Consistency, other: Consistency) -> Consistency {
    match (one, other) {
        (Consistency::Linearizable, Consistency::Linearizable) => Consistency::Linearizable,
        (Consistency::BestEffort, _) | (_, Consistency::BestEffort) => Consistency::BestEffort,
        _ => Consistency::UntilFailover,
    }
}
