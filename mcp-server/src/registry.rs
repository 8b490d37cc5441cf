//! The components of a server: looked up by name, listed in the form of each revision.

mod checks;
mod component;
mod cursor;
mod live;
mod pages;
mod referred;
mod shelf;
pub(crate) mod uri;

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;

pub(crate) use self::component::Component;
pub(crate) use self::live::Live;
use self::pages::Pages;
pub(crate) use self::referred::{Referred, unknown as unknown_reference};
pub(crate) use self::shelf::Known;
use self::shelf::Shelf;
use crate::asking::Need;
use crate::component::{
    About, CachePolicy, Parameters, Prompt, Resource, ResourceComponent, ResourceTemplate, Tool,
};
use crate::dispatch::Values;
use crate::protocol::{Failure, Hints, ListKind, ParamHeaders};
use crate::{Answer, Error, Operation, Refusal, Rendered, Request, Result};

/// The components of a server at one moment, checked. Cheap to clone; it never changes: where components come and go,
/// [`Live`] puts another in its place.
#[derive(Clone)]
pub(crate) struct Registry(Arc<Shelves>);

#[derive(Default)]
pub(crate) struct Shelves {
    tools: Arc<Shelf<Tool>>,
    resources: Arc<Shelf<Resource>>,
    templates: Arc<Shelf<ResourceTemplate>>,
    prompts: Arc<Shelf<Prompt>>,
    /// The templates, the one with the most literal characters first.
    precedence: Vec<Arc<ResourceTemplate>>,
    page_size: Option<NonZeroUsize>,
    pages: Pages,
    /// Whether any tool has headers that repeat its arguments.
    has_param_headers: bool,
}

/// What answers to a URI.
#[derive(Clone, Debug)]
pub(crate) enum Found {
    /// The resource of exactly this URI.
    Resource(Arc<Resource>),
    /// The template that matches, and the values of its parameters.
    Template(Arc<ResourceTemplate>, Parameters),
}

/// What the response cache must know of a component.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Facts {
    /// SHA-256 of its definition: what changes with it changes every cache key.
    pub(crate) fingerprint: [u8; 32],
    /// What its author declared; `None` is never cached.
    pub(crate) cache: Option<CachePolicy>,
}

impl Registry {
    /// Whether there is a component of this kind and key.
    pub(crate) fn has<T: Component>(&self, key: &str) -> bool {
        T::shelf(&self.0).get(key).is_some()
    }

    /// The tool of that name.
    pub(crate) fn tool(&self, name: &str) -> Option<&Arc<Tool>> {
        self.0.tools.get(name).map(|entry| &entry.component)
    }

    /// The headers that the tool of that name declares; `None` where it declares none, and where there is no such tool.
    pub(crate) fn param_headers(&self, tool: &str) -> Option<&ParamHeaders> {
        if !self.0.has_param_headers {
            return None; // most servers: their calls look nothing up
        }
        self.tool(tool)?.param_headers()
    }

    /// The prompt of that name.
    pub(crate) fn prompt(&self, name: &str) -> Option<&Arc<Prompt>> {
        self.0.prompts.get(name).map(|entry| &entry.component)
    }

    /// What answers to `uri`: the resource of exactly this URI, else of the templates that match the one with the
    /// most literal characters; of two with as many, the first in the order of their texts.
    pub(crate) fn resource(&self, uri: &str) -> Option<Found> {
        if let Some(entry) = self.0.resources.get(uri) {
            return Some(Found::Resource(Arc::clone(&entry.component)));
        }
        self.0.precedence.iter().find_map(|template| {
            let parameters = template.matches(uri)?;
            Some(Found::Template(Arc::clone(template), parameters))
        })
    }

    pub(crate) fn has_tools(&self) -> bool {
        !self.0.tools.is_empty()
    }

    /// Whether there are resources or templates of them.
    pub(crate) fn has_resources(&self) -> bool {
        !self.0.resources.is_empty() || !self.0.templates.is_empty()
    }

    /// Whether any tool or prompt says that it sends people to pages, of which clients may be told that they are done.
    pub(crate) fn sends_to_pages(&self) -> bool {
        let pages = |about: &About| about.requires.contains(&Need::Url);
        self.0.tools.components().any(|tool| pages(tool.about()))
            || self.0.prompts.components().any(|prompt| pages(prompt.about()))
    }

    pub(crate) fn has_prompts(&self) -> bool {
        !self.0.prompts.is_empty()
    }

