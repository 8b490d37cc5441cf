//! A sealed value opens where it was put, unchanged, and nowhere else.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::common::{CIPHERS, KEY, bottom, put, raw, read_as, ring, sealed_by, tagged};
use bytes::Bytes;
use kv_core::{ErrorKind, Key, Meta, NewEntry, Outcome, PutMode, Scan, Store, StoreExt as _};
use kv_encrypt::{Cipher, EncryptExt as _, Encrypted, KeyRing, Mode, SecretKey};

#[tokio::test]
async fn what_was_put_comes_back_and_the_backend_never_sees_it() {
    for cipher in CIPHERS {
        for length in [0, 1, 15, 16, 31, 32, 33, 200, 4_096, 100_000] {
            let bottom = bottom();
            let store = sealed_by(&bottom, &[1], cipher);
            let value = Bytes::from(vec![b'x'; length]);
            put(&store, KEY, value.clone(), tagged()).await;
            let found = store.get(KEY).await.unwrap().unwrap();
            assert_eq!((found.value, found.meta), (value.clone(), tagged()));
            let held = raw(&bottom, KEY).await;
            assert_eq!((held.version, held.meta), (found.version, tagged()));
            assert!(
                length < 15
                    || !held.value.windows(length.min(32)).any(|part| part == &value[..length.min(32)])
            );
        }
    }
}

#[tokio::test]
async fn equal_values_are_sealed_differently_each_time() {
    for cipher in CIPHERS {
        let bottom = bottom();
        let store = sealed_by(&bottom, &[1], cipher);
        let mut seen = BTreeSet::new();
        for _ in 0..100 {
            put(&store, KEY, "same", Meta::default()).await;
            assert!(seen.insert(raw(&bottom, KEY).await.value));
        }
    }
}

#[tokio::test]
async fn a_flipped_bit_anywhere_in_the_stored_value_is_an_error() {
    for cipher in CIPHERS {
        // Lengths with two, one and no padding characters in the Fernet token.
        for length in [0, 16, 32, 60] {
            let bottom = bottom();
            let store = sealed_by(&bottom, &[1, 2], cipher);
            put(&store, KEY, vec![7; length], tagged()).await;
            let good = raw(&bottom, KEY).await.value;
            for bit in 0..good.len() * 8 {
                let mut bad = good.to_vec();
                bad[bit / 8] ^= 1 << (bit % 8);
                let error = read_as(&store, &bottom, bad.into(), tagged()).await.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Corrupt, "bit {bit} of {cipher:?}");
                assert_eq!((error.operation(), error.key()), (Some("get"), Some("tokens/alice")));
            }
            assert_eq!(read_as(&store, &bottom, good, tagged()).await.unwrap().len(), length);
        }
    }
}

#[tokio::test]
async fn a_value_cut_short_or_prolonged_is_an_error() {
    for cipher in CIPHERS {
        let bottom = bottom();
        let store = sealed_by(&bottom, &[1], cipher);
        put(&store, KEY, "a value of some length", Meta::default()).await;
        let good = raw(&bottom, KEY).await.value;
        let cut = (0..good.len()).map(|length| good.slice(..length));
        let longer = [good.iter().copied().chain([0]).collect(), good.iter().copied().chain(*b"A").collect()];
        for bad in cut.chain(longer) {
            // A Fernet token without its padding is the same token, not another one.
            if cipher == Cipher::Fernet
                && good
                    .iter()
                    .rev()
                    .skip_while(|b| **b == b'=')
                    .eq(bad.iter().rev().skip_while(|b| **b == b'='))
            {
                continue;
            }
            let error = read_as(&store, &bottom, bad, Meta::default()).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt);
        }
    }
}

#[tokio::test]
async fn a_changed_meta_is_an_error() {
    for cipher in CIPHERS {
        let bottom = bottom();
        let store = sealed_by(&bottom, &[1], cipher);
        put(&store, KEY, "value", tagged()).await;
        let good = raw(&bottom, KEY).await.value;
        let mut others = vec![Meta::default(), Meta::codec(1)];
        others.extend((0..16).map(|bit| recoded(1 ^ (1 << bit))));
        for bit in 0..128 {
            let mut other = tagged();
            other.tags[0].1[bit / 8] ^= 1 << (bit % 8);
            others.push(other);
        }
        others.push({
            let mut other = tagged();
            other.tags[0].0 = "user".into();
            other
        });
        others.push({
            let mut other = tagged();
            other.tags.push(("more".into(), [0; 16]));
            other
        });
        for other in others {
            let error = read_as(&store, &bottom, good.clone(), other).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt);
        }
        assert_eq!(read_as(&store, &bottom, good, tagged()).await.unwrap(), "value");
    }
}

fn recoded(codec: u16) -> Meta {
    let mut meta = tagged();
    meta.codec = codec;
    meta
}

