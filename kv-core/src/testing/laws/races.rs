//! Each operation is one step: of tasks that race exactly one wins, and nothing is handed out twice.

use std::collections::HashSet;

use crate::testing::tools::{LAWS, empty, ms, number, race};
use crate::testing::{Harness, Shown, Size, pass};
use crate::{ErrorKind, Key, PutMode, Store, StoreExt as _, Version};

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

/// Of racing removals by `update_with` one sees the entry: who removes it and goes by what he saw hands nothing out twice.
pub async fn of_racing_removals_by_update_with_one_sees_the_entry(h: &impl Harness) -> Shown {
    let (store, size) = (empty(h).await?, h.size());
    store.fill(LAWS, size.rounds, |n| n.to_string()).await;
    let rounds = race(&store, size, async |store, round, _| {
        let mut seen = None;
        let id = round.to_string();
        let removed = store.update_with(Key::new(LAWS, &id), |old| {
            seen = old;
            None
        });
        removed.await.expect("a removal");
        seen
    });
    for (round, answers) in rounds.await.into_iter().enumerate() {
        let seen: Vec<_> = answers.into_iter().flatten().collect();
        assert_eq!(seen, [number(round)], "who saw entry {round}");
        assert_eq!(store.value(&round.to_string()).await, None);
    }
    Ok(())
}
