//! Which capability a question needs, and since when it exists.

use serde_json::{Map, Value, json};

use crate::protocol::{Json, Revision};

/// What a client must have declared (basic/lifecycle, "Capability Negotiation").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
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
}

impl Need {
    /// What is lacking, as a client would declare it; `None` where nothing is.
    pub(super) fn missing(self, capabilities: &Json, revision: Revision) -> Option<Value> {
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
            Self::Sampling | Self::Roots => true,
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
        }
    }

    fn as_declared(self) -> Value {
        match self {
            Self::Form | Self::FormWithLists => json!({ "elicitation": { "form": {} } }),
            Self::Url => json!({ "elicitation": { "url": {} } }),
            Self::Sampling => json!({ "sampling": {} }),
            Self::SamplingTools => json!({ "sampling": { "tools": {} } }),
            Self::Roots => json!({ "roots": {} }),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::Need;
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
            let missing = need.missing(&Json::EMPTY, Revision::V2026_07_28).unwrap();
            assert!(fulfilled(&missing, Revision::V2026_07_28).contains(&need), "{missing}");
        }
    }
}