#[tokio::test]
async fn a_value_moved_to_another_id_or_collection_does_not_open() {
    for cipher in CIPHERS {
        let bottom = bottom();
        let store = sealed_by(&bottom, &[1], cipher);
        put(&store, KEY, "alice's", Meta::default()).await;
        let value = raw(&bottom, KEY).await.value;
        let mut places = vec![
            Key::new("tokens", "bob"),
            Key::new("tokens", ""),
            Key::new("codes", "alice"),
            Key::new("app/tokens", "alice"), // as a prefix would name it
            Key::new("token", "salice"),
            Key::new("tokensalice", ""),
            Key::new("", "tokensalice"),
        ];
        let flipped: Vec<String> = (0..5 * 8)
            .map(|bit| {
                let mut id = b"alice".to_vec();
                id[bit / 8] ^= 1 << (bit % 8);
                String::from_utf8_lossy(&id).into_owned()
            })
            .collect();
        places.extend(flipped.iter().map(|id| Key::new("tokens", id)));
        for place in places {
            put(&bottom, place, value.clone(), Meta::default()).await;
            assert_eq!(store.get(place).await.unwrap_err().kind(), ErrorKind::Corrupt, "{place:?}");
        }
    }
}

#[tokio::test]
async fn a_value_moved_to_another_prefix_does_not_open() {
    for cipher in CIPHERS {
        let bottom = bottom();
        let app = sealed_by(&bottom, &[1], cipher).prefixed("app-one");
        let other = sealed_by(&bottom, &[1], cipher).prefixed("app-two");
        let bare = sealed_by(&bottom, &[1], cipher);
        put(&app, KEY, "value", Meta::default()).await;
        let held = bottom.scan(Scan::under("").values(), None).await.unwrap().items.remove(0).entry.unwrap();
        put(&bottom.clone().prefixed("app-two"), KEY, held.value.clone(), Meta::default()).await;
        put(&bottom, KEY, held.value, Meta::default()).await;
        assert_eq!(app.get(KEY).await.unwrap().unwrap().value, "value");
        for moved in [other.get(KEY).await, bare.get(KEY).await] {
            assert_eq!(moved.unwrap_err().kind(), ErrorKind::Corrupt);
        }
    }
}

#[tokio::test]
async fn what_was_compressed_before_encryption_came_can_be_migrated() {
    let bottom = bottom();
    let value = Bytes::from("words and words and ".repeat(100));
    put(&bottom.clone().compressed(), KEY, value.clone(), Meta::default()).await;
    let held = raw(&bottom, KEY).await.value;
    assert_eq!(held[0], 1, "the mark of a compressed frame is that of a sealed value");
    let strict = sealed_by(&bottom, &[1], Cipher::Aead);
    assert_eq!(strict.clone().compressed().get(KEY).await.unwrap_err().kind(), ErrorKind::Corrupt);
    let migrating = strict.clone().mode(Mode::Migration);
    assert_eq!(migrating.clone().compressed().get(KEY).await.unwrap().unwrap().value, value);
    assert_eq!(migrating.rotate(|_| ()).await.unwrap().rotated, 1);
    assert_eq!(strict.compressed().get(KEY).await.unwrap().unwrap().value, value);
}

#[tokio::test]
async fn a_value_of_another_context_does_not_open() {
    for cipher in CIPHERS {
        let bottom = bottom();
        put(&sealed_by(&bottom, &[1], cipher), KEY, "value", Meta::default()).await;
        for context in ["", "ct", "ctxx", "CTX"] {
            let other = Encrypted::new(bottom.clone(), ring(&[1])).context(context);
            assert_eq!(other.get(KEY).await.unwrap_err().kind(), ErrorKind::Corrupt);
        }
    }
}

#[tokio::test]
async fn a_value_under_a_foreign_key_is_an_error() {
    for cipher in CIPHERS {
        let bottom = bottom();
        put(&sealed_by(&bottom, &[1], cipher), KEY, "value", Meta::default()).await;
        let stranger = sealed_by(&bottom, &[2, 3], cipher);
        assert_eq!(stranger.get(KEY).await.unwrap_err().kind(), ErrorKind::Corrupt);
        let page = stranger.scan(Scan::under("").values(), None).await;
        assert_eq!(page.unwrap_err().kind(), ErrorKind::Corrupt);
        assert_eq!(stranger.scan(Scan::under(""), None).await.unwrap().items.len(), 1);
    }
}

