//! Resources: what a client may read, under one URI or under a template of URIs.

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;

use bytestring::ByteString;
use serde::Serialize;
use serde_json::Value;

use super::about::{About, about_methods};
use super::completion::completion_methods;
use super::private::Nowhere;
use super::template::Template;
use super::{Completers, IntoReadResult, InvalidTemplate, Parameters, Reading};
use crate::Context;
use crate::middleware::BoxFuture;
use crate::protocol::{Annotations, Failure, Icon, Json, ReadResult, WireForm};

type Read = BoxFuture<Result<ReadResult, Failure>>;
type Handler = Arc<dyn Fn(Context, Reading) -> Read + Send + Sync>;
type TemplateHandler = Arc<dyn Fn(Context, Reading, Parameters) -> Read + Send + Sync>;

/// The builder methods that resources and templates share.
macro_rules! resource_methods {
    () => {
        /// Sets the name.
        #[must_use]
        pub fn named(mut self, name: impl Into<String>) -> Self {
            self.about.name = name.into();
            self
        }

        /// The name for programs and logs.
        pub fn name(&self) -> &str {
            &self.about.name
        }

        /// The type of the contents, such as `application/json`, also for contents that do not say theirs.
        #[must_use]
        pub fn mime_type(mut self, mime_type: impl Into<Arc<str>>) -> Self {
            self.mime_type = Some(mime_type.into());
            self
        }

        /// Hints to the client: for whom, how important, how old.
        #[must_use]
        pub fn annotations(mut self, annotations: Annotations) -> Self {
            self.annotations = Some(annotations);
            self
        }

        about_methods!();
    };
}

/// What is read under one URI. `#[resource("config://app")]` makes one of a Rust function.
#[derive(Clone)]
pub struct Resource {
    about: About,
    uri: String,
    mime_type: Option<Arc<str>>,
    size: Option<u64>,
    annotations: Option<Annotations>,
    handler: Handler,
}

impl Resource {
    /// The resource at `uri`. Its name is the URI until [`Resource::named`] says otherwise.
    ///
    /// `handler` gets the URI that was asked for, in a [`Reading`] that makes contents of text and bytes.
    pub fn new<F, Fut, R>(uri: impl Into<String>, handler: F) -> Self
    where
        F: Fn(Context, Reading) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = R> + Send + 'static,
        R: IntoReadResult,
    {
        let uri = uri.into();
        Self {
            about: About::new(uri.clone()),
            uri,
            mime_type: None,
            size: None,
            annotations: None,
            handler: Arc::new(move |context, reading| {
                let answer = handler(context, reading.clone());
                Box::pin(async move { answer.await.into_read_result(&reading) })
            }),
        }
    }

    /// The URI it is read by.
    pub fn uri(&self) -> &str {
        &self.uri
    }

    /// Sets its size in bytes, as the list shows it.
    #[must_use]
    pub const fn size(mut self, bytes: u64) -> Self {
        self.size = Some(bytes);
        self
    }

    resource_methods!();

    /// Runs the handler.
    pub(crate) fn read(&self, context: Context, uri: ByteString) -> Read {
        (self.handler)(context, Reading { uri, mime_type: self.mime_type.clone() })
    }

    /// The resource as `resources/list` shows it; it is the same in every form.
    pub(crate) fn definition(&self, _: WireForm) -> Json {
        let mut definition = definition(&self.about, self.mime_type.as_deref(), self.annotations.as_ref());
        definition.uri = Some(&self.uri);
        definition.size = self.size;
        Json::of(&definition).unwrap_or(Json::EMPTY)
    }
}

/// What is read under all URIs of a pattern. `#[resource("user://{id}/profile")]` makes one of a Rust function.
///
/// The pattern is an RFC 6570 template of level 1, with three additions: `{name}` takes one segment, `{name*}` or
/// `{+name}` also takes slashes, `{?a,b}` at the end takes query parameters, each of which may be absent. Values are
/// percent-decoded.
#[derive(Clone)]
pub struct ResourceTemplate {
    about: About,
    template: Template,
    mime_type: Option<Arc<str>>,
    annotations: Option<Annotations>,
    completers: Completers,
    handler: TemplateHandler,
}

