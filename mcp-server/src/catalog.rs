//! What a running server has, and how it comes to have other things.

use std::fmt;

use crate::component::{
    IntoPrompt, IntoResource, IntoTool, Prompt, Resource, ResourceComponent, ResourceTemplate, Tool,
};
use crate::dispatch::Dispatcher;
use crate::registry::{Component, Known};
use crate::{Dynamic, Result};

/// The components of a running server. Cheap to clone; clones are one catalog.
///
/// What comes and goes must be of a kind that the server declared by [`Server::dynamic`](crate::Server::dynamic), and
/// passes the checks that it would have to pass when the server is built. A request that has begun sees the components
/// of its beginning; the next one sees the change, and so does every client that listens, once its list is another one.
///
/// Each process has components of its own: what is added in one does not appear in another.
#[derive(Clone)]
pub struct Catalog(Dispatcher);

impl Catalog {
    pub(crate) const fn new(dispatcher: Dispatcher) -> Self {
        Self(dispatcher)
    }

    /// The kinds that may come and go.
    pub fn dynamic(&self) -> Dynamic {
        self.0.components().dynamic()
    }

    /// Whether there is a tool of this name.
    pub fn has_tool(&self, name: &str) -> bool {
        self.0.registry().has::<Tool>(name)
    }

    /// Whether there is a resource of this URI, or a template of this text.
    pub fn has_resource(&self, uri: &str) -> bool {
        let registry = self.0.registry();
        registry.has::<Resource>(uri) || registry.has::<ResourceTemplate>(uri)
    }

    /// Whether there is a prompt of this name.
    pub fn has_prompt(&self, name: &str) -> bool {
        self.0.registry().has::<Prompt>(name)
    }

    /// Adds a tool: what `#[tool]` made, or a [`Tool`].
    ///
    /// # Errors
    /// Tools were not declared dynamic, there is one of this name, it is misnamed or has a schema that clients refuse,
    /// or it takes state that the server was not given.
    pub fn add_tool<Kind>(&self, tool: impl IntoTool<Kind>) -> Result<()> {
        self.put(tool.into_tool(), Known::Refused).map(drop)
    }

    /// Adds a tool, or puts it in place of the one of this name; `false` where clients see no difference, and are not
    /// told.
    ///
    /// # Errors
    /// As for [`Catalog::add_tool`], but for a name that is known.
    pub fn replace_tool<Kind>(&self, tool: impl IntoTool<Kind>) -> Result<bool> {
        self.put(tool.into_tool(), Known::Replaced)
    }

    /// Removes the tool of this name; `false` where there is none. Calls that have begun go on.
    ///
    /// # Errors
    /// Tools were not declared dynamic.
    pub fn remove_tool(&self, name: &str) -> Result<bool> {
        self.0.components().remove::<Tool>(name)
    }

    /// Adds a resource or a template: what `#[resource(..)]` made, a [`Resource`] or a [`ResourceTemplate`].
    ///
    /// # Errors
    /// As for [`Catalog::add_tool`], of resources.
    pub fn add_resource<Kind>(&self, resource: impl IntoResource<Kind>) -> Result<()> {
        self.put_resource(resource.into_resource(), Known::Refused).map(drop)
    }

    /// Adds a resource or a template, or puts it in place of the one of this URI or text; `false` where clients see no
    /// difference, and are not told. That its content is another one tells `resource_updated` of
    /// [`Service`](crate::Service::resource_updated) and [`Context`](crate::Context::resource_updated).
    ///
    /// # Errors
    /// As for [`Catalog::add_resource`], but for a URI that is known.
    pub fn replace_resource<Kind>(&self, resource: impl IntoResource<Kind>) -> Result<bool> {
        self.put_resource(resource.into_resource(), Known::Replaced)
    }

    /// Removes the resource of this URI, or the template of this text; `false` where there is none.
    ///
    /// # Errors
    /// Resources were not declared dynamic.
    pub fn remove_resource(&self, uri: &str) -> Result<bool> {
        let components = self.0.components();
        Ok(components.remove::<Resource>(uri)? || components.remove::<ResourceTemplate>(uri)?)
    }

    /// Adds a prompt: what `#[prompt]` made, or a [`Prompt`].
    ///
    /// # Errors
    /// As for [`Catalog::add_tool`], of prompts.
    pub fn add_prompt<Kind>(&self, prompt: impl IntoPrompt<Kind>) -> Result<()> {
        self.put(prompt.into_prompt(), Known::Refused).map(drop)
    }

    /// Adds a prompt, or puts it in place of the one of this name; `false` where clients see no difference, and are not
    /// told.
    ///
    /// # Errors
    /// As for [`Catalog::add_prompt`], but for a name that is known.
    pub fn replace_prompt<Kind>(&self, prompt: impl IntoPrompt<Kind>) -> Result<bool> {
        self.put(prompt.into_prompt(), Known::Replaced)
    }

    /// Removes the prompt of this name; `false` where there is none.
    ///
    /// # Errors
    /// Prompts were not declared dynamic.
    pub fn remove_prompt(&self, name: &str) -> Result<bool> {
        self.0.components().remove::<Prompt>(name)
    }

    fn put_resource(&self, resource: ResourceComponent, known: Known) -> Result<bool> {
        match resource {
            ResourceComponent::Resource(resource) => self.put(resource, known),
            ResourceComponent::Template(template) => self.put(template, known),
        }
    }

    fn put<T: Component>(&self, component: T, known: Known) -> Result<bool> {
        self.0.components().put(component, known, self.0.values())
    }
}

impl fmt::Debug for Catalog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Catalog").field(self.0.components()).finish()
    }
}
