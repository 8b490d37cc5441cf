//! One decoded request, as middlewares and the dispatcher see it.

use std::fmt;

use bytestring::ByteString;
use http::Extensions;

use crate::asking::Ready;
use crate::exchange::Exchange;
use crate::protocol::{Failure, Incoming, Json, Level, ListKind, ProgressToken, RequestId, Revision};
use crate::registry::Registry;
use crate::{Principal, SessionId};

/// What is asked for.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Operation {
    /// `tools/call`.
    CallTool {
        /// The tool.
        name: ByteString,
        /// Its arguments, an object; `{}` where the client sent none.
        arguments: Json,
    },
    /// `resources/read`.
    ReadResource {
        /// The resource.
        uri: ByteString,
    },
    /// `prompts/get`.
    GetPrompt {
        /// The prompt.
        name: ByteString,
        /// Its arguments, an object of strings; `{}` where the client sent none.
        arguments: Json,
    },
    /// One of the four lists.
    List {
        /// Which.
        kind: ListKind,
        /// Where the page begins; `None` is the first.
        cursor: Option<ByteString>,
    },
    /// `completion/complete`.
    Complete {
        /// Whose argument it is.
        reference: Reference,
        /// The argument, and what of its value is there.
        argument: PartialArgument,
        /// The values of arguments that were chosen before (2025-06-18 and later), an object of strings; `{}` where the
        /// client sent none.
        chosen: Json,
    },
    /// `subscriptions/listen` (2026-07-28).
    Listen {
        /// What to be told of.
        filter: Json,
    },
    /// `server/discover` (2026-07-28).
    Discover,
    /// `initialize`, with its parameters (handshake revisions).
    Initialize {
        /// The parameters.
        params: Json,
    },
    /// A notification from the client.
    Notification {
        /// Its method.
        method: ByteString,
        /// Its parameters.
        params: Json,
    },
    /// Any other request: `ping`, `logging/setLevel`, subscriptions of handshake sessions, extensions.
    Other {
        /// Its method.
        method: ByteString,
        /// Its parameters.
        params: Json,
    },
}

impl Operation {
    /// The method as it stands on the wire.
    pub fn method(&self) -> &str {
        match self {
            Self::CallTool { .. } => "tools/call",
            Self::ReadResource { .. } => "resources/read",
            Self::GetPrompt { .. } => "prompts/get",
            Self::List { kind, .. } => kind.method(),
            Self::Complete { .. } => "completion/complete",
            Self::Listen { .. } => "subscriptions/listen",
            Self::Discover => "server/discover",
            Self::Initialize { .. } => "initialize",
            Self::Notification { method, .. } | Self::Other { method, .. } => method,
        }
    }

    /// The component concerned: a tool's or prompt's name, a resource's URI, or the template of one.
    pub fn target(&self) -> Option<&str> {
        match self {
            Self::Complete { reference, .. } => Some(reference.target()),
            operation => operation.used(),
        }
    }

    /// The component that is called, read or got: what the header `Mcp-Name` repeats, and what may answer with
    /// questions.
    pub(crate) fn used(&self) -> Option<&str> {
        match self {
            Self::CallTool { name, .. } | Self::GetPrompt { name, .. } => Some(name),
            Self::ReadResource { uri } => Some(uri),
            _ => None,
        }
    }
}

/// Whose argument is completed (server/utilities/completion, "Reference Types").
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reference {
    /// `ref/prompt`: a prompt, by its name.
    Prompt(ByteString),
    /// `ref/resource`: a template of resources, by its text or by a URI that it matches.
    Resource(ByteString),
}

impl Reference {
    /// The prompt of this name.
    pub fn prompt(name: impl Into<ByteString>) -> Self {
        Self::Prompt(name.into())
    }

    /// The template of this text, or the one that this URI matches.
    pub fn resource(uri: impl Into<ByteString>) -> Self {
        Self::Resource(uri.into())
    }

    /// The name or the URI.
    pub fn target(&self) -> &str {
        match self {
            Self::Prompt(target) | Self::Resource(target) => target,
        }
    }
}

/// An argument while its value is typed.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PartialArgument {
    /// Its name.
    pub name: ByteString,
    /// What of its value is there; empty at the beginning.
    pub value: ByteString,
}

impl PartialArgument {
    pub(crate) fn new(name: impl Into<ByteString>, value: impl Into<ByteString>) -> Self {
        Self { name: name.into(), value: value.into() }
    }
}

impl fmt::Debug for PartialArgument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PartialArgument({:?}, {} bytes)", self.name, self.value.len()) // the value may be a secret
    }
}