#[tokio::test]
async fn a_scan_passes_over_what_does_not_open_where_that_is_asked_for() {
    let bottom = bottom();
    for (key, id) in [(1, "a"), (2, "b"), (1, "c")] {
        put(&sealed_by(&bottom, &[key], Cipher::Aead), Key::new("c", id), id, Meta::default()).await;
    }
    let store = sealed_by(&bottom, &[1], Cipher::Aead);
    let page = store.scan(Scan::one("c").values().skip_damaged(), None).await.unwrap();
    let ids: Vec<_> = page.items.iter().map(|item| (&*item.id, item.entry.is_some())).collect();
    assert_eq!(ids, [("a", true), ("c", true)]);
    let [damaged] = &page.damaged[..] else { panic!("{:?}", page.damaged) };
    assert_eq!((damaged.key(), damaged.error.kind()), (Some(Key::new("c", "b")), ErrorKind::Corrupt));
}

#[tokio::test]
async fn every_key_of_the_ring_opens_and_both_forms_are_read_in_either() {
    let bottom = bottom();
    for (index, cipher) in [(1, Cipher::Aead), (2, Cipher::Fernet), (3, Cipher::Aead), (4, Cipher::Fernet)] {
        let id = index.to_string();
        put(&sealed_by(&bottom, &[index], cipher), Key::new("c", &id), id.clone(), Meta::default()).await;
    }
    for cipher in CIPHERS {
        let all = sealed_by(&bottom, &[9, 1, 2, 3, 4], cipher);
        let page = all.scan(Scan::one("c").values(), None).await.unwrap();
        let found: Vec<_> = page.items.into_iter().map(|item| (item.id, item.entry.unwrap().value)).collect();
        assert_eq!(found.len(), 4);
        assert!(found.iter().all(|(id, value)| id.as_bytes() == value));
    }
}

#[tokio::test]
async fn plaintext_is_refused_unless_a_migration_is_on() {
    for cipher in CIPHERS {
        let bottom = bottom();
        let strict = sealed_by(&bottom, &[1], cipher);
        let migrating = sealed_by(&bottom, &[1], cipher).mode(Mode::Migration);
        let zstd = Bytes::from_static(
            b"\x01\x00\x00\x01\x00\x28\xb5\x2f\xfd and some more compressed bytes, many of them",
        );
        for plain in [Bytes::new(), Bytes::from_static(b"{}"), Bytes::from_static(b"\0raw"), zstd] {
            let error = read_as(&strict, &bottom, plain.clone(), Meta::default()).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt);
            assert_eq!(read_as(&migrating, &bottom, plain.clone(), Meta::default()).await.unwrap(), plain);
        }
    }
}

#[tokio::test]
async fn an_unbound_token_opens_only_in_a_migration() {
    let key = SecretKey::generate().unwrap();
    let engine = fernet::Fernet::new(&key.to_text()).unwrap();
    let ring = KeyRing::new([key]).unwrap();
    for plain in ["", "short", "longer than the thirty-two bytes of a hash, by far"] {
        let bottom = bottom();
        let token = Bytes::from(engine.encrypt(plain.as_bytes()));
        let strict = bottom.clone().encrypted(ring.clone());
        let error = read_as(&strict, &bottom, token.clone(), Meta::default()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        let migrating = bottom.clone().encrypted(ring.clone()).mode(Mode::Migration);
        assert_eq!(read_as(&migrating, &bottom, token, Meta::default()).await.unwrap(), plain);
    }
}

#[tokio::test]
async fn a_sealed_value_that_does_not_open_is_no_plaintext_in_a_migration_either() {
    for cipher in CIPHERS {
        let bottom = bottom();
        put(&sealed_by(&bottom, &[1], cipher), KEY, "value", Meta::default()).await;
        let stranger = sealed_by(&bottom, &[2], cipher).mode(Mode::Migration);
        assert_eq!(stranger.get(KEY).await.unwrap_err().kind(), ErrorKind::Corrupt);
    }
}

#[tokio::test]
async fn a_token_stamped_in_the_future_opens() {
    let key = SecretKey::generate().unwrap();
    let engine = fernet::Fernet::new(&key.to_text()).unwrap();
    let bottom = bottom();
    let store = bottom.clone().encrypted(KeyRing::new([key]).unwrap()).mode(Mode::Migration);
    let token = Bytes::from(engine.encrypt_at_time(b"early", 4_000_000_000));
    assert_eq!(read_as(&store, &bottom, token, Meta::default()).await.unwrap(), "early");
}

#[tokio::test]
async fn a_take_that_does_not_open_says_that_the_entry_is_gone_and_is_never_repeated() {
    let bottom = bottom();
    let store = sealed_by(&bottom, &[1], Cipher::Aead);
    put(&bottom, KEY, "plain", Meta::default()).await;
    let error = store.take(KEY, None).await.unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Corrupt, Outcome::Unknown));
    assert!(error.message().ends_with("the entry was removed"), "{error}");
    assert_eq!(bottom.get(KEY).await.unwrap(), None);
}

