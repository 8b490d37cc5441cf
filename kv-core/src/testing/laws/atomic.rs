//! Laws 1, 3 and the operations: what is acknowledged is seen, conditions hold, and races have one winner.

use std::collections::HashSet;

use crate::testing::tools::{LAWS, empty, ms, number, race, refused, siblings};
use crate::testing::{Harness, Shown, Size, pass};
use crate::{ErrorKind, Key, NewEntry, PutMode, Store, Version};

/// What was put is what the next read finds.
pub async fn an_acknowledged_put_is_seen_by_the_next_read(h: &impl Harness) -> Shown {
    let store = empty(h).await?;
    for n in 0..100 {
        store.set("a", number(n)).await;
        assert_eq!(store.value("a").await, Some(number(n)));
        store.set(&n.to_string(), number(n)).await;
    }
    for n in 0..100 {
        assert_eq!(store.value(&n.to_string()).await, Some(number(n)), "an earlier one was lost");
    }
    Ok(())
}

/// An acknowledged write is seen through another handle on the same data, replaced and removed ones too.
pub async fn an_acknowledged_write_is_seen_through_another_handle(h: &impl Harness) -> Shown {
    let (here, there) = siblings(h).await?;
    for n in 0..20 {
        here.set("a", number(n)).await;
        assert_eq!(there.value("a").await, Some(number(n)));
    }
    assert!(there.remove("a").await.is_some());
    assert_eq!(here.value("a").await, None);
    Ok(())
}

/// `take` hands out the entry and leaves nothing.
pub async fn take_gives_the_value_once(h: &impl Harness) -> Shown {
    let store = empty(h).await?;
    let version = store.set("a", "x").await;
    let entry = store.remove("a").await.expect("the entry");
    assert_eq!((entry.value.as_ref(), entry.version), (&b"x"[..], version));
    assert_eq!(store.remove("a").await, None);
    assert_eq!(store.read("a").await, None);
    Ok(())
}

/// An absent entry is `None` for `get` and `take`, with a version too.
pub async fn absence_is_no_error(h: &impl Harness) -> Shown {
    let store = empty(h).await?;
    assert_eq!(store.read("a").await, None);
    assert_eq!(store.remove("a").await, None);
    let answer = store.take(Key::new(LAWS, "a"), Some(Version::random())).await;
    assert_eq!(answer.expect("absence is no conflict"), None);
    Ok(())
}

/// `Create` meets a live entry: `AlreadyExists`, and the entry stays.
pub async fn create_over_a_live_entry_fails_and_leaves_it(h: &impl Harness) -> Shown {
    let store = empty(h).await?;
    let version = store.try_set("a", "old", PutMode::Create).await.expect("nothing was there");
    refused(store.try_set("a", "new", PutMode::Create).await, ErrorKind::AlreadyExists);
    let entry = store.read("a").await.expect("the old entry");
    assert_eq!((entry.value.as_ref(), entry.version), (&b"old"[..], version));
    Ok(())
}

/// `Create` succeeds where an entry was taken or deleted.
pub async fn create_succeeds_where_an_entry_was_removed(h: &impl Harness) -> Shown {
    let store = empty(h).await?;
    for n in 0..5 {
        store.try_set("a", number(n), PutMode::Create).await.expect("nothing is there");
        assert_eq!(store.remove("a").await.expect("the entry").value, number(n));
    }
    store.try_set("a", "x", PutMode::Create).await.expect("nothing is there");
    store.delete_many(&[Key::new(LAWS, "a")]).await.expect("a batch");
    store.try_set("a", "y", PutMode::Create).await.expect("nothing is there");
    Ok(())
}

/// `Update` with the live entry's version replaces it.
pub async fn update_with_the_right_version_replaces(h: &impl Harness) -> Shown {
    let store = empty(h).await?;
    let mut version = store.set("a", "0").await;
    for n in 1..10 {
        version = store.try_set("a", number(n), PutMode::Update(version)).await.expect("the right version");
        assert_eq!(store.value("a").await, Some(number(n)));
    }
    Ok(())
}