    /// Whether any component has a check of its own.
    pub(crate) fn has_checks(&self) -> bool {
        let shelves = &self.0;
        shelves.tools.has_checks()
            || shelves.resources.has_checks()
            || shelves.templates.has_checks()
            || shelves.prompts.has_checks()
    }

    /// Runs the check of the component that the request is for. A request for none, or for an unknown one, passes:
    /// it is answered elsewhere.
    pub(crate) async fn check(&self, request: &Request) -> Result<(), Refusal> {
        if let Operation::Complete { reference, .. } = &request.operation {
            return self.check_reference(request, reference).await;
        }
        let check = self.look(&request.operation, |about| about.check.clone());
        let Some(check) = check else { return Ok(()) };
        check(request).await
    }

    /// The refusal of a client that lacks what the component needs which the request is for: known before any middleware
    /// answers in its place, and before a stream could open.
    pub(crate) fn lacking(&self, request: &Request) -> Option<Failure> {
        let shelves = &self.0;
        let any = shelves.tools.has_requirements()
            || shelves.resources.has_requirements()
            || shelves.templates.has_requirements()
            || shelves.prompts.has_requirements();
        if !any {
            return None;
        }
        self.look(&request.operation, |about| about.lacking(request))
    }

    /// What the response cache must know of the component that the operation is for; `None` without one.
    pub(crate) fn facts(&self, operation: &Operation) -> Option<Facts> {
        match operation {
            Operation::CallTool { name, .. } => self.0.tools.facts(name),
            Operation::GetPrompt { name, .. } => self.0.prompts.facts(name),
            Operation::ReadResource { uri } => match self.resource(uri)? {
                Found::Resource(resource) => self.0.resources.facts(resource.key()),
                Found::Template(template, _) => self.0.templates.facts(template.key()),
            },
            _ => None,
        }
    }

    /// One page of the list that the request is for, with what its sender may see. Only bytes are reused, never the
    /// outcome of a check.
    ///
    /// Fails with `Invalid params` for a cursor that no page of this kind ended with.
    pub(crate) async fn page(&self, request: &Request, hints: Hints) -> Answer {
        let Operation::List { kind, cursor } = &request.operation else { return Failure::internal().into() };
        let shelves = &self.0;
        let page = match kind {
            ListKind::Tools => shelves.page(&shelves.tools, request, cursor.as_deref()).await,
            ListKind::Resources => shelves.page(&shelves.resources, request, cursor.as_deref()).await,
            ListKind::ResourceTemplates => shelves.page(&shelves.templates, request, cursor.as_deref()).await,
            ListKind::Prompts => shelves.page(&shelves.prompts, request, cursor.as_deref()).await,
        };
        match page {
            Ok(page) => page.with_hints(Some(hints)).into(),
            Err(failure) => failure.into(),
        }
    }

    /// What `look` finds in the component that the operation is for; `None` without one.
    fn look<T>(&self, operation: &Operation, look: impl FnOnce(&About) -> Option<T>) -> Option<T> {
        match operation {
            Operation::CallTool { name, .. } => look(self.tool(name)?.about()),
            Operation::GetPrompt { name, .. } => look(self.prompt(name)?.about()),
            Operation::ReadResource { uri } => look(self.resource(uri)?.about()),
            _ => None,
        }
    }
}

impl Shelves {
    /// The next generation, which differs by this shelf. Joined pages belong to a generation.
    fn with_shelf<T: Component>(&self, other: Shelf<T>) -> Self {
        let mut next = Self {
            tools: Arc::clone(&self.tools),
            resources: Arc::clone(&self.resources),
            templates: Arc::clone(&self.templates),
            prompts: Arc::clone(&self.prompts),
            precedence: Vec::new(),
            page_size: self.page_size,
            pages: Pages::default(),
            has_param_headers: false,
        };
        *T::shelf_mut(&mut next) = Arc::new(other);
        next.precedence = precedence(&next.templates);
        next.has_param_headers = has_param_headers(&next.tools);
        next
    }

    async fn page<T: Component>(
        &self,
        components: &Shelf<T>,
        request: &Request,
        cursor: Option<&str>,
    ) -> Result<Rendered, Failure> {
        let after = match cursor {
            Some(cursor) => Some(cursor::decode(T::KIND, cursor).ok_or_else(unknown_cursor)?),
            None => None,
        };
        let visible = components.visible(request).await;
        let start = after.map_or(0, |after| components.position_after(&after));
        Ok(self.pages.get_or_join(components, request.revision.form(), start, visible, self.page_size))
    }
}

