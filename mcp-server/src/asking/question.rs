//! A question to the client: its method, its params in each revision, and what the client must be able to do.

use serde::Serialize;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use super::form::FormSchema;
use super::needs::Need;
use super::{Form, Sampling, url};
use crate::protocol::{Json, Revision, canonical};
use crate::{Error, Result};

/// A question to the client. Cheap to clone in comparison with what asking it costs.
#[derive(Clone, Debug)]
pub(crate) struct Question(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Form { message: String, schema: Schema },
    Url { message: String, url: String },
    Sampling(Sampling),
    Roots,
}

/// The schema of a form.
#[derive(Clone, Debug)]
struct Schema {
    whole: Json,
    /// What is understood of it, which is what older revisions are told; `None` where it is not of the specification's
    /// kind.
    flat: Option<FormSchema>,
}

impl Question {
    /// Asks the person to fill in a form.
    pub(crate) fn form<F: Form>(message: &str) -> Self {
        let whole = F::schema();
        let schema = Schema { flat: whole.to().ok(), whole };
        Self(Kind::Form { message: message.to_owned(), schema })
    }

    /// Asks the person to open a page, which is a whole `https://` URL, or `http://` on this machine.
    ///
    /// # Errors
    /// It is not; the message does not repeat it.
    pub(crate) fn url(message: &str, url: &str) -> Result<Self> {
        match url::defect(url) {
            Some(defect) => Err(Error::new(format!("the URL that the person is sent to {defect}"))),
            None => Ok(Self(Kind::Url { message: message.to_owned(), url: url.to_owned() })),
        }
    }

    /// Asks the client's model.
    ///
    /// # Errors
    /// The request breaks a rule of the specification, such as a tool use without its result.
    pub(crate) fn sampling(request: &Sampling) -> Result<Self> {
        request.check().map_err(|wrong| Error::new(format!("the model cannot be asked this: {wrong}")))?;
        Ok(Self(Kind::Sampling(request.clone())))
    }

    /// Asks for the folders that the client works in.
    pub(crate) const fn roots() -> Self {
        Self(Kind::Roots)
    }

    pub(crate) const fn method(&self) -> &'static str {
        match self.0 {
            Kind::Form { .. } | Kind::Url { .. } => "elicitation/create",
            Kind::Sampling(_) => "sampling/createMessage",
            Kind::Roots => "roots/list",
        }
    }

    /// The params in the form of a revision. `id` is the question's own, and on the wire where a page is told to be done
    /// with by it.
    pub(crate) fn params_for(&self, revision: Revision, id: &str) -> Json {
        let params = match &self.0 {
            Kind::Form { message, schema } => Json::of(&form_params(message, schema, revision)),
            Kind::Url { message, url } => {
                let elicitation_id = matches!(revision, Revision::V2025_11_25).then_some(id);
                Json::of(&UrlParams { mode: "url", message, url, elicitation_id })
            }
            Kind::Sampling(request) => Json::of(&request.params(revision)),
            Kind::Roots => return Json::EMPTY,
        };
        params.unwrap_or_else(|error| {
            tracing::error!(%error, method = self.method(), "a question could not be written");
            Json::EMPTY
        })
    }

    /// What the client lacks for it, as the object of `data.requiredCapabilities`; `None` where it may be sent.
    pub(crate) fn missing(&self, capabilities: &Json, revision: Revision) -> Option<Map<String, Value>> {
        self.need().missing(capabilities, revision)
    }

    pub(super) fn need(&self) -> Need {
        match &self.0 {
            Kind::Form { schema, .. } if schema.flat.as_ref().is_some_and(|flat| !flat.has_lists()) => {
                Need::Form
            }
            Kind::Form { .. } => Need::FormWithLists,
            Kind::Url { .. } => Need::Url,
            Kind::Sampling(request) if request.uses_tools() => Need::SamplingTools,
            Kind::Sampling(_) => Need::Sampling,
            Kind::Roots => Need::Roots,
        }
    }

    /// A SHA-256 over the length-prefixed method and params, the same in every revision: an answer belongs to one
    /// question.
    pub(crate) fn digest(&self) -> [u8; 32] {
        let params = self.params_for(Revision::V2026_07_28, "");
        let params = canonical(&params).unwrap_or_else(|| params.as_bytes().to_vec());
        let mut hash = Sha256::new();
        for part in [self.method().as_bytes(), &params] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        hash.finalize().into()
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct FormParams<'a> {
    /// Before 2025-11-25 there was one mode without a name.
    #[serde(skip_serializing_if = "Option::is_none")]
    mode: Option<&'static str>,
    message: &'a str,
    requested_schema: Json,
}

