//! What any client sees on the wire: each behaviour for each revision over each transport.
//!
//! A behaviour is a plain function whose name is the sentence that it checks. [`each_behaviour`] is the only list; what
//! a revision or a transport lacks is a row that says so. `docs/wire.md` holds the table that this run makes.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a helper that fails fails its test")]

#[path = "wire/asking.rs"]
mod asking;
#[path = "wire/batches.rs"]
mod batches;
#[path = "wire/cancelled_children.rs"]
mod cancelled_children;
#[path = "wire/cancelling.rs"]
mod cancelling;
#[path = "wire/children.rs"]
mod children;
#[path = "wire/client.rs"]
mod client;
#[path = "wire/completions.rs"]
mod completions;
#[path = "wire/contract.rs"]
mod contract;
#[path = "wire/decoding.rs"]
mod decoding;
#[path = "wire/doors.rs"]
mod doors;
#[path = "wire/eras.rs"]
mod eras;
#[path = "wire/errors.rs"]
mod errors;
#[path = "wire/forms.rs"]
mod forms;
#[path = "wire/harness.rs"]
mod harness;
#[path = "wire/headers.rs"]
mod headers;
#[path = "wire/limits.rs"]
mod limits;
#[path = "wire/lines.rs"]
mod lines;
#[path = "wire/list.rs"]
mod list;
#[path = "wire/listening.rs"]
mod listening;
#[path = "wire/mounted.rs"]
mod mounted;
#[path = "wire/notices.rs"]
mod notices;
#[path = "wire/pages.rs"]
mod pages;
#[path = "wire/report.rs"]
mod report;
#[path = "wire/rmcp.rs"]
mod rmcp;
#[path = "wire/sessions.rs"]
mod sessions;
#[path = "wire/strays.rs"]
mod strays;
#[path = "wire/streams.rs"]
mod streams;
#[path = "wire/talk.rs"]
mod talk;
#[path = "wire/told.rs"]
mod told;
#[path = "wire/unasked.rs"]
mod unasked;

each_behaviour!(tests);
each_behaviour!(names);