#[tokio::test]
async fn batches_answer_for_each_entry_alone() {
    for cipher in CIPHERS {
        let bottom = bottom();
        let store = sealed_by(&bottom, &[1], cipher);
        let most = store.capabilities().max_value.unwrap();
        let keys = ["0", "1", "2", "3", "1"].map(|id| Key::new("c", id));
        let sizes = [10, 10, most + 1, 10, 20];
        let entries =
            keys.iter().zip(sizes).map(|(key, size)| (*key, NewEntry::new(vec![1; size]))).collect();
        let answers = store.put_many(entries).await.unwrap();
        let kinds = answers.iter().map(|answer| answer.as_ref().err().map(kv_core::Error::kind));
        assert!(kinds.eq([None, None, Some(ErrorKind::TooLarge), None, None]));
        put(&bottom, Key::new("c", "3"), "planted", Meta::default()).await;
        let found = store.get_many(&keys).await.unwrap();
        let lengths = found.iter().map(|answer| answer.as_ref().map(|e| e.as_ref().map(|e| e.value.len())));
        let lengths: Vec<_> = lengths.map(|length| length.map_err(kv_core::Error::kind)).collect();
        let expected = [Ok(Some(10)), Ok(Some(20)), Ok(None), Err(ErrorKind::Corrupt), Ok(Some(20))];
        assert_eq!(lengths, expected);
    }
}

#[tokio::test]
async fn the_largest_value_is_what_the_backend_takes_less_the_overhead() {
    for cipher in CIPHERS {
        let bottom = bottom();
        let store = sealed_by(&bottom, &[1], cipher);
        let most = store.capabilities().max_value.unwrap();
        assert!(most < bottom.capabilities().max_value.unwrap());
        put(&store, KEY, vec![0; most], Meta::default()).await;
        let larger = store.put(KEY, NewEntry::new(vec![1; most + 1]), PutMode::Replace).await;
        assert_eq!(larger.unwrap_err().kind(), ErrorKind::TooLarge);
        assert_eq!(store.get(KEY).await.unwrap().unwrap().value, vec![0; most]);
    }
}

/// On one thread, so that nobody else runs while a value is sealed or opened there.
#[tokio::test]
async fn others_run_while_a_large_value_is_sealed_and_opened() {
    let turns = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&turns);
    let others = tokio::spawn(async move {
        loop {
            counter.fetch_add(1, Ordering::Relaxed);
            tokio::task::yield_now().await;
        }
    });
    for cipher in CIPHERS {
        let store = Encrypted::new(kv_memory::MemoryStore::new(), ring(&[1])).cipher(cipher);
        let mut while_sealing = 0;
        let mut while_opening = 0;
        // A thread that is quick, or a machine that is slow, may be done before anybody asks: then nobody else had a turn.
        for _ in 0..50 {
            let before = turns.load(Ordering::Relaxed);
            put(&store, KEY, vec![7; 8 << 20], Meta::default()).await;
            let between = turns.load(Ordering::Relaxed);
            assert!(store.get(KEY).await.unwrap().unwrap().value == vec![7; 8 << 20]);
            while_sealing += between - before;
            while_opening += turns.load(Ordering::Relaxed) - between;
            if while_sealing > 0 && while_opening > 0 {
                break;
            }
        }
        assert!(while_sealing > 0, "nobody while sealing");
        assert!(while_opening > 0, "nobody while opening");
    }
    others.abort();
}

#[test]
fn without_a_runtime_large_values_are_sealed_and_opened_all_the_same() {
    let store = sealed_by(&bottom(), &[1], Cipher::Aead);
    let there_and_back = async {
        put(&store, KEY, vec![7; 1 << 20], Meta::default()).await;
        store.get(KEY).await.unwrap().unwrap().value
    };
    let mut future = std::pin::pin!(there_and_back);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let value = std::iter::repeat_with(|| future.as_mut().poll(&mut context)).find_map(|poll| match poll {
        std::task::Poll::Ready(value) => Some(value),
        std::task::Poll::Pending => None,
    });
    assert!(value.unwrap() == vec![7; 1 << 20]);
}

#[tokio::test]
async fn no_key_shows_in_anything_that_prints() {
    let secret = SecretKey::from_bytes(*b"0123456789abcdef0123456789abcdef");
    let text = secret.to_text();
    let printed_key = format!("{secret:?}");
    let bottom = bottom();
    let store = bottom.clone().encrypted(KeyRing::new([secret]).unwrap());
    put(&bottom, KEY, "gAAAAA-no-token", Meta::default()).await;
    let error = store.get(KEY).await.unwrap_err();
    let put_error = KeyRing::from_text(&format!("{}!", text.as_str())).unwrap_err();
    let printed = format!("{printed_key} {store:?} {store:#?} {error} {error:?} {put_error} {put_error:?}");
    for part in ["0123456789abcdef", &text[..8], "48, 49, 50", "3031"] {
        assert!(!printed.contains(part), "{part} in {printed}");
    }
}