/// `Update` of an absent entry is a `Conflict` and writes nothing.
pub async fn update_of_an_absent_entry_is_a_conflict(h: &impl Harness) -> Shown {
    let store = empty(h).await?;
    refused(store.try_set("a", "x", PutMode::Update(Version::random())).await, ErrorKind::Conflict);
    assert_eq!(store.read("a").await, None);
    let version = store.set("b", "x").await;
    store.remove("b").await;
    refused(store.try_set("b", "y", PutMode::Update(version)).await, ErrorKind::Conflict);
    assert_eq!(store.read("b").await, None, "the update revived what was taken");
    Ok(())
}

/// `Update` with another version is a `Conflict` and leaves the entry.
pub async fn update_with_another_version_is_a_conflict_and_leaves_the_entry(h: &impl Harness) -> Shown {
    let store = empty(h).await?;
    let first = store.set("a", "1").await;
    let second = store.set("a", "2").await;
    for other in [first, Version::random(), Version::from_bytes([0; 16])] {
        refused(store.try_set("a", "3", PutMode::Update(other)).await, ErrorKind::Conflict);
    }
    let entry = store.read("a").await.expect("the entry");
    assert_eq!((entry.value.as_ref(), entry.version), (&b"2"[..], second));
    Ok(())
}

/// `take` with another version is a `Conflict` and leaves the entry; with its own it takes.
pub async fn take_with_another_version_is_a_conflict_and_leaves_the_entry(h: &impl Harness) -> Shown {
    let store = empty(h).await?;
    let first = store.set("a", "1").await;
    let second = store.set("a", "2").await;
    let key = Key::new(LAWS, "a");
    refused(store.take(key, Some(first)).await, ErrorKind::Conflict);
    assert_eq!(store.value("a").await, Some("2".into()));
    let taken = store.take(key, Some(second)).await.expect("its own version");
    assert_eq!(taken.map(|entry| entry.version), Some(second));
    assert_eq!(store.read("a").await, None);
    Ok(())
}

/// The version that a put answers is the one drawn for the entry, and the one that every read finds.
pub async fn the_version_answered_is_the_one_drawn_and_stored(h: &impl Harness) -> Shown {
    let store = empty(h).await?;
    let mut last = None;
    for mode in [PutMode::Create, PutMode::Replace] {
        let entry = NewEntry::new("x");
        let drawn = entry.version();
        assert_eq!(store.put(Key::new(LAWS, "a"), entry, mode).await.expect("a put"), drawn);
        assert_eq!(store.read("a").await.map(|entry| entry.version), Some(drawn));
        last = Some(drawn);
    }
    let entry = NewEntry::new("x");
    let drawn = entry.version();
    let mode = PutMode::Update(last.expect("a version"));
    assert_eq!(store.put(Key::new(LAWS, "a"), entry, mode).await.expect("a put"), drawn);
    assert_eq!(store.remove("a").await.map(|entry| entry.version), Some(drawn));
    Ok(())
}

/// The version of an entry never fits one that was made anew under its key, not even with the same value.
pub async fn an_old_version_never_fits_an_entry_made_anew(h: &impl Harness) -> Shown {
    let store = empty(h).await?;
    let old = store.set("a", "same").await;
    store.remove("a").await;
    let new = store.set("a", "same").await;
    assert_ne!(old, new);
    refused(store.try_set("a", "x", PutMode::Update(old)).await, ErrorKind::Conflict);
    refused(store.take(Key::new(LAWS, "a"), Some(old)).await, ErrorKind::Conflict);
    assert_eq!(store.read("a").await.map(|entry| entry.version), Some(new));
    Ok(())
}

/// No two of many writes have the same version.
pub async fn no_two_writes_have_the_same_version(h: &impl Harness) -> Shown {
    let store = empty(h).await?;
    let size = Size { rounds: 20, ..h.size() };
    let rounds = race(&store, size, async |store, _, _| store.set("a", "same").await).await;
    let versions: Vec<Version> = rounds.into_iter().flatten().collect();
    assert_eq!(versions.iter().collect::<HashSet<_>>().len(), versions.len());
    Ok(())
}

