//! One run of a handler that may ask (2026-07-28): it runs again in each round, and finds its earlier answers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::value::RawValue;

use super::record::{Answered, Record};
use super::{Answers, AskError};
use crate::protocol::Json;
use crate::session::hex;

/// What one run of a handler has asked, and what it knows from earlier runs.
#[derive(Default)]
pub(crate) struct Round(Mutex<State>);

#[derive(Default)]
struct State {
    record: Record,
    /// What the client sent along, not yet looked at.
    responses: BTreeMap<String, Box<RawValue>>,
    /// Whether nobody had asked for that.
    volunteered: bool,
    /// What this run asks, in its order.
    asked: Vec<Open>,
    /// Keys of questions that this run has come to.
    met: BTreeSet<String>,
    ordinal: usize,
    /// How many questions this run has come to.
    questions: usize,
}

struct Open {
    key: String,
    digest: String,
    method: &'static str,
    params: Json,
}

/// What a run ended with instead of an answer.
pub(crate) struct Questions {
    /// `inputRequests`: an object by key.
    pub(super) requests: Json,
    /// What the next round needs to know.
    pub(super) record: Record,
}

const CHANGED: &str = "the handler asked something else this time than in the round before";
/// How many questions one run may come to: a loop that asks ends.
const MAX_QUESTIONS: usize = 100;
const TOO_MANY: &str = "a handler may ask 100 questions, and this one asks more";
const TWICE: &str = "the handler asked two questions under one key";

impl Round {
    /// A further round: what is in its state, and the answers that came with it.
    pub(super) fn further(record: Record, responses: BTreeMap<String, Box<RawValue>>) -> Self {
        Self(Mutex::new(State { record, responses, ..State::default() }))
    }

    /// A first round, with answers that nobody has asked for yet.
    pub(super) fn volunteered(responses: BTreeMap<String, Box<RawValue>>) -> Self {
        Self(Mutex::new(State { responses, volunteered: true, ..State::default() }))
    }

    /// Counts a question of this run.
    ///
    /// # Errors
    /// It is one too many.
    pub(super) fn count(&self) -> Result<(), AskError> {
        let mut state = self.state();
        state.questions += 1;
        if state.questions > MAX_QUESTIONS { Err(AskError::misused(TOO_MANY)) } else { Ok(()) }
    }

    /// The key of the next question: the one given, or its place in the order of questions.
    ///
    /// # Errors
    /// This run has asked under that key before.
    pub(super) fn key(&self, given: Option<&str>) -> Result<String, AskError> {
        let mut state = self.state();
        let key = if let Some(key) = given {
            key.to_owned()
        } else {
            state.ordinal += 1;
            format!("question-{}", state.ordinal)
        };
        if state.met.insert(key.clone()) { Ok(key) } else { Err(AskError::misused(TWICE)) }
    }

    /// The answer to the question of this digest, if it was given in an earlier round or came with this one. What came
    /// and cannot be read is as good as none: it will be asked again. Only a question that is `named` by the handler can be
    /// answered before it was asked.
    ///
    /// # Errors
    /// What was asked under this key was something else.
    pub(super) fn answer<A: Answers>(
        &self,
        key: &str,
        named: bool,
        digest: &[u8],
    ) -> Result<Option<A>, AskError> {
        let (mut state, digest) = (self.state(), hex(digest));
        if let Some(answered) = state.record.answers.get(key) {
            let same = answered.digest == digest;
            let read = same.then(|| A::read(&json(&answered.result)).ok()).flatten();
            return read.map(Some).ok_or_else(|| AskError::misused(CHANGED));
        }
        match state.record.open.get(key) {
            None if state.volunteered && named => {}
            None => return Ok(None), // nobody asked: whatever came under this key is no answer
            Some(asked) if *asked != digest => return Err(AskError::misused(CHANGED)),
            Some(_) => {}
        }
        let Some(result) = state.responses.remove(key) else { return Ok(None) };
        let Ok(answer) = A::read(&json(&result)) else { return Ok(None) };
        state.record.answers.insert(key.to_owned(), Answered { digest, result });
        Ok(Some(answer))
    }

    /// Puts a question among those that end this round.
    pub(super) fn ask(&self, key: String, digest: &[u8], method: &'static str, params: Json) {
        self.state().asked.push(Open { key, digest: hex(digest), method, params });
    }

    /// The result of work that was done in an earlier round, or in this one.
    pub(super) fn done(&self, key: &str) -> Option<Json> {
        self.state().record.done.get(key).map(|result| json(result))
    }

    /// Remembers the result of work, so that no further round does it again.
    pub(super) fn finish(&self, key: &str, result: &Json) {
        if let Ok(result) = RawValue::from_string(result.as_str().to_owned()) {
            self.state().record.done.insert(key.to_owned(), result);
        }
    }

    /// The ticket to a page, by the key of the question that sends there.
    pub(super) fn page(&self, key: &str) -> Option<Json> {
        self.state().record.pages.get(key).map(|issued| json(issued))
    }

    /// Remembers a ticket, so that the question is the same in each round.
    pub(super) fn keep_page(&self, key: &str, issued: &Json) {
        if let Ok(issued) = RawValue::from_string(issued.as_str().to_owned()) {
            self.state().record.pages.insert(key.to_owned(), issued);
        }
    }

