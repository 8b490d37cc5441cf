//! What a server tells of itself, and the level of log messages that a session asks for.

use serde::Serialize;

use super::Dispatcher;
use crate::middleware::BoxFuture;
use crate::protocol::{CacheScope, Failure, Implementation, Json, Level, Revision};
use crate::server::Extensions;
use crate::{Answer, Dynamic, Operation, Reply, Request};

impl Dispatcher {
    pub(super) fn set_level(&self, request: Request) -> BoxFuture<Answer> {
        #[derive(serde::Deserialize)]
        struct Params {
            level: String,
        }
        let this = self.clone();
        self.in_time(async move {
            let Operation::Other { params, .. } = &request.operation else {
                return Failure::internal().into();
            };
            let level = params.to().ok().and_then(|params: Params| Level::from_name(&params.level));
            let Some(level) = level else {
                return Failure::invalid_params(
                    "level must be one of debug, info, notice, warning, error, critical, alert, emergency",
                )
                .into();
            };
            let Some(session) = &request.session else { return Failure::internal().into() };
            match this.0.sessions.set_level(&request.principal, session, level).await {
                Ok(_) => Answer::Done(Reply::Object(Json::EMPTY)),
                Err(error) => {
                    tracing::error!(%error, "the session store failed");
                    Failure::internal().into()
                }
            }
        })
    }

    /// `initialize`: what this server is and can do, in the revision that was agreed on.
    ///
    /// Extensions came with 2026-07-28; before, they are told to clients that told theirs.
    pub(super) fn initialize(&self, request: &Request) -> Answer {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Initialized<'a> {
            protocol_version: &'static str,
            capabilities: Capabilities<'a>,
            server_info: &'a Implementation,
            #[serde(skip_serializing_if = "Option::is_none")]
            instructions: Option<&'a str>,
        }
        let mut capabilities = self.capabilities(request.revision);
        if !tells_extensions(request) {
            capabilities.extensions = None;
        }
        object(&Initialized {
            protocol_version: request.revision.as_str(),
            capabilities,
            server_info: &self.0.info,
            instructions: self.0.instructions.as_deref(),
        })
    }

    /// `server/discover` (2026-07-28, server/discover).
    pub(super) fn discover(&self) -> Answer {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Discovered<'a> {
            supported_versions: Vec<&'static str>,
            capabilities: Capabilities<'a>,
            #[serde(skip_serializing_if = "Option::is_none")]
            instructions: Option<&'a str>,
            ttl_ms: u64,
            cache_scope: &'static str,
        }
        let public = self.scope(true) == CacheScope::Public;
        object(&Discovered {
            supported_versions: Revision::supported(),
            capabilities: self.capabilities(Revision::V2026_07_28),
            instructions: self.0.instructions.as_deref(),
            ttl_ms: 0,
            cache_scope: if public { "public" } else { "private" },
        })
    }

    /// What follows from what is registered, or may be later; nothing is declared that is not served.
    fn capabilities(&self, revision: Revision) -> Capabilities<'_> {
        let (registry, dynamic) = (self.registry(), self.0.components.dynamic());
        let list = |kind: Dynamic, subscribe| {
            self.has(&registry, kind).then(|| Listed { list_changed: dynamic.contains(kind), subscribe })
        };
        let completions = registry.has_completions() && revision.declares_completions();
        Capabilities {
            completions: completions.then_some(Declared {}),
            extensions: Some(&self.0.extensions).filter(|extensions| !extensions.is_empty()),
            logging: self.0.logging.then_some(Declared {}),
            prompts: list(Dynamic::PROMPTS, false),
            resources: list(Dynamic::RESOURCES, true),
            tools: list(Dynamic::TOOLS, false),
        }
    }
}

/// The capabilities of this server.
#[derive(Serialize)]
struct Capabilities<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    completions: Option<Declared>,
    #[serde(skip_serializing_if = "Option::is_none")]
    extensions: Option<&'a Extensions>,
    #[serde(skip_serializing_if = "Option::is_none")]
    logging: Option<Declared>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prompts: Option<Listed>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resources: Option<Listed>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tools: Option<Listed>,
}

/// `{}`: declared, with nothing more to say.
#[derive(Serialize)]
struct Declared {}

/// Something that is listed: whether the list may change, and whether updates of what is listed are told.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    #[serde(skip_serializing_if = "is_false")]
    list_changed: bool,
    #[serde(skip_serializing_if = "is_false")]
    subscribe: bool,
}

/// Whether the client of a handshake named any extension.
fn tells_extensions(request: &Request) -> bool {
    #[derive(serde::Deserialize)]
    struct Declared {
        extensions: Option<serde_json::Map<String, serde_json::Value>>,
    }
    let declared = request.caller.capabilities.as_ref().and_then(|capabilities| capabilities.to().ok());
    declared.is_some_and(|Declared { extensions }| extensions.is_some())
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
const fn is_false(value: &bool) -> bool {
    !*value
}

fn object(value: &impl Serialize) -> Answer {
    Json::of(value).map_or_else(|_| Failure::internal().into(), |json| Answer::Done(Reply::Object(json)))
}
