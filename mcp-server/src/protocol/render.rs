//! Answers out, as bytes in the form of the revision that asked.

mod content;
mod object;
mod result;
mod typed;

use bytes::Bytes;
use serde::Serialize;

pub(crate) use self::content::in_form;
use self::object::{Object, push_json, push_value};
pub(crate) use self::result::rendered;
use super::{
    CacheScope, Failure, Hints, Implementation, InputRequired, Json, Pieces, RequestId, Revision, WireForm,
    code,
};
use crate::{Answer, Rendered, Reply};

/// From how many bytes on a result that is bytes already is sent as a piece of its own: a small one is copied sooner.
const SHARED: usize = 16 << 10;

/// Writes answers. Made once per server: what every result carries is serialized here once.
///
/// No message holds a newline, so that one is a line of stdio and a `data:` field of an event stream.
#[derive(Clone, Debug)]
pub(crate) struct Renderer {
    /// `"io.modelcontextprotocol/serverInfo":{..}`
    server_info: Bytes,
}

impl Renderer {
    pub(crate) fn new(info: &Implementation) -> Self {
        let mut server_info = br#""io.modelcontextprotocol/serverInfo":"#.to_vec();
        push_value(&mut server_info, info);
        Self { server_info: server_info.into() }
    }

    /// The response to the request `id` of `revision`, in one piece.
    pub(crate) fn response(&self, id: &RequestId, answer: Answer, revision: Revision) -> Bytes {
        self.pieces(id, answer, revision).join()
    }

    /// The response to the request `id` of `revision`.
    ///
    /// An answer that the revision cannot carry is a fault here: it is logged and sent as `Internal error`.
    pub(crate) fn pieces(&self, id: &RequestId, answer: Answer, revision: Revision) -> Pieces {
        let form = revision.form();
        match answer {
            Answer::Failed(failure) => self.error(Some(id), &of_revision(failure, revision)).into(),
            Answer::Asked(asked) if form == WireForm::Stateless => self.asked(id, &asked).into(),
            Answer::Asked(_) => {
                self.fault(id, "questions in place of a result exist on 2026-07-28 only").into()
            }
            Answer::Done(Reply::Rendered(other)) if other.form() != form => {
                self.fault(id, "an answer was rendered in the form of another revision").into()
            }
            Answer::Done(Reply::Rendered(rendered)) if rendered.bytes().len() >= SHARED => {
                self.around(id, rendered, form)
            }
            Answer::Done(reply) => self.done(id, &reply, form).into(),
        }
    }