    /// The questions that are open now, if there are any; the run is over then.
    pub(crate) fn questions(&self) -> Option<Questions> {
        let mut state = self.state();
        if state.asked.is_empty() {
            return None;
        }
        let asked = std::mem::take(&mut state.asked);
        let mut record = std::mem::take(&mut state.record);
        record.rounds = record.rounds.saturating_add(1);
        record.open = asked.iter().map(|open| (open.key.clone(), open.digest.clone())).collect();
        let request = |open: &Open| serde_json::json!({ "method": open.method, "params": open.params });
        let requests: serde_json::Map<_, _> =
            asked.iter().map(|open| (open.key.clone(), request(open))).collect();
        Some(Questions { requests: Json::from(serde_json::Value::from(requests)), record })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn json(raw: &RawValue) -> Json {
    Json::trusted(raw.get().to_owned().into())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::value::RawValue;
    use serde_json::{Value, json};

    use super::{Record, Round};
    use crate::Elicited;
    use crate::protocol::Json;

    const DIGEST: &[u8] = &[1; 32];
    const OTHER: &[u8] = &[2; 32];

    fn responses(answers: &Value) -> BTreeMap<String, Box<RawValue>> {
        serde_json::from_str(&answers.to_string()).unwrap()
    }

    fn ask(round: &Round, digest: &[u8]) -> Option<Elicited<()>> {
        let key = round.key(None).unwrap();
        let answer = round.answer(&key, false, digest).unwrap();
        if answer.is_none() {
            round.ask(key, digest, "elicitation/create", Json::EMPTY);
        }
        answer
    }

    /// The next round after `round`, with these answers.
    fn next(round: &Round, answers: &Value) -> Round {
        let record = round.questions().unwrap().record;
        let record = serde_json::from_slice(&serde_json::to_vec(&record).unwrap()).unwrap();
        Round::further(record, responses(answers))
    }

    #[test]
    fn an_answer_is_there_in_every_later_round() {
        let first = Round::default();
        assert!(ask(&first, DIGEST).is_none());
        let second = next(&first, &json!({ "question-1": { "action": "decline" } }));
        assert_eq!(ask(&second, DIGEST), Some(Elicited::Declined));
        assert!(ask(&second, OTHER).is_none());
        let third = next(&second, &json!({ "question-2": { "action": "cancel" } }));
        assert_eq!(ask(&third, DIGEST), Some(Elicited::Declined));
        assert_eq!(ask(&third, OTHER), Some(Elicited::Cancelled));
        assert!(third.questions().is_none());
    }

    #[test]
    fn several_questions_of_one_run_are_one_round() {
        let round = Round::default();
        assert!(ask(&round, DIGEST).is_none() && ask(&round, OTHER).is_none());
        let requests: Value = round.questions().unwrap().requests.to().unwrap();
        assert_eq!(requests.as_object().unwrap().len(), 2);
        assert_eq!(requests["question-2"]["method"], "elicitation/create");
        assert!(round.questions().is_none());
    }

    #[test]
    fn missing_and_unreadable_answers_are_asked_again_and_unknown_ones_passed_over() {
        let mut round = Round::default();
        assert!(ask(&round, DIGEST).is_none());
        for answers in [
            json!({}),
            json!({ "question-1": { "action": "maybe" } }),
            json!({ "x": { "action": "decline" } }),
        ] {
            round = next(&round, &answers);
            assert!(ask(&round, DIGEST).is_none(), "{answers}");
        }
        let last = next(&round, &json!({ "question-1": { "action": "accept" } }));
        assert_eq!(ask(&last, DIGEST), Some(Elicited::Accepted(())));
    }

    #[test]
    fn another_question_under_the_same_key_is_an_error() {
        let first = Round::default();
        assert!(ask(&first, DIGEST).is_none());
        let second = next(&first, &json!({ "question-1": { "action": "accept" } }));
        let key = second.key(None).unwrap();
        assert!(second.answer::<Elicited<()>>(&key, false, OTHER).is_err());
        let second = next(
            &{
                let again = Round::default();
                ask(&again, DIGEST);
                again
            },
            &json!({ "question-1": { "action": "accept" } }),
        );
        ask(&second, DIGEST);
        ask(&second, OTHER);
        let third = next(&second, &json!({}));
        let key = third.key(None).unwrap();
        assert!(third.answer::<Elicited<()>>(&key, false, OTHER).is_err(), "an answered one");
    }

    #[test]
    fn an_answer_to_what_nobody_asked_is_none() {
        let round =
            Round::further(Record::default(), responses(&json!({ "question-1": { "action": "accept" } })));
        assert!(ask(&round, DIGEST).is_none());
    }

    #[test]
    fn an_answer_may_come_before_the_question_where_the_question_has_a_name() {
        let round =
            Round::volunteered(responses(&json!({ "sure": { "action": "accept" }, "question-1": {} })));
        let key = round.key(Some("sure")).unwrap();
        assert_eq!(round.answer::<Elicited<()>>(&key, true, DIGEST).unwrap(), Some(Elicited::Accepted(())));
        assert!(ask(&round, DIGEST).is_none());
    }

    #[test]
    fn one_key_holds_one_question_of_a_run() {
        let round = Round::default();
        round.key(Some("room")).unwrap();
        assert!(round.key(Some("room")).is_err());
    }

    #[test]
    fn work_that_was_done_once_has_its_result_in_later_rounds() {
        let first = Round::default();
        first.finish("charge", &Json::from(json!({ "receipt": 7 })));
        assert!(ask(&first, DIGEST).is_none());
        let second = next(&first, &json!({}));
        assert_eq!(second.done("charge").unwrap().as_str(), r#"{"receipt":7}"#);
        assert!(second.done("other").is_none());
    }
}
