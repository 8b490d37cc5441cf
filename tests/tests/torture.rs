//! A client that wishes a server ill, on raw sockets and pipes against a process of its own: each answer is the one that
//! is specified, and behind all of it the server still answers and its memory comes back.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a helper that fails fails its test")]

#[path = "torture/cuts.rs"]
mod cuts;
#[path = "torture/framing.rs"]
mod framing;
#[path = "torture/ids.rs"]
mod ids;
#[path = "torture/lines.rs"]
mod lines;
#[path = "torture/messages.rs"]
mod messages;
#[path = "torture/server.rs"]
mod server;
#[path = "torture/sessions.rs"]
mod sessions;
#[path = "torture/sizes.rs"]
mod sizes;
#[path = "torture/slow.rs"]
mod slow;
#[path = "torture/smuggling.rs"]
mod smuggling;