    /// An error, under the id of its request where that could be read.
    #[expect(
        clippy::unused_self,
        reason = "errors carry nothing of the server today; callers must not depend on that"
    )]
    pub(crate) fn error(&self, id: Option<&RequestId>, failure: &Failure) -> Bytes {
        let mut out = Vec::with_capacity(128 + failure.message.len());
        let mut message = Object::begin(&mut out);
        message.value("jsonrpc", "2.0");
        if let Some(id) = id {
            message.json("id", &id.as_json());
        }
        let mut error = Object::begin(message.name("error"));
        error.value("code", &failure.code);
        error.value("message", &*failure.message);
        if let Some(data) = &failure.data {
            error.json("data", data);
        }
        error.end();
        message.end();
        line(out.into())
    }

    fn done(&self, id: &RequestId, reply: &Reply, form: WireForm) -> Bytes {
        let mut out = begun(id, result::size(reply));
        let mut object = self.opened(&mut out, reply, form);
        result::push_fields(&mut object, reply, form);
        object.end();
        out.push(b'}');
        line(out.into())
    }

    /// The response around a large result that is bytes already: those are neither copied nor read.
    fn around(&self, id: &RequestId, rendered: Rendered, form: WireForm) -> Pieces {
        let fields = rendered.bytes().slice_ref(result::split_rendered(&rendered).1);
        let (shared, end) = match rendered.end_of_message(fields.len()) {
            Some(shared) => (shared, Bytes::new()),
            None => (fields.clone(), Bytes::from_static(b"}}")),
        };
        let reply = Reply::Rendered(rendered);
        if fields.is_empty() {
            return self.done(id, &reply, form).into();
        }
        let mut out = begun(id, 512);
        self.opened(&mut out, &reply, form).leave();
        Pieces::new(line(out.into()), shared, end)
    }

    /// A result that holds what stands before its fields.
    fn opened<'out>(&self, out: &'out mut Vec<u8>, reply: &Reply, form: WireForm) -> Object<'out> {
        let (meta, hints) = (result::meta(reply), result::hints(reply));
        let mut object = Object::begin(out);
        if form == WireForm::Stateless {
            self.common(&mut object, "complete", meta.as_deref());
            if let Some(hints) = hints {
                push_hints(&mut object, hints);
            }
        } else if let Some(meta) = meta {
            result::push_meta(&mut object, &meta);
        }
        object
    }

    /// Questions are no result yet, so they carry no hints (2026-07-28, server/utilities/caching).
    fn asked(&self, id: &RequestId, asked: &InputRequired) -> Bytes {
        let mut out = begun(id, asked.requests.as_bytes().len() + 256);
        let mut object = Object::begin(&mut out);
        self.common(&mut object, "input_required", None);
        object.json("inputRequests", &asked.requests);
        if let Some(state) = &asked.state {
            object.value("requestState", state);
        }
        object.end();
        out.push(b'}');
        line(out.into())
    }

    /// What every result of 2026-07-28 carries (basic/index, "`ResultType`" and "Per-response protocol fields").
    fn common(&self, object: &mut Object<'_>, result_type: &str, meta: Option<&[u8]>) {
        object.value("resultType", result_type);
        let out = object.name("_meta");
        out.push(b'{');
        out.extend_from_slice(&self.server_info);
        if let Some(meta) = meta {
            out.push(b',');
            out.extend_from_slice(meta);
        }
        out.push(b'}');
    }

    fn fault(&self, id: &RequestId, what: &'static str) -> Bytes {
        tracing::error!(what, "an answer could not be sent");
        self.error(Some(id), &Failure::internal())
    }
}

/// A notification; `None` where `params` cannot be JSON.
pub(crate) fn notification(method: &str, params: &impl Serialize) -> Option<Bytes> {
    let params = Json::of(params).ok()?;
    let mut out = Vec::with_capacity(64 + method.len() + params.as_bytes().len());
    let mut message = Object::begin(&mut out);
    message.value("jsonrpc", "2.0");
    message.value("method", method);
    message.json("params", &params);
    message.end();
    Some(line(out.into()))
}

/// A request of ours to the client (handshake revisions).
pub(crate) fn server_request(id: &RequestId, method: &str, params: &Json) -> Bytes {
    let mut out = Vec::with_capacity(96 + method.len() + params.as_bytes().len());
    let mut message = Object::begin(&mut out);
    message.value("jsonrpc", "2.0");
    message.json("id", &id.as_json());
    message.value("method", method);
    message.json("params", params);
    message.end();
    line(out.into())
}

/// The code that says the same in `revision`: resource not found has another one on 2026-07-28 (server/resources).
fn of_revision(mut failure: Failure, revision: Revision) -> Failure {
    if revision.is_stateless() && failure.code == code::RESOURCE_NOT_FOUND {
        failure.code = code::INVALID_PARAMS;
    }
    failure
}

fn push_hints(object: &mut Object<'_>, hints: Hints) {
    object.value("ttlMs", &hints.ttl_ms);
    object.value(
        "cacheScope",
        match hints.scope {
            CacheScope::Public => "public",
            CacheScope::Private => "private",
        },
    );
}

/// A response up to its result.
fn begun(id: &RequestId, size: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(size + 192);
    out.extend_from_slice(br#"{"jsonrpc":"2.0","id":"#);
    push_json(&mut out, &id.as_json());
    out.extend_from_slice(br#","result":"#);
    out
}

/// One message as one line. A newline in JSON can only be white space: inside a string it is escaped.
pub(crate) fn line(bytes: Bytes) -> Bytes {
    if memchr::memchr2(b'\n', b'\r', &bytes).is_none() {
        return bytes;
    }
    let mut out = Vec::from(bytes);
    let mut rest = out.as_mut_slice();
    while let Some(at) = memchr::memchr2(b'\n', b'\r', rest) {
        let Some((newline, behind)) = rest.get_mut(at..).and_then(<[u8]>::split_first_mut) else { break };
        *newline = b' ';
        rest = behind;
    }
    out.into()
}

#[cfg(test)]
mod tests;
