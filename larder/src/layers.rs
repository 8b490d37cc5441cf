//! The wrappers that a URL asks for, in the one right order.

use std::time::Duration;

use kv_core::{AnyStore, Compression, Error, ErrorKind, Reserved, Result, Store, StoreExt};

use crate::foreign;
use crate::keys::Seal;
use crate::note::{self, Note, Noted};
use crate::scheme::{Scheme, Where};

/// How long one try at a server may take, unless the URL says otherwise.
const TIMEOUT: Duration = Duration::from_secs(2);
/// How many tries an operation on a server has, unless the URL says otherwise.
const TRIES: u64 = 3;
/// The longest that a copy near by is used.
const DAY: Duration = Duration::from_secs(86_400);
/// What a pause before a further try may add to the deadline over all.
const PAUSE: Duration = Duration::from_secs(1);

/// What stands around a backend of `scheme` whose URL asks for `given`. What nothing would do, and what is known to do
/// harm, is refused: no parameter is ignored.
pub(crate) fn checked(scheme: &Scheme, given: &Reserved) -> Result<Reserved> {
    let name = scheme.name;
    foreign::checked(scheme, given)?;
    if scheme.place != Where::Network {
        only_for_servers(name, given)?;
    }
    if scheme.place == Where::Process && given.namespace.is_some() && given.encrypt.is_none() {
        let why = "each open is a store of its own";
        return Err(invalid(format!("`namespace` sets nothing apart on `{name}`; leave it out: {why}")));
    }
    if given.key_file.is_some() && given.encrypt.is_none() {
        return Err(invalid("`key_file` alone encrypts nothing: add `encrypt=aead`"));
    }
    if given.compress.is_some() && !cfg!(feature = "compress") {
        return Err(lacks("compress"));
    }
    if given.encrypt.is_some() && !cfg!(feature = "encrypt") {
        return Err(lacks("encrypt"));
    }
    if given.near.is_some() && !cfg!(feature = "near") {
        return Err(lacks("near"));
    }
    if given.near.is_some_and(|near| near.is_zero() || near > DAY) {
        return Err(invalid("the parameter `near` must be between 1ms and a day; leave it out for none"));
    }
    let mut reserved = given.clone();
    if scheme.place == Where::Network {
        (reserved.timeout, reserved.retry) = tries(given)?;
    }
    Ok(reserved)
}

fn only_for_servers(name: &str, given: &Reserved) -> Result<()> {
    if given.retry.is_some_and(|tries| tries > 0) {
        let why = "what lies on this machine needs no second try";
        return Err(invalid(format!("`retry` does nothing for `{name}`; leave it out: {why}")));
    }
    if given.near.is_some() {
        let why = "what lies on this machine is near";
        return Err(invalid(format!("`near` does nothing for `{name}`; leave it out: {why}")));
    }
    if given.password_env.is_some() || given.password_file.is_some() {
        return Err(invalid(format!(
            "`{name}` has no password: leave out `password_env` and `password_file`"
        )));
    }
    Ok(())
}

/// The timeout of a try at a server, and how many there are. Without a timeout the first try never gives way to a second.
fn tries(given: &Reserved) -> Result<(Option<Duration>, Option<u64>)> {
    let timeout = given.timeout.unwrap_or(TIMEOUT);
    match given.retry {
        Some(tries) if tries > 1 && timeout.is_zero() => Err(invalid(
            "`retry` needs a limit for each try: leave out `timeout=0`, or turn both off with `timeout=0&retry=0`",
        )),
        Some(tries) => Ok((Some(timeout), Some(tries))),
        None if timeout.is_zero() => Ok((Some(timeout), None)),
        None => Ok((Some(timeout), Some(TRIES))),
    }
}

/// Outermost first: tracing, metrics, ttl, near, retry, timeout, prefix, compress, encrypt, the backend.
///
/// `note` is what the backend says of itself.
pub(crate) fn around(backend: impl Store, reserved: &Reserved, seal: Option<Seal>, note: &Note) -> AnyStore {
    let is_asked_later = *note == Note::Unknown;
    if seal.is_none() && !is_asked_later && reserved.compress.is_none() && reserved.prefix.is_none() {
        return tried(backend, reserved); // most stores: nothing in between, nothing boxed
    }
    let mut store = match seal {
        Some(seal) => seal.noted(backend, note::place(reserved), note).erased(),
        None if is_asked_later => Noted::new(backend, note::place(reserved), None, note).erased(),
        None => backend.erased(),
    };
    if let Some(compression) = reserved.compress {
        store = compressed(store, compression);
    }
    if let Some(prefix) = &reserved.prefix {
        store = store.prefixed(prefix).erased();
    }
    tried(store, reserved)
}