fn form_params<'a>(message: &'a str, schema: &Schema, revision: Revision) -> FormParams<'a> {
    let has_modes = matches!(revision, Revision::V2025_11_25 | Revision::V2026_07_28);
    let requested_schema = match &schema.flat {
        Some(flat) if !has_modes => flat.clone().of_2025_06_18().to_json(),
        _ => schema.whole.clone(),
    };
    FormParams { mode: has_modes.then_some("form"), message, requested_schema }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct UrlParams<'a> {
    mode: &'static str,
    message: &'a str,
    url: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    elicitation_id: Option<&'a str>,
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::Question;
    use crate::asking::form::tests::Contact;
    use crate::asking::{Form, Sampling, SamplingTool};
    use crate::protocol::{Json, Revision};

    /// A form whose schema was written by hand.
    struct ByHand;

    impl Form for ByHand {
        fn schema() -> Json {
            let colors = json!({ "type": "array", "items": { "type": "string", "enum": ["red"] } });
            json!({ "type": "object", "properties": { "colors": colors }, "x": 1 }).into()
        }

        fn read(_: &Json) -> Result<Self, String> {
            Ok(Self)
        }
    }

    fn params(question: &Question, revision: Revision) -> Value {
        question.params_for(revision, "550e8400").to().unwrap()
    }

    fn page() -> Question {
        Question::url("Please provide your API key to continue.", "https://mcp.example.com/ui/set_api_key")
            .unwrap()
    }

    #[test]
    fn a_form_is_asked_as_in_the_specification() {
        let form = Question::form::<Contact>("Please provide your contact information");
        assert_eq!(form.method(), "elicitation/create");
        let expected = json!({
            "mode": "form",
            "message": "Please provide your contact information",
            "requestedSchema": {
                "type": "object",
                "properties": {
                    "name": { "type": "string", "description": "Your full name" },
                    "email": { "type": "string", "format": "email", "description": "Your email address" },
                    "age": { "type": "number", "minimum": 18, "description": "Your age" },
                },
                "required": ["name", "email"],
            },
        });
        assert_eq!(params(&form, Revision::V2026_07_28), expected);
        assert_eq!(params(&form, Revision::V2025_11_25), expected);
        let mut without_mode = expected;
        without_mode.as_object_mut().unwrap().remove("mode");
        assert_eq!(params(&form, Revision::V2025_06_18), without_mode);
    }

    #[test]
    fn a_page_has_an_id_on_2025_11_25_alone() {
        let mut expected = json!({
            "mode": "url",
            "url": "https://mcp.example.com/ui/set_api_key",
            "message": "Please provide your API key to continue.",
        });
        assert_eq!(page().method(), "elicitation/create");
        assert_eq!(params(&page(), Revision::V2026_07_28), expected);
        expected["elicitationId"] = json!("550e8400");
        assert_eq!(params(&page(), Revision::V2025_11_25), expected);
    }

    #[test]
    fn a_page_that_is_none_is_refused_without_being_repeated() {
        let error = Question::url("Open it", "http://s3cret.example/").unwrap_err().to_string();
        assert!(
            error.contains("the URL") && error.contains("https://") && !error.contains("s3cret"),
            "{error}"
        );
    }

    #[test]
    fn roots_are_asked_for_without_params() {
        assert_eq!(Question::roots().method(), "roots/list");
        assert_eq!(params(&Question::roots(), Revision::V2026_07_28), json!({}));
    }

    #[test]
    fn each_question_needs_its_own_capability() {
        let tools = Sampling::new(10).user("Hi").tool(SamplingTool::new("t", json!({ "type": "object" })));
        let asked = [
            (Question::form::<Contact>("?"), json!({ "elicitation": { "form": {} } })),
            (page(), json!({ "elicitation": { "url": {} } })),
            (Question::sampling(&Sampling::new(10).user("Hi")).unwrap(), json!({ "sampling": {} })),
            (Question::sampling(&tools).unwrap(), json!({ "sampling": { "tools": {} } })),
            (Question::roots(), json!({ "roots": {} })),
        ];
        for (question, needed) in asked {
            let missing = question.missing(&Json::EMPTY, Revision::V2026_07_28).map(Value::from);
            assert_eq!(missing.as_ref(), Some(&needed), "{}", question.method());
            assert_eq!(question.missing(&needed.into(), Revision::V2026_07_28), None);
        }
    }

    #[test]
    fn lists_and_what_is_unknown_are_not_sent_to_2025_06_18() {
        struct Unknown;

        impl Form for Unknown {
            fn schema() -> Json {
                json!({ "type": "object", "properties": { "a": { "type": "object" } } }).into()
            }

            fn read(_: &Json) -> Result<Self, String> {
                Ok(Self)
            }
        }

        let capabilities = Json::from(json!({ "elicitation": {} }));
        for question in [Question::form::<ByHand>("?"), Question::form::<Unknown>("?")] {
            assert!(question.missing(&capabilities, Revision::V2025_06_18).is_some());
            assert_eq!(question.missing(&capabilities, Revision::V2025_11_25), None);
        }
        let plain = Question::form::<Contact>("?");
        assert_eq!(plain.missing(&capabilities, Revision::V2025_06_18), None);
        assert!(plain.missing(&capabilities, Revision::V2025_03_26).is_some());
    }

    #[test]
    fn a_schema_by_hand_is_sent_as_it_is_to_all_that_know_modes() {
        let by_hand = params(&Question::form::<ByHand>("?"), Revision::V2025_11_25);
        assert_eq!(by_hand["requestedSchema"], ByHand::schema().to::<Value>().unwrap());
    }

    #[test]
    fn a_digest_belongs_to_one_question() {
        let form = |message: &str| Question::form::<Contact>(message).digest();
        assert_eq!(form("a"), form("a"));
        let all = [
            form("a"),
            form("b"),
            Question::form::<ByHand>("a").digest(),
            page().digest(),
            Question::sampling(&Sampling::new(10).user("Hi")).unwrap().digest(),
            Question::sampling(&Sampling::new(11).user("Hi")).unwrap().digest(),
            Question::roots().digest(),
        ];
        for (index, digest) in all.iter().enumerate() {
            assert!(!all[..index].contains(digest), "{index}");
        }
    }
}