fn precedence(templates: &Shelf<ResourceTemplate>) -> Vec<Arc<ResourceTemplate>> {
    let mut precedence: Vec<_> = templates.components().map(Arc::clone).collect();
    precedence.sort_by_cached_key(|template| {
        let text = template.uri_template().to_owned();
        (std::cmp::Reverse(uri::literal_characters(&text)), text)
    });
    precedence
}

fn has_param_headers(tools: &Shelf<Tool>) -> bool {
    tools.components().any(|tool| tool.param_headers().is_some())
}

fn unknown_cursor() -> Failure {
    Failure::invalid_params("the cursor is none that this server gave out for this list")
}

impl Found {
    /// Whether its cached answers are everybody's.
    pub(crate) fn is_public(&self) -> bool {
        self.about().cache.is_some_and(|policy| policy.public)
    }

    pub(crate) fn about(&self) -> &About {
        match self {
            Self::Resource(resource) => resource.about(),
            Self::Template(template, _) => template.about(),
        }
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shelves = &self.0;
        f.debug_struct("Registry")
            .field("tools", &shelves.tools.len())
            .field("resources", &shelves.resources.len())
            .field("templates", &shelves.templates.len())
            .field("prompts", &shelves.prompts.len())
            .finish_non_exhaustive()
    }
}

/// Components on their way into a registry.
#[derive(Default)]
pub(crate) struct RegistryBuilder {
    tools: Vec<Tool>,
    resources: Vec<Resource>,
    templates: Vec<ResourceTemplate>,
    prompts: Vec<Prompt>,
    page_size: Option<NonZeroUsize>,
}

impl RegistryBuilder {
    pub(crate) fn tool(&mut self, tool: Tool) {
        self.tools.push(tool);
    }

    pub(crate) fn resource(&mut self, resource: ResourceComponent) {
        match resource {
            ResourceComponent::Resource(resource) => self.resources.push(resource),
            ResourceComponent::Template(template) => self.templates.push(template),
        }
    }

    pub(crate) fn prompt(&mut self, prompt: Prompt) {
        self.prompts.push(prompt);
    }

    /// At most so many items on a page; 0 is one page of all.
    pub(crate) fn page_size(&mut self, items: usize) {
        self.page_size = NonZeroUsize::new(items);
    }

    /// Checks that every value that a handler takes as `State<T>` is there.
    ///
    /// # Errors
    /// Names the type that is missing and the component that takes it.
    pub(crate) fn require_values(&self, values: &Values) -> Result<()> {
        fn of<T: Component>(components: &[T], values: &Values) -> Result<()> {
            components.iter().try_for_each(|component| require_values_of(component, values))
        }
        of(&self.tools, values)?;
        of(&self.resources, values)?;
        of(&self.templates, values)?;
        of(&self.prompts, values)
    }

    /// The registry of all that was added.
    ///
    /// # Errors
    /// Names the component that is misnamed, registered twice or has a schema that clients refuse, and the remedy.
    pub(crate) fn build(mut self) -> Result<Registry> {
        self.tools.iter_mut().try_for_each(Component::prepare)?;
        self.resources.iter_mut().try_for_each(Component::prepare)?;
        self.templates.iter_mut().try_for_each(Component::prepare)?;
        self.prompts.iter_mut().try_for_each(Component::prepare)?;
        let templates = Shelf::new(self.templates)?;
        let tools = Shelf::new(self.tools)?;
        Ok(Registry(Arc::new(Shelves {
            has_param_headers: has_param_headers(&tools),
            tools: Arc::new(tools),
            resources: Arc::new(Shelf::new(self.resources)?),
            precedence: precedence(&templates),
            templates: Arc::new(templates),
            prompts: Arc::new(Shelf::new(self.prompts)?),
            page_size: self.page_size,
            pages: Pages::default(),
        })))
    }
}

/// # Errors
/// Names the type that is missing and the component that takes it.
fn require_values_of<T: Component>(component: &T, values: &Values) -> Result<()> {
    let missing = component.about().needs.iter().find(|need| !values.contains_key(&need.type_id));
    match missing {
        Some(need) => Err(Error::new(format!(
            "the {} {:?} takes State<{}>, which the server was not given: add .state(..) with a value of this type",
            T::WORD,
            component.key(),
            need.type_name
        ))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