fn tried(store: impl Store, reserved: &Reserved) -> AnyStore {
    let limit = reserved.timeout.filter(|limit| !limit.is_zero());
    let tries = u32::try_from(reserved.retry.unwrap_or(0)).unwrap_or(u32::MAX);
    match limit {
        Some(limit) if tries > 1 => {
            let deadline = limit.saturating_add(PAUSE).saturating_mul(tries);
            let retried = store.timeout(limit).retried().tries(tries).deadline(deadline);
            near(retried.deadline_between_tries(), reserved)
        }
        Some(limit) => near(store.timeout(limit), reserved),
        None => near(store, reserved),
    }
}

fn near(store: impl Store, reserved: &Reserved) -> AnyStore {
    #[cfg(feature = "near")]
    if let Some(ttl) = reserved.near {
        return kept(kv_cache::NearCache::new(store, &kv_cache::Near::default().ttl(ttl)), reserved);
    }
    kept(store, reserved) // without the feature `checked` has refused it
}

fn kept(store: impl Store, reserved: &Reserved) -> AnyStore {
    match reserved.ttl {
        Some(ttl) => watched(store.default_ttl(ttl)),
        None => watched(store),
    }
}

fn watched(store: impl Store) -> AnyStore {
    #[cfg(feature = "metrics")]
    let store = store.metered();
    #[cfg(feature = "tracing")]
    let store = store.traced();
    store.erased()
}

#[cfg(feature = "compress")]
fn compressed(store: AnyStore, compression: Compression) -> AnyStore {
    let Compression::Zstd = compression else { return store };
    store.compressed().erased()
}

#[cfg(not(feature = "compress"))]
fn compressed(store: AnyStore, _: Compression) -> AnyStore {
    store // `checked` has refused it
}

pub(crate) fn lacks(feature: &str) -> Error {
    Error::new(
        ErrorKind::Unsupported,
        format!("this build lacks the feature `{feature}` of the crate larder"),
    )
}

