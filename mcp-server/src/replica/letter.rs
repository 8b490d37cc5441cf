//! What one process tells another.

use std::fmt::Write as _;

use bytes::Bytes;
use rand::Rng as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use crate::asking::Outcome;
use crate::protocol::Json;
use crate::session::Owner;

/// One thing that concerns another process. Sessions and streams go by the keys that they have in the store, which
/// begin with their principal.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Letter {
    /// The client has cancelled a request.
    Cancelled {
        session: String,
        #[serde(deserialize_with = "json")]
        request: Json,
    },
    /// The session is over, which belonged to `owner`.
    Ended {
        session: String,
        #[serde(default)]
        owner: Option<Owner>,
    },
    /// The session wants to be told of a resource, or does not any more.
    Subscribed { session: String, uri: String, wanted: bool },
    /// The client has answered a question.
    Answered {
        session: String,
        #[serde(deserialize_with = "json")]
        question: Json,
        answer: Answer,
    },
    /// The session has a new stream on which it is told what changes: an older one is to end.
    Opened { session: String },
    /// What the client was sent to a page for is done there.
    Completed { session: String, elicitation: String },
    /// These resources have another content.
    Updated { uris: Vec<String> },
    /// A client goes on reading a stream at the process `by`, under a `ticket` that is drawn for it.
    Followed { stream: String, by: String, ticket: u64 },
    /// The client that reads under `ticket` is to come back after so many milliseconds, or reads elsewhere by now.
    Unfollowed { ticket: u64, retry_ms: Option<u64> },
}

impl Letter {
    /// The letter as it lies in an inbox. No two are alike there, so that its owner knows again what it has had: each has a
    /// number, over which readers read.
    pub(super) fn numbered(&self) -> serde_json::Result<Box<RawValue>> {
        let mut text = serde_json::to_string(self)?;
        if text.ends_with("}}") {
            text.truncate(text.len() - "}}".len());
            let _ = write!(text, r#","no":{}}}}}"#, rand::rng().next_u64()); // a text takes all that is written
        }
        RawValue::from_string(text)
    }
}

/// A result object or an error object.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Answer {
    /// The result.
    Result(#[serde(deserialize_with = "json")] Json),
    /// The error.
    Error(#[serde(deserialize_with = "json")] Json),
}

impl From<Outcome> for Answer {
    fn from(outcome: Outcome) -> Self {
        outcome.map_or_else(Self::Error, Self::Result)
    }
}

impl From<Answer> for Outcome {
    fn from(answer: Answer) -> Self {
        match answer {
            Answer::Result(result) => Ok(result),
            Answer::Error(error) => Err(error),
        }
    }
}

fn json<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Json, D::Error> {
    let raw = Box::<RawValue>::deserialize(deserializer)?;
    Ok(Json::trusted(Bytes::from(raw.get().to_owned())))
}

#[cfg(test)]
mod tests {
    use super::{Answer, Letter};
    use crate::asking::Outcome;
    use crate::protocol::Json;

    #[test]
    fn what_a_client_wrote_crosses_byte_for_byte() {
        let answer = Json::parse(r#"{ "a": 1.50, "b":"\u0041" }"#.into()).unwrap();
        let question = Json::parse(r#""q""#.into()).unwrap();
        let letter =
            Letter::Answered { session: "s".to_owned(), question, answer: Ok(answer.clone()).into() };
        let text = letter.numbered().unwrap();
        let Letter::Answered { answer: Answer::Result(result), .. } =
            serde_json::from_str(text.get()).unwrap()
        else {
            panic!("another letter: {text}");
        };
        assert_eq!(result, answer);
        let refused: Outcome = Answer::Error(Json::EMPTY).into();
        assert_eq!(refused, Err(Json::EMPTY));
    }

    #[test]
    fn a_letter_is_never_written_twice_alike() {
        let session = "s".to_owned();
        for letter in [
            Letter::Ended { session: session.clone(), owner: None },
            Letter::Unfollowed { ticket: 1, retry_ms: None },
            Letter::Updated { uris: vec!["r://{}".to_owned()] },
            Letter::Answered { session, question: Json::EMPTY, answer: Answer::Result(Json::EMPTY) },
        ] {
            let (one, other) = (letter.numbered().unwrap(), letter.numbered().unwrap());
            assert_ne!(one.get(), other.get());
            for text in [one, other] {
                let read: Letter = serde_json::from_str(text.get()).unwrap();
                assert_eq!(format!("{read:?}"), format!("{letter:?}"));
            }
        }
    }
}