/// One request, owned: its parts are slices of the body, so cloning copies pointers.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Request {
    /// What is asked for.
    pub operation: Operation,
    /// The client's id; `None` for a notification.
    pub id: Option<RequestId>,
    /// Who asks.
    pub principal: Principal,
    /// Which revision is spoken.
    pub revision: Revision,
    /// The handshake session, if there is one.
    pub session: Option<SessionId>,
    /// `_meta` of the parameters, an object; `{}` where the client sent none.
    pub meta: Json,
    /// What the transport or a middleware attached, such as the HTTP parts.
    pub extensions: Extensions,
    /// What the client said of itself, in this request or when its session began.
    pub(crate) caller: Caller,
    /// Where notifications of this request go, and what else lives as long as it.
    pub(crate) exchange: Exchange,
    /// Whether the answer will be everybody's: then nothing in it may depend on who asks.
    pub(crate) public: bool,
    /// Answers to earlier questions (`inputResponses`) and the state they belong to (`requestState`).
    pub(crate) resumed: Option<Box<Resumed>>,
    /// The components that this request sees, from its rights to its handler; `None` before anything looked.
    pub(crate) registry: Option<Registry>,
    /// How its headers differ from the arguments that they repeat. Told after the rights were asked: who may not use a
    /// tool learns nothing of it.
    pub(crate) mismatch: Option<Box<Failure>>,
}

impl Request {
    /// Takes what the client sent back to a question, for a middleware that asks by itself ([`Answer::Asked`](crate::Answer)):
    /// handlers know no state but their own, and refuse it.
    pub fn take_resumed(&mut self) -> Option<Resumed> {
        self.resumed.take().map(|resumed| *resumed)
    }

    /// A decoded request, admitted as this revision for this principal. What the request says of the client itself
    /// goes before what `caller` knows from a session.
    pub(crate) fn admitted(
        incoming: Incoming,
        revision: Revision,
        principal: Principal,
        session: Option<SessionId>,
        caller: Caller,
    ) -> Self {
        let meta = incoming.meta;
        let asked = meta.log_level.as_deref().and_then(Level::from_name);
        Self {
            operation: incoming.operation,
            id: incoming.id,
            principal,
            revision,
            session,
            caller: Caller {
                info: meta.client_info.or(caller.info),
                capabilities: meta.capabilities.or(caller.capabilities),
                log_level: asked.or(caller.log_level),
                progress: meta.progress,
                ready: caller.ready,
            },
            meta: meta.raw,
            extensions: Extensions::new(),
            exchange: Exchange::default(),
            public: false,
            resumed: incoming.resumed.map(Box::new),
            registry: None,
            mismatch: None,
        }
    }
}

impl Request {
    /// What stands for the open stream of a session: nobody sent it, but rights can be asked for by it.
    pub(crate) fn of_stream(
        principal: Principal,
        session: SessionId,
        revision: Revision,
        caller: Caller,
        extensions: Extensions,
    ) -> Self {
        Self {
            operation: Operation::Other { method: ByteString::new(), params: Json::EMPTY },
            id: None,
            principal,
            revision,
            session: Some(session),
            meta: Json::EMPTY,
            extensions,
            caller,
            exchange: Exchange::default(),
            public: false,
            resumed: None,
            registry: None,
            mismatch: None,
        }
    }
}

#[cfg(test)]
impl Request {
    /// A request of nobody, for tests.
    pub(crate) fn for_tests(operation: Operation, revision: Revision) -> Self {
        Self {
            operation,
            id: None,
            principal: Principal::anonymous(),
            revision,
            session: None,
            meta: Json::EMPTY,
            extensions: Extensions::new(),
            caller: Caller::default(),
            exchange: Exchange::default(),
            public: false,
            resumed: None,
            registry: None,
            mismatch: None,
        }
    }
}

/// What a client said of itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct Caller {
    /// `clientInfo`, an object; `None` where it was not sent.
    pub(crate) info: Option<Json>,
    /// The capabilities, an object; `{}` where none were declared.
    pub(crate) capabilities: Option<Json>,
    /// The lowest level of log messages that it wants; `None` wants none on 2026-07-28, all in a session.
    pub(crate) log_level: Option<Level>,
    /// What its progress notifications carry; `None` wants none.
    pub(crate) progress: Option<ProgressToken>,
    /// Whether it may be asked yet.
    pub(crate) ready: Ready,
}

/// What a client sends back to an `input_required` result (2026-07-28, basic/patterns/mrtr).
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Resumed {
    /// `inputResponses`, an object by key.
    pub responses: Option<Json>,
    /// `requestState`, as the client sent it: anybody may have written it.
    pub state: Option<ByteString>,
}
