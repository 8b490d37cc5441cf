use std::sync::Arc;
use std::time::Duration;

use super::listener::MAX_COMPLETED;
use super::{Change, Hub, Notice, Wants};
use crate::Dynamic;

fn updated(uri: &str) -> Change {
    Change::Updated(uri.into())
}

fn said(uri: &str) -> Notice {
    Notice::Updated(uri.into())
}

#[test]
fn a_listener_hears_what_it_asked_for_and_each_thing_once() {
    let hub = Hub::default();
    let listener = hub.listen(Wants::kinds(Dynamic::PROMPTS | Dynamic::TOOLS).and(["a://b"]));
    for _ in 0..1_000 {
        hub.publish(&updated("a://b"));
        hub.publish(&updated("a://c"));
        hub.publish(&Change::Listed(Dynamic::ALL));
    }
    assert_eq!(listener.take(), Some(Notice::Listed(Dynamic::TOOLS)));
    assert_eq!(listener.take(), Some(Notice::Listed(Dynamic::PROMPTS)));
    assert_eq!(listener.take(), Some(said("a://b")));
    assert_eq!(listener.take(), None);
}

#[test]
fn a_page_that_is_done_is_told_to_its_session_and_to_the_stream_that_follows() {
    let hub = Hub::default();
    let (one, other) =
        (hub.listen_in("s", None, Wants::default()), hub.listen_in("t", None, Wants::default()));
    hub.completed("s", "page");
    hub.completed("s", "page");
    hub.completed("u", "page");
    let next = hub.listen_in("s", None, Wants::default());
    assert_eq!((one.take(), other.take()), (None, None));
    assert_eq!(next.take(), Some(Notice::Completed("page".into())));
    assert_eq!(next.take(), None);
}

#[test]
fn so_many_pages_wait_for_a_client_that_does_not_read() {
    let hub = Hub::default();
    let listener = hub.listen_in("s", None, Wants::default());
    for number in 0..10 * MAX_COMPLETED {
        assert!(hub.completed("s", &number.to_string()));
    }
    let told = std::iter::from_fn(|| listener.take()).count();
    assert_eq!(told, MAX_COMPLETED);
    hub.completed("s", "later");
    assert_eq!(listener.take(), Some(Notice::Completed("later".into())), "it reads, and is told again");
}

#[test]
fn nothing_is_kept_of_who_has_gone() {
    let hub = Hub::default();
    let (one, two) = (
        hub.listen(Wants::kinds(Dynamic::ALL).and(["a://b", "a://c"])),
        hub.listen_in("s", None, Wants::default()),
    );
    hub.subscribe("s", "a://b", true);
    hub.publish(&updated("a://b"));
    drop(one);
    assert!(!hub.is_empty());
    drop(two);
    assert!(hub.is_empty());
    hub.subscribe("s", "a://b", true);
    assert!(hub.is_empty(), "a session without a listener leaves nothing");
}

#[tokio::test]
async fn the_newest_listener_of_a_session_takes_over_what_the_older_had_not_told() {
    let hub = Hub::default();
    let wants = || Wants::kinds(Dynamic::TOOLS).and(["a://b"]);
    let older = hub.listen_in("s", None, wants());
    hub.publish(&updated("a://b"));
    hub.publish(&Change::Listed(Dynamic::TOOLS));
    let newer = hub.listen_in("s", None, wants());
    assert_eq!(older.next().await, None);
    drop(older);
    hub.subscribe("s", "a://c", true);
    hub.publish(&updated("a://c"));
    assert_eq!(newer.next().await, Some(Notice::Listed(Dynamic::TOOLS)));
    assert_eq!(newer.next().await, Some(said("a://b")));
    assert_eq!(newer.next().await, Some(said("a://c")));
    hub.end_session("other");
    assert_eq!(newer.take(), None);
    hub.end_session("s");
    assert_eq!(newer.next().await, None);
}

#[test]
fn what_a_session_does_not_want_any_more_is_not_told_even_if_it_happened() {
    let hub = Hub::default();
    let listener = hub.listen_in("s", None, Wants::kinds(Dynamic::NONE).and(["a://b", "a://c"]));
    hub.publish(&updated("a://b"));
    hub.publish(&updated("a://c"));
    hub.subscribe("s", "a://b", false);
    hub.publish(&updated("a://b"));
    assert_eq!((listener.take(), listener.take()), (Some(said("a://c")), None));
    let before = listener.edits();
    hub.subscribe("s", "a://e", true);
    assert!(!listener.want(["a://d"], before), "what was found is older than what was asked for");
    assert!(listener.want(["a://d"], listener.edits()));
    for uri in ["a://c", "a://d", "a://e"] {
        hub.publish(&updated(uri));
    }
    assert_eq!((listener.take(), listener.take()), (Some(said("a://d")), None));
    drop(listener);
    assert!(hub.is_empty());
}

/// A number grows, each time told; whoever looks after being told must at last have seen the largest.
#[test]
fn a_change_that_races_with_a_look_is_never_lost() {
    use std::sync::atomic::{AtomicU64, Ordering};
    const LAST: u64 = 20_000;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build().unwrap();
    let hub = Hub::default();
    let value = Arc::new(AtomicU64::new(0));
    let listener = hub.listen(Wants::kinds(Dynamic::NONE).and(["a://b"]));
    let watcher = {
        let value = Arc::clone(&value);
        runtime.spawn(async move {
            let mut looks = 0_u64;
            while value.load(Ordering::SeqCst) < LAST {
                listener.next().await.unwrap();
                looks += 1;
            }
            looks
        })
    };
    let tellers: Vec<_> = (0..2)
        .map(|_| {
            let (hub, value) = (hub.clone(), Arc::clone(&value));
            std::thread::spawn(move || {
                for _ in 0..LAST / 2 {
                    value.fetch_add(1, Ordering::SeqCst);
                    hub.publish(&updated("a://b"));
                }
            })
        })
        .collect();
    for teller in tellers {
        teller.join().unwrap();
    }
    let looks = runtime.block_on(async { tokio::time::timeout(Duration::from_secs(60), watcher).await });
    let looks = looks.expect("the last change was never told").unwrap();
    assert!((1..=LAST).contains(&looks), "{looks}");
}
