//! Streams in one process; `tests/tests/replicas` has those between several.

use std::time::Duration;

use bytes::Bytes;
use futures_util::poll;
use kv_core::AnyStore;
use kv_memory::MemoryStore;

use super::{EventId, KEPT, MAX_EVENTS, NotResumed, Reader, Said, Streams, Writing};
use crate::protocol::{Implementation, Json, Renderer, RequestId};
use crate::replica::Replica;

fn streams() -> Streams {
    let store = AnyStore::new(MemoryStore::new());
    Streams::new(Replica::new(&store), &store, Duration::from_secs(60))
}

fn begun(streams: &Streams) -> (Writing, Reader) {
    let id = RequestId::new(&Json::parse("1".into()).unwrap()).unwrap();
    streams.begin("session", &id)
}

async fn next(reader: &mut Reader) -> Said {
    std::future::poll_fn(|cx| reader.poll_said(cx)).await
}

async fn resumed(streams: &Streams, id: &str) -> Result<Reader, NotResumed> {
    streams.resume("session", &EventId::read(id).unwrap(), &renderer()).await
}

fn renderer() -> Renderer {
    Renderer::new(&Implementation::new("s", "1"))
}

fn event(number: u64, text: &'static str) -> Said {
    Said::Event(number, Bytes::from_static(text.as_bytes()))
}

#[test]
fn an_event_id_is_read_as_it_is_written_and_nothing_else_is() {
    let id = EventId::read("0123456789abcdef-7").unwrap();
    assert_eq!(id, EventId { stream: "0123456789abcdef".to_owned(), number: 7 });
    for wrong in [
        "",
        "-",
        "7",
        "0123456789abcdef",
        "0123456789abcdef-",
        "0123456789abcdef-+7",
        "0123456789abcdef-x",
        "0123456789abcde-7",
        "0123456789abcdeg-7",
        "0123456789abcdef-18446744073709551615",
        "0123456789abcdef-99999999999999999999",
    ] {
        assert_eq!(EventId::read(wrong), None, "{wrong}");
    }
}

#[tokio::test]
async fn the_writer_waits_for_its_reader_and_goes_on_without_one() {
    let streams = streams();
    let (writing, mut reader) = begun(&streams);
    assert!(writing.has_room());
    writing.say("one".into());
    assert!(!writing.has_room());
    assert_eq!(next(&mut reader).await, event(1, "one"));
    assert!(writing.has_room());
    writing.say("two".into());
    drop(reader);
    assert!(writing.has_room());
}

#[tokio::test]
async fn the_newest_reader_takes_the_stream_from_the_one_before() {
    let streams = streams();
    let (writing, mut older) = begun(&streams);
    writing.say("one".into());
    assert_eq!(next(&mut older).await, event(1, "one"));
    let end = tokio::spawn(async move { next(&mut older).await });
    tokio::task::yield_now().await;
    let mut newer = resumed(&streams, &format!("{}0", writing_name(&writing))).await.unwrap();
    assert_eq!(end.await.unwrap(), Said::Nothing);
    assert_eq!(next(&mut newer).await, event(1, "one"));
    writing.finish("answer".into(), &renderer()).await;
    assert_eq!(next(&mut newer).await, event(2, "answer"));
    assert_eq!(next(&mut newer).await, Said::Nothing);
}

/// The id of a stream's events, up to their number.
fn writing_name(writing: &Writing) -> String {
    writing.id(0).strip_suffix('0').unwrap().to_owned()
}

#[tokio::test]
async fn of_more_than_may_be_kept_the_oldest_are_gone() {
    let streams = streams();
    let (writing, reader) = begun(&streams);
    let name = writing_name(&writing);
    drop(reader);
    let last = MAX_EVENTS as u64 + 10;
    for _ in 0..last {
        writing.say("x".into());
    }
    assert_eq!(resumed(&streams, &format!("{name}9")).await.err(), Some(NotResumed::Unknown));
    assert_eq!(resumed(&streams, &format!("{name}{}", last + 1)).await.err(), Some(NotResumed::Unknown));
    let mut reader = resumed(&streams, &format!("{name}10")).await.unwrap();
    assert_eq!(next(&mut reader).await, event(11, "x"));
    writing.say(vec![b'y'; 300 << 10].into()); // longer than all that may be kept: it is kept alone
    assert_eq!(resumed(&streams, &format!("{name}{}", last - 1)).await.err(), Some(NotResumed::Unknown));
    assert!(resumed(&streams, &format!("{name}{last}")).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_has_ended_is_kept_for_five_minutes() {
    let streams = streams();
    let (writing, reader) = begun(&streams);
    let name = writing_name(&writing);
    writing.finish("answer".into(), &renderer()).await;
    drop(reader);
    tokio::time::sleep(KEPT / 100 * 99).await;
    let mut again = resumed(&streams, &format!("{name}0")).await.unwrap();
    assert_eq!((next(&mut again).await, next(&mut again).await), (event(1, "answer"), Said::Nothing));
    tokio::time::sleep(KEPT / 50).await;
    assert_eq!(resumed(&streams, &format!("{name}0")).await.err(), Some(NotResumed::Unknown));
    assert!(streams.known().here.is_empty());
}

#[tokio::test]
async fn what_has_ended_takes_no_more_than_it_may() {
    let streams = streams();
    for _ in 0..400 {
        let (writing, _reader) = begun(&streams);
        writing.finish(vec![b'x'; 250 << 10].into(), &renderer()).await;
    }
    let kept = streams.known().here.len();
    assert!((200..300).contains(&kept), "{kept} of 250 KiB each");
}

#[tokio::test]
async fn a_client_that_is_released_leaves_after_what_was_said_and_the_writer_goes_on() {
    let streams = streams();
    let (writing, mut reader) = begun(&streams);
    writing.say("one".into());
    writing.release(Duration::from_millis(5));
    assert_eq!(next(&mut reader).await, event(1, "one"));
    assert_eq!(next(&mut reader).await, Said::Released(Duration::from_millis(5)));
    assert_eq!(next(&mut reader).await, Said::Nothing);
    writing.say("two".into());
    assert!(writing.has_room());
    let mut back = resumed(&streams, &format!("{}1", writing_name(&writing))).await.unwrap();
    assert_eq!(next(&mut back).await, event(2, "two"));
    let mut third = Box::pin(next(&mut back));
    assert!(poll!(third.as_mut()).is_pending());
}

#[tokio::test]
async fn who_waits_for_all_to_be_written_is_told() {
    let streams = streams();
    streams.written().await;
    let (writing, _reader) = begun(&streams);
    let mut all = Box::pin(streams.written());
    assert!(poll!(all.as_mut()).is_pending());
    drop(writing);
    all.await;
}
