//! What a server can ask of its client, and how it reads the answers: forms and pages for the person, samples of a
//! model, roots.
//!
//! A question travels as the revision has it: as the result of a round, after which the handler runs again (2026-07-28), or as
//! a request on the stream of the client's own (handshake revisions).

mod ask;
mod asked;
mod driven;
mod elicited;
mod error;
pub(crate) mod form;
mod keys;
mod left;
mod needs;
mod page;
mod pages;
mod pending;
mod question;
mod ready;
mod record;
mod roots;
mod round;
mod sampling;
mod url;

pub use ask::Asking;
pub use asked::{Answerable, Answered, Asked, asked};
pub(crate) use driven::Driven;
pub use elicited::Elicited;
pub use error::AskError;
pub(crate) use error::oversized;
pub use form::{Choice, ChoiceOption, Form};
pub(crate) use keys::Keys;
pub(crate) use left::{LEFT, Left};
pub use needs::Capability;
pub(crate) use needs::Need;
pub use page::Page;
pub use pages::{Elicitation, Opened, Pages};
pub(crate) use pending::{Outcome, Pending};
pub(crate) use question::Question;
pub(crate) use ready::{Initialized, Ready};
pub(crate) use record::Records;
pub use roots::Root;
pub(crate) use round::{Questions, Round};
pub use sampling::{
    ModelPreferences, Sampled, Sampling, SamplingContent, SamplingMessage, SamplingTool, ToolChoice, ToolUse,
};

use crate::protocol::Json;
use crate::session::hex;

/// What a question is answered with.
pub(crate) trait Answers: Sized {
    /// Reads the client's result.
    ///
    /// # Errors
    /// What is wrong with it, by field and rule; never the value.
    fn read(result: &Json) -> Result<Self, String>;
}

/// An id that nobody can guess: who knows it may answer, or open a page.
fn random() -> String {
    let mut bytes = [0; 16];
    rand::Rng::fill_bytes(&mut rand::rng(), &mut bytes);
    hex(&bytes)
}