impl ResourceTemplate {
    /// The resources under `uri_template`. Its name is the template until [`ResourceTemplate::named`] says otherwise.
    ///
    /// `handler` gets the URI that was asked for, in a [`Reading`], and the values of the template's parameters.
    ///
    /// # Errors
    /// The template cannot be parsed, has no parameter, or has one twice.
    pub fn new<F, Fut, R>(uri_template: &str, handler: F) -> Result<Self, InvalidTemplate>
    where
        F: Fn(Context, Reading, Parameters) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = R> + Send + 'static,
        R: IntoReadResult,
    {
        Ok(Self {
            about: About::new(uri_template),
            template: Template::parse(uri_template)?,
            mime_type: None,
            annotations: None,
            completers: Completers::default(),
            handler: Arc::new(move |context, reading, parameters| {
                let answer = handler(context, reading.clone(), parameters);
                Box::pin(async move { answer.await.into_read_result(&reading) })
            }),
        })
    }

    /// The template of URIs.
    pub fn uri_template(&self) -> &str {
        self.template.as_str()
    }

    resource_methods!();
    completion_methods!("a parameter");

    /// The names of its parameters.
    pub(crate) fn parameter_names(&self) -> impl Iterator<Item = &str> {
        self.template.names()
    }

    /// The values of the parameters in `uri`; `None` if the template does not match.
    pub(crate) fn matches(&self, uri: &str) -> Option<Parameters> {
        self.template.matches(uri)
    }

    /// Runs the handler.
    pub(crate) fn read(&self, context: Context, uri: ByteString, parameters: Parameters) -> Read {
        (self.handler)(context, Reading { uri, mime_type: self.mime_type.clone() }, parameters)
    }

    /// The template as `resources/templates/list` shows it; it is the same in every form.
    pub(crate) fn definition(&self, _: WireForm) -> Json {
        let mut definition = definition(&self.about, self.mime_type.as_deref(), self.annotations.as_ref());
        definition.uri_template = Some(self.template.as_str());
        Json::of(&definition).unwrap_or(Json::EMPTY)
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Definition<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    uri: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    uri_template: Option<&'a str>,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mime_type: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    annotations: Option<&'a Annotations>,
    #[serde(skip_serializing_if = "<[Icon]>::is_empty")]
    icons: &'a [Icon],
    #[serde(rename = "_meta", skip_serializing_if = "Option::is_none")]
    meta: Option<Value>,
}

fn definition<'a>(
    about: &'a About,
    mime_type: Option<&'a str>,
    annotations: Option<&'a Annotations>,
) -> Definition<'a> {
    Definition {
        uri: None,
        uri_template: None,
        name: &about.name,
        title: about.title.as_deref(),
        description: about.description.as_deref(),
        mime_type,
        size: None,
        annotations,
        icons: &about.icons,
        meta: about.definition_meta(),
    }
}

impl fmt::Debug for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resource").field("uri", &self.uri).field("about", &self.about).finish_non_exhaustive()
    }
}

impl fmt::Debug for ResourceTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResourceTemplate")
            .field("template", &self.template)
            .field("about", &self.about)
            .finish_non_exhaustive()
    }
}

/// A resource or a template of resources.
#[derive(Clone, Debug)]
pub enum ResourceComponent {
    /// One URI.
    Resource(Resource),
    /// All URIs of a pattern.
    Template(ResourceTemplate),
}

/// What can be given to the server as a resource: a [`Resource`], a [`ResourceTemplate`], or the name of a function
/// with `#[resource("uri")]`. The kind only tells the compiler which of them it is.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a resource",
    label = "expected a function with `#[resource(\"uri\")]`, a `Resource`, or a `ResourceTemplate`",
    note = "write `#[resource(\"scheme://path/{{parameter}}\")]` above the function and pass its name"
)]
pub trait IntoResource<Kind> {
    /// The resource or the template.
    fn into_resource(self) -> ResourceComponent;
}

impl IntoResource<ResourceComponent> for ResourceComponent {
    fn into_resource(self) -> ResourceComponent {
        self
    }
}

/// What `#[resource(..)]` makes of a function.
#[diagnostic::do_not_recommend]
impl<F: FnOnce() -> C, C: IntoResource<C>> IntoResource<fn() -> C> for F {
    fn into_resource(self) -> ResourceComponent {
        self().into_resource()
    }
}

#[diagnostic::do_not_recommend]
impl<F: Nowhere> IntoResource<Infallible> for F {
    fn into_resource(self) -> ResourceComponent {
        self.never()
    }
}

impl IntoResource<Resource> for Resource {
    fn into_resource(self) -> ResourceComponent {
        ResourceComponent::Resource(self)
    }
}

impl IntoResource<ResourceTemplate> for ResourceTemplate {
    fn into_resource(self) -> ResourceComponent {
        ResourceComponent::Template(self)
    }
}
