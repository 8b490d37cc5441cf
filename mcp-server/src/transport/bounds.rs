//! The table of limits in `docs/server.md` tells the defaults that are built in.

use std::time::Duration;

use super::http::{HttpOptions, MAX_HEAD};
use super::lines::MAX_IN_FLIGHT;
use super::outgoing::MAX_WAITING_BYTES;
use super::splitter::MAX_MESSAGE;
use super::stream::GRACE;
use crate::asking::LEFT;
use crate::dispatch::CANCELLING;
use crate::events;
use crate::exchange::{AT_ONCE, MAX_BYTES, MAX_MESSAGES, PER_SECOND};
use crate::hub::{MAX_URI_BYTES, MAX_URIS};
use crate::replica;
use crate::server::Limits;

const PAGE: &str = include_str!("../../../docs/server.md");

/// The defaults in the row that begins so.
fn told(row: &str) -> &'static str {
    let mut rows = PAGE.lines().filter_map(|line| line.strip_prefix("| "));
    let found = rows.find(|line| line.starts_with(row)).unwrap_or_else(|| panic!("no row {row:?}"));
    found.split(" | ").nth(1).expect("a cell of defaults")
}

fn number(number: usize) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

fn size(bytes: usize) -> String {
    if bytes.is_multiple_of(1 << 20) {
        format!("{} MiB", bytes >> 20)
    } else {
        format!("{} KiB", bytes >> 10)
    }
}

fn time(time: Duration) -> String {
    match time.as_secs() {
        secs if secs.is_multiple_of(24 * 3_600) => format!("{} days", secs / (24 * 3_600)),
        secs if secs.is_multiple_of(60) => format!("{} min", secs / 60),
        secs => format!("{secs} s"),
    }
}

#[test]
fn bounds_of_connections_and_messages_are_as_the_page_tells() {
    let http = HttpOptions::default();
    let slow = format!("{}, {}", time(http.header_timeout), time(http.body_timeout));
    let silent = format!("{}, {}", time(http.silence), time(http.keep_alive));
    let said = format!("{} messages, {}", number(MAX_MESSAGES), size(MAX_BYTES));
    for (row, default) in [
        ("HTTP connections", number(http.max_connections)),
        ("the head of an HTTP request (also", slow),
        ("the head of an HTTP request |", size(MAX_HEAD)),
        ("bodies over 16 KiB", size(http.max_bodies_bytes)),
        ("answers over 16 KiB", size(http.max_unread_bytes)),
        ("how long a client may read nothing", time(http.write_timeout)),
        ("silence before an answer", silent),
        ("requests in flight when the server stops", time(http.grace)),
        ("requests in flight when stdin ends", time(GRACE)),
        ("a message, a line", size(MAX_MESSAGE)),
        ("requests in flight on one stdio", number(MAX_IN_FLIGHT)),
        ("unread output of one stdio", size(MAX_WAITING_BYTES)),
    ] {
        assert_eq!(told(row), default, "{row}");
    }
    assert!(told("what a handler says ahead").starts_with(&said), "{said}");
}

#[test]
fn bounds_that_callers_share_are_as_the_page_tells() {
    let limits = Limits::default();
    let left = [LEFT.at_once, LEFT.per_second].map(|bytes| size(bytes as usize)).join(", ");
    for (row, default) in [
        ("a handler's time", time(limits.handler_timeout)),
        ("a session without a request", time(limits.sessions.idle)),
        ("a user's state", time(limits.user_state)),
        ("a session that a tool opened", "a day".to_owned()),
        ("completions that one user asks for", format!("{} per second", limits.completing.per_second)),
        ("cancellations of one user", format!("{} per second", CANCELLING.per_second)),
        ("what one user may leave in the store between", left),
        ("requests of users at work", format!("{} each", number(limits.calls.all))),
        ("`subscriptions/listen` of users", format!("{} each", number(limits.listening.all))),
        ("sessions of users", format!("{} each", number(limits.sessions.all))),
    ] {
        assert_eq!(told(row), default, "{row}");
    }
    let shares = [limits.calls.one, limits.listening.one, limits.sessions.one];
    assert_eq!(shares, [None; 3], "a tenth");
    assert_eq!(limits.opened_sessions, Duration::from_secs(24 * 3_600), "a day");
    assert_eq!(limits.sessions.copies, Duration::ZERO);
    assert!(told("for how long a request over HTTP may go by").starts_with("zero"));
}

#[test]
fn bounds_of_what_is_told_and_crosses_are_as_the_page_tells() {
    let events = format!(
        "{}, {}, until {} after its end",
        number(events::MAX_EVENTS),
        size(events::MAX_BYTES),
        time(events::KEPT)
    );
    let letters =
        [number(replica::MAX_LETTERS), size(replica::MAX_LETTERS_BYTES), time(replica::PATIENCE)].join(", ");
    for (row, default) in [
        ("resources that one subscription", format!("{}, {}", number(MAX_URIS), size(MAX_URI_BYTES))),
        ("events of a stream", events),
        ("streams that have ended", size(events::MAX_KEPT)),
        ("what streams say", size(events::MAX_UNWRITTEN)),
        ("progress that a request", format!("{PER_SECOND} per second, {AT_ONCE}")),
        ("letters that wait", letters),
        ("updated resources", number(replica::MAX_UNTOLD)),
    ] {
        assert_eq!(told(row), default, "{row}");
    }
}