/// Of racing `take`s one gets the entry.
pub async fn of_racing_takes_one_gets_the_entry(h: &impl Harness) -> Shown {
    let (store, size) = (empty(h).await?, h.size());
    store.fill(LAWS, size.rounds, |n| n.to_string()).await;
    let rounds = race(&store, size, async |store, round, _| store.remove(&round.to_string()).await).await;
    for (round, answers) in rounds.into_iter().enumerate() {
        let won: Vec<_> = answers.into_iter().flatten().collect();
        assert_eq!(won.len(), 1, "{} takes got entry {round}", won.len());
        assert_eq!(won.first().map(|entry| &entry.value), Some(&number(round)));
    }
    Ok(())
}

/// Of racing `take`s with the right version one gets the entry.
pub async fn of_racing_conditional_takes_one_gets_the_entry(h: &impl Harness) -> Shown {
    let (store, size) = (empty(h).await?, h.size());
    let mut versions = Vec::new();
    for round in 0..size.rounds {
        versions.push(store.set(&round.to_string(), number(round)).await);
    }
    let rounds = race(&store, size, move |store, round, _| {
        let version = versions.get(round).copied();
        async move { store.take(Key::new(LAWS, &round.to_string()), version).await }
    });
    for (round, answers) in rounds.await.into_iter().enumerate() {
        let won = answers.into_iter().filter_map(|answer| answer.expect("no other version was there"));
        assert_eq!(won.count(), 1, "of entry {round}");
    }
    Ok(())
}

/// Of racing `Create`s one succeeds, the others are `AlreadyExists`, and the winner's value is there.
pub async fn of_racing_creates_one_succeeds(h: &impl Harness) -> Shown {
    let (store, size) = (empty(h).await?, h.size());
    let rounds = race(&store, size, async |store, round, task| {
        store.try_set(&round.to_string(), number(task), PutMode::Create).await
    });
    for (round, answers) in rounds.await.into_iter().enumerate() {
        let winner = one_winner(answers, ErrorKind::AlreadyExists);
        assert_eq!(
            store.value(&round.to_string()).await,
            Some(number(winner)),
            "the winner of round {round}"
        );
    }
    Ok(())
}

/// Of racing `Create`s over an expired entry one succeeds.
pub async fn of_racing_creates_over_an_expired_entry_one_succeeds(h: &impl Harness) -> Shown {
    let (store, size) = (empty(h).await?, h.size());
    for round in 0..size.rounds {
        store.set_for(&round.to_string(), "old", ms(100)).await;
    }
    pass(h, ms(151)).await;
    let rounds = race(&store, size, async |store, round, task| {
        store.try_set(&round.to_string(), number(task), PutMode::Create).await
    });
    for (round, answers) in rounds.await.into_iter().enumerate() {
        let winner = one_winner(answers, ErrorKind::AlreadyExists);
        assert_eq!(
            store.value(&round.to_string()).await,
            Some(number(winner)),
            "the winner of round {round}"
        );
    }
    Ok(())
}

/// Of racing `Update`s from one version one succeeds, the others are `Conflict`, and the winner's value is there.
pub async fn of_racing_updates_one_succeeds(h: &impl Harness) -> Shown {
    let (store, size) = (empty(h).await?, h.size());
    let mut versions = Vec::new();
    for round in 0..size.rounds {
        versions.push(store.set(&round.to_string(), "old").await);
    }
    let rounds = race(&store, size, move |store, round, task| {
        let mode = PutMode::Update(*versions.get(round).expect("a version for each round"));
        async move { store.try_set(&round.to_string(), number(task), mode).await }
    });
    for (round, answers) in rounds.await.into_iter().enumerate() {
        let winner = one_winner(answers, ErrorKind::Conflict);
        assert_eq!(
            store.value(&round.to_string()).await,
            Some(number(winner)),
            "the winner of round {round}"
        );
    }
    Ok(())
}

/// The one task that succeeded, after a check that all others failed as `kind`.
fn one_winner(answers: Vec<crate::Result<Version>>, kind: ErrorKind) -> usize {
    let mut winners = Vec::new();
    for (task, answer) in answers.into_iter().enumerate() {
        match answer {
            Ok(_) => winners.push(task),
            Err(error) => assert_eq!(error.kind(), kind, "{error}"),
        }
    }
    assert_eq!(winners.len(), 1, "tasks {winners:?} all won");
    winners.first().copied().expect("a winner")
}

