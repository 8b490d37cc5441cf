//! Which capability a question needs, and since when it exists.

use serde_json::{Map, Value, json};

use super::{Form, Question};
use crate::protocol::{Failure, Json, Revision};

/// What a client can declare and a component may need: see [`Tool::requires`](crate::Tool::requires).
///
/// A client of a revision that has no such thing lacks it, whatever it declares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Capability {
    /// Forms for the person (2025-06-18 and later). `elicitation` that names no mode means these.
    Elicitation,
    /// Pages for the person to open (2025-11-25 and later).
    ElicitationUrl,
    /// The client's model. Deprecated by 2026-07-28 (SEP-2577).
    Sampling,
    /// The client's model, using tools (2025-11-25 and later). Deprecated by 2026-07-28 (SEP-2577).
    SamplingTools,
    /// The folders that the client works in. Deprecated by 2026-07-28 (SEP-2577).
    Roots,
    /// The extension of this name, such as `io.modelcontextprotocol/ui`.
    Extension(&'static str),
}

/// What a client must have declared (2026-07-28, basic/versioning; before, basic/lifecycle, "Capability Negotiation").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// Forms, since 2025-06-18.
    Form,
    /// Forms with lists, since 2025-11-25.
    FormWithLists,
    /// Pages, since 2025-11-25.
    Url,
    /// A model.
    Sampling,
    /// A model that uses tools, since 2025-11-25.
    SamplingTools,
    /// The folders that the client works in.
    Roots,
    /// The extension of this name.
    Extension(&'static str),
}

impl From<Capability> for Need {
    fn from(capability: Capability) -> Self {
        match capability {
            Capability::Elicitation => Self::Form,
            Capability::ElicitationUrl => Self::Url,
            Capability::Sampling => Self::Sampling,
            Capability::SamplingTools => Self::SamplingTools,
            Capability::Roots => Self::Roots,
            Capability::Extension(name) => Self::Extension(name),
        }
    }
}

impl Need {
    /// What it takes to be asked for the form `F`.
    pub(crate) fn of_form<F: Form>() -> Self {
        Question::form::<F>("").need()
    }

    /// The refusal of a client that lacks some of `needs`, with all that it lacks.
    pub(crate) fn refusal(
        needs: &[Self],
        capabilities: Option<&Json>,
        revision: Revision,
    ) -> Option<Failure> {
        if needs.is_empty() {
            return None;
        }
        let mut lacking = Map::new();
        for need in needs {
            if let Some(missing) = need.missing(capabilities.unwrap_or(&Json::EMPTY), revision) {
                merge(&mut lacking, missing);
            }
        }
        (!lacking.is_empty()).then(|| Failure::missing_capability(&lacking, revision))
    }

    /// What is lacking, as a client would declare it; `None` where nothing is.
    pub(super) fn missing(self, capabilities: &Json, revision: Revision) -> Option<Map<String, Value>> {
        let declared: Map<String, Value> = capabilities.to().unwrap_or_default();
        let has = self.exists_on(revision) && self.is_declared(&declared);
        (!has).then(|| self.as_declared())
    }

    const fn exists_on(self, revision: Revision) -> bool {
        match self {
            Self::Form => !matches!(revision, Revision::V2024_11_05 | Revision::V2025_03_26),
            Self::FormWithLists | Self::Url | Self::SamplingTools => {
                matches!(revision, Revision::V2025_11_25 | Revision::V2026_07_28)
            }
            Self::Sampling | Self::Roots | Self::Extension(_) => true,
        }
    }

    /// A capability is an object. `elicitation` that names no mode is the form, as it was before there were two.
    fn is_declared(self, declared: &Map<String, Value>) -> bool {
        let object = |name: &str| declared.get(name).and_then(Value::as_object);
        let part = |name: &str, part: &str| {
            object(name).is_some_and(|parts| parts.get(part).is_some_and(Value::is_object))
        };
        match self {
            Self::Form | Self::FormWithLists => {
                let alone = object("elicitation").is_some_and(|modes| !modes.contains_key("url"));
                part("elicitation", "form") || alone
            }
            Self::Url => part("elicitation", "url"),
            Self::Sampling => object("sampling").is_some(),
            Self::SamplingTools => part("sampling", "tools"),
            Self::Roots => object("roots").is_some(),
            Self::Extension(name) => part("extensions", name),
        }
    }

    fn as_declared(self) -> Map<String, Value> {
        let (name, parts) = match self {
            Self::Form | Self::FormWithLists => ("elicitation", json!({ "form": {} })),
            Self::Url => ("elicitation", json!({ "url": {} })),
            Self::Sampling => ("sampling", json!({})),
            Self::SamplingTools => ("sampling", json!({ "tools": {} })),
            Self::Roots => ("roots", json!({})),
            Self::Extension(name) => ("extensions", json!({ name: {} })),
        };
        Map::from_iter([(name.to_owned(), parts)])
    }
}