pub(crate) fn invalid(message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::Invalid, message)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use kv_core::testing::{Fault, Faults, Faulty, ReferenceStore};
    use kv_core::{AnyStore, Clock, Error, ErrorKind, Key, NewEntry, PutMode, Reserved, Store, StoreUrl};
    use tokio::time::Instant;

    use super::{around, checked};
    use crate::note::Note;
    use crate::scheme::Scheme;

    const A: Key<'static> = Key::new("c", "a");

    fn reserved(query: &str) -> Result<Reserved, Error> {
        let url = StoreUrl::parse(&format!("redis://host/0?{query}")).unwrap();
        checked(Scheme::named("redis"), url.reserved())
    }

    /// A server's store as this query wraps it, and its faults.
    fn server(query: &str) -> (AnyStore, Faults) {
        let faults = Faults::none();
        let backend = Faulty::new(ReferenceStore::new(&Clock::manual()), &faults);
        (around(backend, &reserved(query).unwrap(), None, &Note::Missing), faults)
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_has_three_tries_of_two_seconds_each() {
        for query in ["", "prefix=p", "ttl=1h&prefix=p"] {
            let (store, faults) = server(query);
            faults.next("get", Fault::hanging()).next("get", Fault::refused(ErrorKind::Unavailable));
            let before = Instant::now();
            assert!(store.get(A).await.unwrap().is_none(), "{query}");
            assert!(before.elapsed() > Duration::from_secs(2) && before.elapsed() < Duration::from_secs(3));
            faults.always("get", Fault::hanging());
            assert_eq!(store.get(A).await.unwrap_err().kind(), ErrorKind::Timeout);
            assert_eq!(faults.calls(), ["get"; 6], "{query}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn retry_and_timeout_are_what_the_url_says() {
        for (query, calls, seconds) in [
            ("retry=0", 1, 2),
            ("retry=1", 1, 2),
            ("retry=2", 2, 4),
            ("retry=2&timeout=5s", 2, 10),
            ("timeout=100ms", 3, 0),
        ] {
            let (store, faults) = server(query);
            faults.always("get", Fault::hanging());
            let before = Instant::now();
            assert_eq!(store.get(A).await.unwrap_err().kind(), ErrorKind::Timeout, "{query}");
            assert_eq!((faults.calls().len(), before.elapsed().as_secs()), (calls, seconds), "{query}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_timeout_of_zero_turns_both_off() {
        let (store, faults) = server("timeout=0");
        faults.next("get", Fault::refused(ErrorKind::Unavailable));
        assert!(store.get(A).await.is_err());
        faults.next("get", Fault::delayed(Duration::from_secs(3_600)));
        assert!(store.get(A).await.is_ok());
    }

    #[tokio::test]
    async fn a_server_that_could_not_be_asked_for_its_note_is_asked_before_the_first_write() {
        for (query, place) in [("", ".larder"), ("prefix=p", "p/.larder"), ("prefix=", "/.larder")] {
            let backend = ReferenceStore::new(&Clock::manual());
            let note = NewEntry::new(kv_core::note::naming("01abcdef"));
            backend.put(Key::new(place, "seal"), note, PutMode::Create).await.unwrap();
            let asked = around(backend.clone(), &reserved(query).unwrap(), None, &Note::Missing);
            asked.put(A, NewEntry::new("x"), PutMode::Create).await.unwrap();
            let unasked = around(backend, &reserved(query).unwrap(), None, &Note::Unknown);
            let refused = unasked.put(A, NewEntry::new("y"), PutMode::Replace).await.unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::Invalid, "{query}");
            assert_eq!(unasked.get(A).await.unwrap().unwrap().value, "x");
        }
    }

    /// Each order of `rest` behind `begun`.
    fn orders(begun: &[&'static str], rest: &[&'static str]) -> Vec<String> {
        if rest.is_empty() {
            return vec![begun.join("&")];
        }
        let behind = |(at, next): (usize, &&'static str)| {
            let left: Vec<_> =
                rest.iter().enumerate().filter(|(other, _)| *other != at).map(|(_, left)| *left).collect();
            orders(&[begun, &[*next]].concat(), &left)
        };
        rest.iter().enumerate().flat_map(behind).collect()
    }

    /// A wrapper, and what asks for it in a URL; in the order of `around`, the outermost first.
    const WRAPPERS: [(bool, &str, &str); 7] = [
        (true, "TtlPolicy", "ttl=1h"),
        (cfg!(feature = "near"), "NearCache", "near=5s"),
        (true, "Retry", "retry=2"),
        (true, "Timeout", "timeout=1s"),
        (true, "Prefix", "prefix=p"),
        (cfg!(feature = "compress"), "Compress", "compress=zstd"),
        (cfg!(feature = "encrypt"), "Encrypted", "encrypt=aead"),
    ];

    #[tokio::test]
    async fn the_wrappers_stand_in_one_order_however_the_url_is_written() {
        #[cfg(feature = "encrypt")]
        let seal = || Some(crate::keys::Seal::of_bytes(&[1]));
        #[cfg(not(feature = "encrypt"))]
        let seal = || None;
        let built = || WRAPPERS.iter().filter(|(is_built, ..)| *is_built);
        let watching = [(cfg!(feature = "tracing"), "Traced"), (cfg!(feature = "metrics"), "Metered")];
        let watching = watching.into_iter().filter_map(|(is_built, name)| is_built.then_some(name));
        let stack: Vec<_> = watching.chain(built().map(|(_, name, _)| *name)).chain(["Faulty"]).collect();
        let asked: Vec<_> = built().map(|(_, _, asked)| *asked).collect();
        let orders = orders(&[], &asked);
        assert_eq!(orders.len(), (1..=asked.len()).product::<usize>());
        for query in orders {
            let backend = Faulty::new(ReferenceStore::new(&Clock::manual()), &Faults::none());
            let shown = format!("{:?}", around(backend, &reserved(&query).unwrap(), seal(), &Note::Missing));
            let places: Vec<_> = stack.iter().map(|name| shown.find(&format!("{name} {{"))).collect();
            assert!(
                places.iter().all(Option::is_some) && places.is_sorted(),
                "{query}: {stack:?} in {shown}"
            );
        }
    }

    #[cfg(feature = "near")]
    #[tokio::test]
    async fn a_near_tier_stands_between_ttl_and_retry() {
        for query in ["near=5s&ttl=1h&retry=2", "retry=2&ttl=1h&near=5s"] {
            let (store, faults) = server(query);
            let shown = format!("{store:?}");
            let places: Vec<_> =
                ["TtlPolicy", "NearCache", "Retry", "Timeout"].iter().map(|name| shown.find(name)).collect();
            assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{shown}");
            store.put(A, NewEntry::new("v"), PutMode::Replace).await.unwrap();
            for _ in 0..40 {
                assert!(store.get(A).await.unwrap().is_some());
                tokio::task::yield_now().await; // until what the store tells is followed
            }
            let gets = faults.calls().iter().filter(|call| **call == "get").count();
            assert!((1..5).contains(&gets), "{gets} reads reached the store");
        }
    }

    #[test]
    fn a_near_tier_that_could_keep_nothing_or_too_long_is_refused() {
        for query in ["near=0s", "near=25h"] {
            let error = reserved(query).unwrap_err();
            let expected = if cfg!(feature = "near") { ErrorKind::Invalid } else { ErrorKind::Unsupported };
            assert_eq!(error.kind(), expected, "{query}");
            assert!(error.message().contains("`near`"), "{error}");
        }
        let url = StoreUrl::parse("memory://?near=5s").unwrap();
        assert!(checked(Scheme::named("memory"), url.reserved()).is_err(), "it is near");
    }

    #[test]
    fn tries_without_a_limit_for_each_are_refused() {
        let error = reserved("retry=3&timeout=0").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.message().contains("`timeout=0&retry=0`"), "{error}");
        assert!(reserved("retry=0&timeout=0").is_ok() && reserved("retry=1&timeout=0").is_ok());
    }

    #[test]
    fn a_password_may_stand_elsewhere_for_a_server() {
        assert!(reserved("password_env=PW").is_ok() && reserved("password_file=/pw").is_ok());
    }
}
