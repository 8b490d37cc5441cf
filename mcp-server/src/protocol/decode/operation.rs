//! From a method and its parameters to an operation.

mod completion;

use bytestring::ByteString;
use serde_json::value::RawValue;

use super::envelope::{Object, Params, Reserved};
use super::{Defect, Incoming, Meta, json, raw_params, string};
use crate::protocol::{Json, ListKind, ProgressToken};
use crate::request::{Operation, Resumed};

/// The message of parameters that were read in the one pass.
pub(super) fn of_params(text: &ByteString, method: &str, params: Params<'_>) -> Incoming {
    let reader = Reader { text, params };
    let (meta, meta_defect) = reader.meta();
    let (operation, resumed, defect) = match reader.operation(method) {
        Ok(operation) if !meta.modern => (operation, None, None), // before 2026-07-28 these are unknown members
        Ok(operation) => match reader.resumed(&operation) {
            Ok(resumed) => (operation, resumed, None),
            Err(defect) => (operation, None, Some(defect)),
        },
        Err(defect) => (reader.other(method), None, Some(defect)),
    };
    Incoming { id: None, operation, meta, resumed, defect: meta_defect.or(defect) }
}

/// The message of parameters that no method has.
pub(super) fn of_misfit(text: &ByteString, method: &str, params: Option<&RawValue>) -> Incoming {
    let params = params.map_or(Json::EMPTY, |params| json(text, params));
    Incoming {
        id: None,
        operation: Operation::Other { method: method.into(), params },
        meta: Meta::default(),
        resumed: None,
        defect: Some(Defect::unread("the params must be an object in which no name stands twice")),
    }
}

struct Reader<'a> {
    text: &'a ByteString,
    params: Params<'a>,
}

impl Reader<'_> {
    fn operation(&self, method: &str) -> Result<Operation, Defect> {
        Ok(match method {
            "tools/call" => Operation::CallTool { name: self.name()?, arguments: self.arguments()? },
            "prompts/get" => Operation::GetPrompt { name: self.name()?, arguments: self.arguments()? },
            "resources/read" => Operation::ReadResource { uri: self.required("uri", self.params.uri)? },
            "tools/list" => self.list(ListKind::Tools)?,
            "resources/list" => self.list(ListKind::Resources)?,
            "resources/templates/list" => self.list(ListKind::ResourceTemplates)?,
            "prompts/list" => self.list(ListKind::Prompts)?,
            "server/discover" => Operation::Discover,
            "completion/complete" => self.complete()?,
            "initialize" => Operation::Initialize { params: raw_params(self.text) },
            "subscriptions/listen" => Operation::Listen { filter: self.filter()? },
            _ => self.other(method),
        })
    }

    fn other(&self, method: &str) -> Operation {
        Operation::Other { method: method.into(), params: raw_params(self.text) }
    }

    fn list(&self, kind: ListKind) -> Result<Operation, Defect> {
        Ok(Operation::List { kind, cursor: self.optional("cursor", self.params.cursor)? })
    }

    fn name(&self) -> Result<ByteString, Defect> {
        self.required("name", self.params.name)
    }

    fn arguments(&self) -> Result<Json, Defect> {
        Ok(self.object("arguments", self.params.arguments)?.unwrap_or(Json::EMPTY))
    }

    fn filter(&self) -> Result<Json, Defect> {
        let filter = self.object("notifications", self.params.notifications)?;
        filter.ok_or_else(|| Defect::params("the params lack notifications, an object"))
    }

    /// What comes back to an `input_required` result; no other method can have asked (basic/patterns/mrtr).
    fn resumed(&self, operation: &Operation) -> Result<Option<Resumed>, Defect> {
        if operation.used().is_none() {
            return Ok(None);
        }
        let responses = self.object("inputResponses", self.params.input_responses)?;
        let state = self.optional("requestState", self.params.request_state)?;
        Ok((responses.is_some() || state.is_some()).then_some(Resumed { responses, state }))
    }

    fn required(&self, field: &str, value: Option<&RawValue>) -> Result<ByteString, Defect> {
        let value = self.optional(field, value)?;
        value.ok_or_else(|| Defect::params(format!("the params lack {field}, a string")))
    }

    fn optional(&self, field: &str, value: Option<&RawValue>) -> Result<Option<ByteString>, Defect> {
        let Some(value) = value else { return Ok(None) };
        let text = string(self.text, value);
        text.map(Some).ok_or_else(|| Defect::params(format!("{field} must be a string")))
    }

    fn object(&self, field: &str, value: Option<&RawValue>) -> Result<Option<Json>, Defect> {
        let value = value.map(|value| json(self.text, value));
        if value.as_ref().is_some_and(|value| !value.is_object()) {
            return Err(Defect::params(format!("{field} must be an object")));
        }
        Ok(value)
    }

    /// `_meta` is read on its own: it is small, and its bytes are kept as they are.
    fn meta(&self) -> (Meta, Option<Defect>) {
        let Some(raw) = self.params.meta else { return (Meta::default(), None) };
        let Ok(Object(reserved)) = serde_json::from_str::<Object<Reserved<'_>>>(raw.get()) else {
            let defect = Defect::unread("_meta must be an object in which no reserved key stands twice");
            return (Meta::default(), Some(defect));
        };
        self.reserved(raw, &reserved)
    }

    fn reserved(&self, raw: &RawValue, reserved: &Reserved<'_>) -> (Meta, Option<Defect>) {
        let text = |value: Option<&RawValue>| value.and_then(|value| string(self.text, value));
        let object =
            |value: Option<&RawValue>| value.map(|value| json(self.text, value)).filter(Json::is_object);
        let progress = reserved.progress.map(|token| ProgressToken::new(&json(self.text, token)));
        let meta = Meta {
            raw: json(self.text, raw),
            modern: reserved.version.is_some() || reserved.capabilities.is_some(),
            version: text(reserved.version),
            client_info: object(reserved.client_info),
            capabilities: object(reserved.capabilities),
            log_level: text(reserved.log_level),
            progress: progress.clone().and_then(Result::ok),
        };
        let defect = if progress.is_some_and(|token| token.is_err()) {
            Some(Defect::meta("the progressToken must be a string or an integer of at most 256 bytes"))
        } else if reserved.log_level.is_some() && meta.log_level.is_none() {
            Some(Defect::meta("the logLevel must be a string"))
        } else {
            None
        };
        (meta, defect)
    }
}