/// Adds `more` to `known`, object by object.
fn merge(known: &mut Map<String, Value>, more: Map<String, Value>) {
    for (name, value) in more {
        let known = known.entry(name).or_insert_with(|| Value::Object(Map::new()));
        if let (Value::Object(known), Value::Object(more)) = (known, value) {
            merge(known, more);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Capability, Need};
    use crate::protocol::{Json, Revision};

    const NEEDS: [Need; 6] =
        [Need::Form, Need::FormWithLists, Need::Url, Need::Sampling, Need::SamplingTools, Need::Roots];

    fn fulfilled(capabilities: &Value, revision: Revision) -> Vec<Need> {
        let capabilities = Json::from(capabilities.clone());
        NEEDS.into_iter().filter(|need| need.missing(&capabilities, revision).is_none()).collect()
    }

    #[test]
    fn a_client_that_declares_all_is_asked_what_its_revision_has() {
        let all =
            json!({ "elicitation": { "form": {}, "url": {} }, "sampling": { "tools": {} }, "roots": {} });
        let oldest = [Need::Sampling, Need::Roots];
        assert_eq!(fulfilled(&all, Revision::V2024_11_05), oldest);
        assert_eq!(fulfilled(&all, Revision::V2025_03_26), oldest);
        assert_eq!(fulfilled(&all, Revision::V2025_06_18), [Need::Form, Need::Sampling, Need::Roots]);
        assert_eq!(fulfilled(&all, Revision::V2025_11_25), NEEDS);
        assert_eq!(fulfilled(&all, Revision::V2026_07_28), NEEDS);
    }

    #[test]
    fn elicitation_that_names_no_mode_is_the_form_only() {
        let forms = [Need::Form, Need::FormWithLists];
        for capabilities in [
            json!({ "elicitation": {} }),
            json!({ "elicitation": { "form": {} } }),
            json!({ "elicitation": { "form": { "applyDefaults": true } } }),
            json!({ "elicitation": { "form": {}, "url": true } }),
        ] {
            assert_eq!(fulfilled(&capabilities, Revision::V2026_07_28), forms, "{capabilities}");
        }
        let url = json!({ "elicitation": { "url": {} } });
        assert_eq!(fulfilled(&url, Revision::V2026_07_28), [Need::Url]);
    }

    #[test]
    fn what_is_not_an_object_is_not_declared() {
        for capabilities in [
            json!({}),
            json!({ "elicitation": true, "sampling": null, "roots": [] }),
            json!(null),
            json!("elicitation"),
        ] {
            assert_eq!(fulfilled(&capabilities, Revision::V2025_11_25), [], "{capabilities}");
        }
        assert_eq!(fulfilled(&json!({ "sampling": {} }), Revision::V2025_11_25), [Need::Sampling]);
    }

    #[test]
    fn what_is_lacking_is_told_as_it_would_be_declared() {
        for need in NEEDS {
            let missing = Value::from(need.missing(&Json::EMPTY, Revision::V2026_07_28).unwrap());
            assert!(fulfilled(&missing, Revision::V2026_07_28).contains(&need), "{missing}");
        }
    }

    #[test]
    fn all_that_is_lacking_is_told_at_once() {
        let needs = [
            Capability::Elicitation,
            Capability::ElicitationUrl,
            Capability::SamplingTools,
            Capability::Sampling,
            Capability::Extension("io.modelcontextprotocol/ui"),
        ];
        let needs = needs.map(Need::from);
        let refusal = |capabilities: Value| {
            let capabilities = Json::from(capabilities);
            Need::refusal(&needs, Some(&capabilities), Revision::V2026_07_28)
        };
        let nothing = refusal(json!({})).unwrap();
        assert_eq!(nothing.code, -32_021);
        let data: Value = nothing.data.unwrap().to().unwrap();
        let all = json!({
            "elicitation": { "form": {}, "url": {} },
            "sampling": { "tools": {} },
            "extensions": { "io.modelcontextprotocol/ui": {} },
        });
        assert_eq!(data["requiredCapabilities"], all);
        assert_eq!(refusal(all), None);
        let forms = json!({ "elicitation": {}, "sampling": {}, "extensions": { "io.modelcontextprotocol/ui": true } });
        let data: Value = refusal(forms).unwrap().data.unwrap().to().unwrap();
        let rest = json!({
            "elicitation": { "url": {} },
            "sampling": { "tools": {} },
            "extensions": { "io.modelcontextprotocol/ui": {} },
        });
        assert_eq!(data["requiredCapabilities"], rest);
        assert_eq!(Need::refusal(&[], None, Revision::V2026_07_28), None);
    }
}
