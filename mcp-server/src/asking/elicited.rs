//! What becomes of a question to the person.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Answers, Form};
use crate::protocol::Json;

/// What the person did with a question (client/elicitation, "Response Actions").
///
/// ```
/// use mcp_server::Elicited;
///
/// fn told(answer: Elicited<String>) -> String {
///     match answer {
///         Elicited::Accepted(name) => format!("Hello, {name}"),
///         Elicited::Declined => "As you like".to_owned(),
///         Elicited::Cancelled => "Another time, perhaps".to_owned(),
///     }
/// }
///
/// assert_eq!(told(Elicited::Accepted("Ada".to_owned())), "Hello, Ada");
/// assert_eq!(Elicited::<String>::Cancelled.accepted(), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "the person may have declined"]
pub enum Elicited<T> {
    /// They agreed: a form's answers, checked. A page (URL mode) was only agreed to be opened: whether anything came of
    /// it is known to the page alone.
    Accepted(T),
    /// They said no.
    Declined,
    /// They closed the question without an answer; it may be asked again another time.
    Cancelled,
}

impl<T> Elicited<T> {
    /// What was accepted, if it was.
    pub fn accepted(self) -> Option<T> {
        match self {
            Self::Accepted(value) => Some(value),
            Self::Declined | Self::Cancelled => None,
        }
    }

    /// Makes something else of what was accepted.
    pub fn map<U>(self, make: impl FnOnce(T) -> U) -> Elicited<U> {
        match self {
            Self::Accepted(value) => Elicited::Accepted(make(value)),
            Self::Declined => Elicited::Declined,
            Self::Cancelled => Elicited::Cancelled,
        }
    }
}

/// A page has no content and is read as `()`, which is a form without fields.
impl<F: Form> Answers for Elicited<F> {
    fn read(result: &Json) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Answer<'a> {
            #[serde(borrow, default)]
            action: Option<&'a RawValue>,
            #[serde(borrow, default)]
            content: Option<&'a RawValue>,
        }
        let answer: Option<Answer<'_>> =
            serde_json::from_slice(result.as_bytes()).ok().filter(|_| result.is_object());
        let answer = answer.ok_or("the answer must be an object")?;
        let action = answer.action.and_then(|action| serde_json::from_str::<String>(action.get()).ok());
        match action.as_deref() {
            Some("accept") => F::read(&content(answer.content)).map(Self::Accepted),
            Some("decline") => Ok(Self::Declined),
            Some("cancel") => Ok(Self::Cancelled),
            _ => Err("`action` must be `accept`, `decline` or `cancel`".to_owned()),
        }
    }
}

/// What is absent holds no field; a form of optional fields is content with it.
fn content(content: Option<&RawValue>) -> Json {
    content.map_or(Json::EMPTY, |content| Json::trusted(content.get().to_owned().into()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Answers as _, Elicited};
    use crate::asking::form::tests::Contact;

    fn read<F: crate::Form>(result: serde_json::Value) -> Result<Elicited<F>, String> {
        Elicited::read(&result.into())
    }

    #[test]
    fn each_action_is_read() {
        let content = json!({ "name": "Monalisa Octocat", "email": "octocat@github.com", "age": 30 });
        let contact = read::<Contact>(json!({ "action": "accept", "content": content })).unwrap();
        let contact = contact.accepted().unwrap();
        assert_eq!((contact.name.as_str(), contact.age), ("Monalisa Octocat", Some(30.0)));
        assert!(matches!(read::<Contact>(json!({ "action": "decline" })), Ok(Elicited::Declined)));
        let cancelled = json!({ "action": "cancel", "content": null, "_meta": {} });
        assert!(matches!(read::<Contact>(cancelled), Ok(Elicited::Cancelled)));
    }

    #[test]
    fn what_is_declined_need_not_fit_the_form() {
        let declined = json!({ "action": "decline", "content": { "age": "old" } });
        assert!(matches!(read::<Contact>(declined), Ok(Elicited::Declined)));
    }

    #[test]
    fn a_page_is_agreed_to_without_content() {
        assert_eq!(read::<()>(json!({ "action": "accept" })), Ok(Elicited::Accepted(())));
        let with_content = json!({ "action": "accept", "content": { "anything": 1 } });
        assert_eq!(read::<()>(with_content), Ok(Elicited::Accepted(())));
    }

    #[test]
    fn an_answer_of_another_shape_is_told_without_its_values() {
        let action = Err("`action` must be `accept`, `decline` or `cancel`".to_owned());
        for result in
            [json!({}), json!({ "action": "s3cret" }), json!({ "action": null }), json!({ "action": 7 })]
        {
            assert_eq!(read::<()>(result), action);
        }
        assert_eq!(read::<()>(json!(["accept"])), Err("the answer must be an object".to_owned()));
        let accepted = json!({ "action": "accept", "content": "s3cret" });
        let error = read::<Contact>(accepted).map(|_| ()).unwrap_err();
        assert_eq!(error, "`content` must be an object");
        let nothing = read::<Contact>(json!({ "action": "accept" })).map(|_| ()).unwrap_err();
        assert_eq!(nothing, "`name` is missing");
    }

    #[test]
    fn an_accepted_value_can_be_made_into_another() {
        assert_eq!(Elicited::Accepted(2).map(|number| number * 2), Elicited::Accepted(4));
        assert_eq!(Elicited::<u8>::Declined.map(u16::from), Elicited::Declined);
        assert_eq!(Elicited::<u8>::Cancelled.map(u16::from).accepted(), None);
    }
}
