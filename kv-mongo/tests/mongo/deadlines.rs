//! Documents whose deadline is no date: a restore that writes dates as text, a hand that left the field out.

use kv_core::{Clock, Error, ErrorKind, Judge, Key, NewEntry, Outcome, PutMode, Scan, Store, Version};
use kv_mongo::MongoStore;
use mongodb::bson::{Bson, Document, doc};

use crate::support::{Server, create, get, put, take, value};

/// Ids of entries that nobody touched, before, between and behind those of [`SPOILT`].
const GOOD: [&str; 3] = ["a", "e", "z"];
/// A number is refused too: as one it would be judged, and left out once it is in the past.
const SPOILT: [&str; 5] = ["b-text", "c-null", "d-missing", "f-digits", "g-number"];

fn deadline(id: &str) -> Option<Bson> {
    match id {
        "b-text" => Some("9999-12-31T00:00:00Z".into()),
        "c-null" => Some(Bson::Null),
        "d-missing" => None,
        "f-digits" => Some("1000".into()),
        _ => Some(1_000_i64.into()),
    }
}

/// One that leaves the judging to the server, and one that does it.
async fn stores(server: &Server) -> [MongoStore; 2] {
    let mut config = server.config();
    config.clock = Some(Clock::system());
    [server.open().await, MongoStore::open(config).await.unwrap()]
}

/// Writes an entry and spoils its deadline.
async fn spoil(server: &Server, store: &MongoStore, id: &'static str) -> Version {
    let version = put(store, id, id).await.unwrap();
    let change =
        deadline(id).map_or(doc! { "$unset": { "x": "" } }, |deadline| doc! { "$set": { "x": deadline } });
    let changed = server.documents().await.update_one(stored(id), change).await.unwrap();
    assert_eq!(changed.modified_count, 1);
    version
}

fn stored(id: &str) -> Document {
    doc! { "_id": format!("larder/c/{id}") }
}

async fn document(server: &Server, id: &str) -> Option<Document> {
    server.documents().await.find_one(stored(id)).await.unwrap()
}

async fn fill(server: &Server, store: &MongoStore) {
    for id in GOOD {
        put(store, id, id).await.unwrap();
    }
    for id in SPOILT {
        spoil(server, store, id).await;
    }
}

/// `Corrupt`, by this name, and nothing was done.
fn refused(error: &Error, id: &str) {
    let told = (error.kind(), error.outcome(), error.key());
    assert_eq!(told, (ErrorKind::Corrupt, Outcome::NotDone, Some(&*format!("c/{id}"))), "{error:?}");
}

#[tokio::test]
async fn reads_tell_them_by_their_names_and_find_the_others() {
    let Some(server) = Server::start(&[]) else { return };
    for store in stores(&server).await {
        fill(&server, &store).await;
        let ids: Vec<_> = GOOD.iter().chain(&SPOILT).copied().collect();
        let keys: Vec<_> = ids.iter().map(|id| Key::new("c", id)).collect();
        let found = store.get_many(&keys).await.unwrap();
        for (id, found) in ids.into_iter().zip(found) {
            if GOOD.contains(&id) {
                assert_eq!(found.unwrap().unwrap().value, id);
            } else {
                refused(&found.unwrap_err(), id);
                refused(&get(&store, id).await.unwrap_err(), id);
            }
        }
    }
}

#[tokio::test]
async fn a_listing_ends_at_them_by_name_or_goes_on_behind_them() {
    let Some(server) = Server::start(&[]) else { return };
    for store in stores(&server).await {
        fill(&server, &store).await;
        for scan in [Scan::one("c").values(), Scan::one("c"), Scan::under("").limit(2)] {
            refused(&store.scan(scan, None).await.unwrap_err(), SPOILT[0]);
            let (items, damaged) = listed(&store, scan.skip_damaged()).await;
            assert_eq!(items, GOOD);
            assert_eq!(damaged, SPOILT);
        }
        let one = Scan::one("c").prefix("d-").skip_damaged();
        assert_eq!(listed(&store, one).await, (vec![], vec!["d-missing".to_owned()]));
    }
}