/// An `Update` that races with a `take` never revives the entry: what was taken stays taken.
pub async fn an_update_racing_with_a_take_never_revives_the_entry(h: &impl Harness) -> Shown {
    let (store, size) = (empty(h).await?, h.size());
    let mut versions = Vec::new();
    for round in 0..size.rounds {
        versions.push(store.set(&round.to_string(), "old").await);
    }
    let firsts = versions.clone();
    // Even tasks take, odd ones update: the answer is the version that was taken, or written.
    let rounds = race(&store, size, move |store, round, task| {
        let (id, first) = (round.to_string(), *firsts.get(round).expect("a version for each round"));
        async move {
            if task % 2 == 0 {
                (store.remove(&id).await.map(|entry| entry.version), None)
            } else {
                (None, store.try_set(&id, "new", PutMode::Update(first)).await.ok())
            }
        }
    });
    for ((round, answers), first) in rounds.await.into_iter().enumerate().zip(versions) {
        let taken: Vec<_> = answers.iter().filter_map(|(taken, _)| *taken).collect();
        let written: Vec<_> = answers.iter().filter_map(|(_, written)| *written).collect();
        let left = store.read(&round.to_string()).await.map(|entry| entry.version);
        let lawful = match (taken.as_slice(), written.as_slice()) {
            ([taken], []) => *taken == first && left.is_none(),
            ([taken], [written]) => taken == written && left.is_none(),
            ([], [written]) => left == Some(*written),
            _ => false,
        };
        assert!(lawful, "round {round}: taken {taken:?}, written {written:?}, left {left:?} of {first:?}");
    }
    Ok(())
}

/// Each entry that is put while others take is taken at most once, and the last one is either taken or there.
pub async fn an_entry_replaced_while_it_is_taken_is_taken_at_most_once(h: &impl Harness) -> Shown {
    let (store, size) = (empty(h).await?, h.size());
    let rounds = race(&store, size, async |store, round, task| {
        let id = (round / 10).to_string();
        if task % 2 == 0 {
            (store.remove(&id).await.map(|entry| entry.version), None)
        } else {
            (None, Some(store.set(&id, number(task)).await))
        }
    });
    let answers: Vec<_> = rounds.await.into_iter().flatten().collect();
    let taken: Vec<Version> = answers.iter().filter_map(|(taken, _)| *taken).collect();
    let written: HashSet<Version> = answers.iter().filter_map(|(_, written)| *written).collect();
    let once: HashSet<Version> = taken.iter().copied().collect();
    assert_eq!(once.len(), taken.len(), "{} entries were taken twice", taken.len() - once.len());
    assert!(once.is_subset(&written), "something was taken that nobody put");
    for id in 0..size.rounds.div_ceil(10) {
        if let Some(entry) = store.read(&id.to_string()).await {
            assert!(!once.contains(&entry.version), "entry {id} is there and was taken");
            assert!(written.contains(&entry.version));
        }
    }
    Ok(())
}

/// Counting by `Update` loses nothing, whoever counts at the same time.
pub async fn counting_by_update_loses_nothing(h: &impl Harness) -> Shown {
    let (store, size) = (empty(h).await?, h.size());
    let size = Size { tasks: size.tasks.min(8), rounds: size.rounds.min(50), ..size };
    store.set("counter", "0").await;
    race(&store, size, async |store, _, _| {
        loop {
            let entry = store.read("counter").await.expect("the counter");
            let count: usize = std::str::from_utf8(&entry.value).expect("text").parse().expect("a number");
            match store.try_set("counter", number(count + 1), PutMode::Update(entry.version)).await {
                Ok(_) => break,
                Err(error) => assert_eq!(error.kind(), ErrorKind::Conflict, "{error}"),
            }
        }
    })
    .await;
    assert_eq!(store.value("counter").await, Some(number(size.tasks * size.rounds)));
    Ok(())
}
