//! The parameters of `completion/complete` (server/utilities/completion, "Data Types").

use serde::Deserialize;
use serde_json::value::RawValue;

use super::Reader;
use crate::protocol::Json;
use crate::protocol::decode::Defect;
use crate::protocol::decode::envelope::Object;
use crate::request::{Operation, PartialArgument, Reference};

/// `ref`: the name belongs to a prompt, the URI to a resource. A `title` is passed over.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Referred<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<&'a RawValue>,
    #[serde(borrow)]
    name: Option<&'a RawValue>,
    #[serde(borrow)]
    uri: Option<&'a RawValue>,
}

/// `argument`.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Argument<'a> {
    #[serde(borrow)]
    name: Option<&'a RawValue>,
    #[serde(borrow)]
    value: Option<&'a RawValue>,
}

/// `context`.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Chosen<'a> {
    #[serde(borrow)]
    arguments: Option<&'a RawValue>,
}

impl Reader<'_> {
    pub(super) fn complete(&self) -> Result<Operation, Defect> {
        let referred: Referred<'_> = members("ref", self.params.reference)?;
        let argument: Argument<'_> = members("argument", self.params.argument)?;
        Ok(Operation::Complete {
            reference: self.reference(&referred)?,
            argument: PartialArgument::new(
                self.required("argument.name", argument.name)?,
                self.required("argument.value", argument.value)?,
            ),
            chosen: self.chosen()?,
        })
    }

    fn reference(&self, referred: &Referred<'_>) -> Result<Reference, Defect> {
        match &*self.required("ref.type", referred.kind)? {
            "ref/prompt" => Ok(Reference::Prompt(self.required("ref.name", referred.name)?)),
            "ref/resource" => Ok(Reference::Resource(self.required("ref.uri", referred.uri)?)),
            _ => Err(Defect::params("ref.type must be \"ref/prompt\" or \"ref/resource\"")),
        }
    }

    fn chosen(&self) -> Result<Json, Defect> {
        if self.params.context.is_none() {
            return Ok(Json::EMPTY);
        }
        let context: Chosen<'_> = members("context", self.params.context)?;
        Ok(self.object("context.arguments", context.arguments)?.unwrap_or(Json::EMPTY))
    }
}

/// The members of a parameter that is an object. What is nested deeper stays bytes.
fn members<'a, T: Deserialize<'a>>(field: &str, value: Option<&'a RawValue>) -> Result<T, Defect> {
    let Some(value) = value else {
        return Err(Defect::params(format!("the params lack {field}, an object")));
    };
    let members: Result<Object<T>, _> = serde_json::from_str(value.get());
    members
        .map(|members| members.0)
        .map_err(|_| Defect::params(format!("{field} must be an object in which no name stands twice")))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use serde_json::{Value, json};

    use crate::protocol::decode::{Incoming, Message, decode};
    use crate::request::{Operation, Reference};

    fn incoming(params: &str) -> Incoming {
        let message =
            format!(r#"{{"jsonrpc":"2.0","id":1,"method":"completion/complete","params":{params}}}"#);
        match decode(&Bytes::from(message)) {
            Ok(Message::Request(incoming)) => incoming,
            other => panic!("{other:?}"),
        }
    }

    /// The sentence about what is wrong with the parameters.
    fn defect(params: &Value) -> String {
        incoming(&params.to_string()).defect.expect("no defect").failure.message.into_owned()
    }

    #[test]
    fn reference_argument_and_context_are_slices_of_the_body() {
        let params = r#"{"ref":{"type":"ref/prompt","name":"review","title":"Review"},
            "argument":{"name":"language","value":"p\u0079"},"context":{"arguments":{"style":"short"}}}"#;
        let incoming = incoming(params);
        assert_eq!(incoming.defect, None);
        assert_eq!(incoming.operation.target(), Some("review"));
        let Operation::Complete { reference, argument, chosen } = incoming.operation else { panic!() };
        assert_eq!(reference, Reference::prompt("review"));
        assert_eq!((&*argument.name, &*argument.value), ("language", "py"));
        assert_eq!(chosen.as_str(), r#"{"style":"short"}"#);
    }

    #[test]
    fn a_resource_is_referred_to_by_its_uri_and_context_may_be_absent() {
        for context in ["", r#","context":null"#, r#","context":{}"#, r#","context":{"arguments":null}"#] {
            let params = format!(
                r#"{{"ref":{{"type":"ref/resource","uri":"a://{{b}}"}},"argument":{{"name":"b","value":""}}{context}}}"#
            );
            let incoming = incoming(&params);
            assert_eq!(incoming.defect, None, "{context}");
            let Operation::Complete { reference, chosen, .. } = incoming.operation else { panic!() };
            assert_eq!((reference, chosen.as_str()), (Reference::resource("a://{b}"), "{}"));
        }
    }

    #[test]
    fn what_is_missing_or_of_a_wrong_type_is_named() {
        let reference = json!({ "type": "ref/prompt", "name": "p" });
        let argument = json!({ "name": "a", "value": "" });
        for (params, told) in [
            (json!({}), "the params lack ref, an object"),
            (json!({ "ref": reference }), "the params lack argument, an object"),
            (json!({ "ref": "p", "argument": argument }), "ref must be an object"),
            (json!({ "ref": [], "argument": argument }), "ref must be an object"),
            (json!({ "ref": {}, "argument": argument }), "the params lack ref.type, a string"),
            (json!({ "ref": { "type": "ref/tool", "name": "t" }, "argument": argument }), "ref.type must be"),
            (
                json!({ "ref": { "type": "ref/prompt", "uri": "p" }, "argument": argument }),
                "the params lack ref.name, a string",
            ),
            (
                json!({ "ref": { "type": "ref/resource", "name": "p" }, "argument": argument }),
                "the params lack ref.uri, a string",
            ),
            (
                json!({ "ref": reference, "argument": { "name": "a" } }),
                "the params lack argument.value, a string",
            ),
            (
                json!({ "ref": reference, "argument": { "value": "" } }),
                "the params lack argument.name, a string",
            ),
            (
                json!({ "ref": reference, "argument": { "name": "a", "value": 7 } }),
                "argument.value must be a string",
            ),
            (json!({ "ref": reference, "argument": argument, "context": 7 }), "context must be an object"),
            (
                json!({ "ref": reference, "argument": argument, "context": { "arguments": [] } }),
                "context.arguments must be an object",
            ),
        ] {
            assert!(defect(&params).starts_with(told), "{params}: {}", defect(&params));
        }
    }
}
