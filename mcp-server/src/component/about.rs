//! What tools, resources and prompts have in common.

use std::any::TypeId;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::asking::Need;
use crate::middleware::BoxFuture;
use crate::protocol::{Failure, Icon, Json};
use crate::{Refusal, Request};

/// How long an answer may be used again, and by whom. Without one, answers are not cached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CachePolicy {
    /// How long; never zero by a macro.
    pub ttl: Duration,
    /// Whether every caller may get the same answer. Principal, session and state are then out of the handler's reach.
    pub public: bool,
}

impl CachePolicy {
    /// Answers may be used again for `ttl` by whoever asked.
    pub const fn private(ttl: Duration) -> Self {
        Self { ttl, public: false }
    }

    /// Answers may be used again for `ttl` by anybody.
    pub const fn public(ttl: Duration) -> Self {
        Self { ttl, public: true }
    }
}

/// A value that a handler takes as `State<T>` and that the server must be given by `.state(..)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Requirement {
    /// The type.
    pub type_id: TypeId,
    /// Its name, for the error.
    pub type_name: &'static str,
}

impl Requirement {
    /// The value of type `T`.
    pub fn of<T: 'static>() -> Self {
        Self { type_id: TypeId::of::<T>(), type_name: std::any::type_name::<T>() }
    }
}

/// A component's own check, run before every use of it.
pub(super) type Check = Arc<dyn Fn(&Request) -> BoxFuture<Result<(), Refusal>> + Send + Sync>;

/// What tools, resources and prompts have in common.
#[derive(Clone)]
pub(crate) struct About {
    pub(crate) name: String,
    pub(crate) title: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) icons: Vec<Icon>,
    pub(crate) tags: Vec<String>,
    pub(crate) cache: Option<CachePolicy>,
    /// What the client must have declared (-32021 otherwise).
    pub(crate) requires: Vec<Need>,
    pub(crate) check: Option<Check>,
    /// Values that the handler takes as `State<T>`.
    pub(crate) needs: Vec<Requirement>,
    meta: Option<Json>,
}

impl About {
    /// The refusal of a client that lacks what is required here; `None` where nothing is lacking.
    pub(crate) fn lacking(&self, request: &Request) -> Option<Failure> {
        Need::refusal(&self.requires, request.caller.capabilities.as_ref(), request.revision)
    }

    pub(crate) fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            title: None,
            description: None,
            icons: Vec::new(),
            tags: Vec::new(),
            cache: None,
            requires: Vec::new(),
            check: None,
            needs: Vec::new(),
            meta: None,
        }
    }

    /// Whether every caller may get the same cached answer.
    pub(crate) fn is_public(&self) -> bool {
        self.cache.is_some_and(|policy| policy.public)
    }

    pub(super) fn set_meta(&mut self, meta: Json) {
        self.meta = Some(meta);
    }

    /// `_meta` of the definition: the author's object and the tags under `larder/tags`.
    pub(super) fn definition_meta(&self) -> Option<Value> {
        let mut meta =
            self.meta.as_ref().and_then(|meta| meta.to::<Map<String, Value>>().ok()).unwrap_or_default();
        if !self.tags.is_empty() {
            meta.insert("larder/tags".to_owned(), Value::from(self.tags.clone()));
        }
        (!meta.is_empty()).then_some(Value::Object(meta))
    }
}

impl fmt::Debug for About {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("About")
            .field("name", &self.name)
            .field("tags", &self.tags)
            .field("cache", &self.cache)
            .field("requires", &self.requires)
            .finish_non_exhaustive()
    }
}

/// The builder methods that every component has.
macro_rules! about_methods {
    () => {
        /// The name for people; clients show the component's name where there is none.
        #[must_use]
        pub fn title(mut self, title: impl Into<String>) -> Self {
            self.about.title = Some(title.into());
            self
        }

        /// What it is for, as the model and people read it.
        #[must_use]
        pub fn description(mut self, description: impl Into<String>) -> Self {
            self.about.description = Some(description.into());
            self
        }

        /// Adds an icon.
        #[must_use]
        pub fn icon(mut self, icon: $crate::protocol::Icon) -> Self {
            self.about.icons.push(icon);
            self
        }

        /// `_meta` of the definition, an object; anything else is left out.
        #[must_use]
        pub fn meta(mut self, meta: impl Into<$crate::protocol::Json>) -> Self {
            self.about.set_meta(meta.into());
            self
        }

        /// Adds a tag, sent in `_meta` under `larder/tags`.
        #[must_use]
        pub fn tag(mut self, tag: impl Into<String>) -> Self {
            self.about.tags.push(tag.into());
            self
        }

        /// Lets the response cache keep answers. Without it nothing is cached.
        #[must_use]
        pub fn cache(mut self, policy: $crate::CachePolicy) -> Self {
            self.about.cache = Some(policy);
            self
        }

        /// A capability that the client must have declared; a request of another client is refused before the handler
        /// runs and before a stream opens: with -32021 and status 400 on 2026-07-28, with -32600 before. In either,
        /// `data.requiredCapabilities` tells what is lacking.
        #[must_use]
        pub fn requires(mut self, capability: $crate::Capability) -> Self {
            self.about.requires.push(capability.into());
            self
        }

        /// As `requires`, for what it takes to be asked for the form `F`: a client that has forms, and one of 2025-11-25
        /// or later where the form has several choices.
        #[must_use]
        pub fn asks<F: $crate::Form>(mut self) -> Self {
            self.about.requires.push($crate::asking::Need::of_form::<F>());
            self
        }

        /// A check of its own, run before every use, also before a cached answer is sent. The future owns what it
        /// needs of the request. A second check replaces the first.
        #[must_use]
        pub fn check<F, Fut>(mut self, check: F) -> Self
        where
            F: Fn(&$crate::Request) -> Fut + Send + Sync + 'static,
            Fut: Future<Output = Result<(), $crate::Refusal>> + Send + 'static,
        {
            self.about.check = Some(std::sync::Arc::new(move |request| Box::pin(check(request))));
            self
        }

        /// A value that the handler looks up: the server is not built without it.
        #[must_use]
        pub fn needs(
            mut self,
            requirement: impl IntoIterator<Item = $crate::component::Requirement>,
        ) -> Self {
            self.about.needs.extend(requirement);
            self
        }

        /// What it has in common with every component.
        pub(crate) fn about(&self) -> &$crate::component::About {
            &self.about
        }
    };
}
pub(super) use about_methods;