/// All ids that the pages of a scan tell, and those that it passes over.
async fn listed(store: &MongoStore, scan: Scan<'_>) -> (Vec<String>, Vec<String>) {
    let (mut items, mut damaged, mut from) = (Vec::new(), Vec::new(), None);
    loop {
        let page = store.scan(scan, from.as_ref()).await.unwrap();
        assert!(page.items.iter().all(|item| item.entry.is_some() == scan.values));
        items.extend(page.items.iter().map(|item| item.id.to_string()));
        damaged.extend(page.damaged.into_iter().map(|one| one.name.unwrap().1));
        from = page.next;
        if from.is_none() {
            return (items, damaged);
        }
    }
}

#[tokio::test]
async fn a_take_removes_them_and_does_not_deny_it_unless_it_wants_another_version() {
    let Some(server) = Server::start(&[]) else { return };
    for store in stores(&server).await {
        for id in SPOILT {
            for conditional in [false, true] {
                let version = spoil(&server, &store, id).await;
                let key = Key::new("c", id);
                let other = NewEntry::new("").version();
                refused(&store.take(key, Some(other)).await.unwrap_err(), id);
                assert!(document(&server, id).await.is_some(), "{id}");

                let error = store.take(key, conditional.then_some(version)).await.unwrap_err();
                assert_eq!(
                    (error.kind(), error.outcome()),
                    (ErrorKind::Corrupt, Outcome::Unknown),
                    "{error:?}"
                );
                assert!(document(&server, id).await.is_none(), "{id}");
                assert!(take(&store, id).await.unwrap().is_none());
            }
        }
    }
}

#[tokio::test]
async fn no_condition_is_decided_on_them() {
    let Some(server) = Server::start(&[]) else { return };
    for store in stores(&server).await {
        for id in SPOILT {
            let version = spoil(&server, &store, id).await;
            let before = document(&server, id).await;
            refused(&create(&store, id, "new").await.unwrap_err(), id);
            for expected in [version, NewEntry::new("").version()] {
                let update = PutMode::Update(expected);
                refused(&store.put(Key::new("c", id), NewEntry::new("new"), update).await.unwrap_err(), id);
            }
            assert_eq!(document(&server, id).await, before);
        }
    }
}

#[tokio::test]
async fn writing_them_anew_heals_them_and_a_delete_removes_them() {
    let Some(server) = Server::start(&[]) else { return };
    for store in stores(&server).await {
        for id in SPOILT {
            let key = Key::new("c", id);
            spoil(&server, &store, id).await;
            put(&store, id, "new").await.unwrap();
            assert_eq!(value(&store, id).await.as_deref(), Some("new"));

            spoil(&server, &store, id).await;
            store.put_many(vec![(key, NewEntry::new("newer"))]).await.unwrap().remove(0).unwrap();
            assert_eq!(value(&store, id).await.as_deref(), Some("newer"));

            spoil(&server, &store, id).await;
            store.delete_many(&[key]).await.unwrap().remove(0).unwrap();
            assert!(document(&server, id).await.is_none(), "{id}");
            create(&store, id, "newest").await.unwrap();
            assert_eq!(value(&store, id).await.as_deref(), Some("newest"));
        }
    }
}

/// For the server it is what an upsert begins with.
#[tokio::test]
async fn a_name_with_nothing_beside_it_is_created_over() {
    let Some(server) = Server::start(&[]) else { return };
    for store in stores(&server).await {
        server.documents().await.insert_one(stored("a")).await.unwrap();
        refused(&get(&store, "a").await.unwrap_err(), "a");
        create(&store, "a", "new").await.unwrap();
        assert_eq!(take(&store, "a").await.unwrap().unwrap().value, "new");
    }
}

#[tokio::test]
async fn a_marker_without_a_date_hinders_nobody() {
    let Some(server) = Server::start(&[]) else { return };
    put(&server.open().await, "a", "x").await.unwrap();
    for deadline in ["9999-12-31T00:00:00Z".into(), Bson::Null] {
        let change = doc! { "$set": { "x": deadline } };
        server.documents().await.update_one(doc! { "_id": "" }, change).await.unwrap();
        let store = server.open().await;
        assert_eq!(store.capabilities().judge, Judge::Server);
        assert_eq!(value(&store, "a").await.as_deref(), Some("x"));
    }
}
