//! What the registry asks of a tool, a resource, a template and a prompt alike.

use std::sync::Arc;

use super::shelf::Shelf;
use super::{Shelves, checks};
use crate::component::{About, Prompt, Resource, ResourceTemplate, Tool};
use crate::protocol::{Json, ListKind, WireForm};
use crate::{Dynamic, Error, Result};

/// Something that is listed and looked up.
pub(crate) trait Component: Sized + Send + Sync + 'static {
    /// The list it stands in.
    const KIND: ListKind;
    /// What lets it come and go while the server runs.
    const DYNAMIC: Dynamic;
    /// What it is called in errors.
    const WORD: &'static str;

    /// What a client asks for it by; unique within its kind.
    fn key(&self) -> &str;

    /// Where it stands in its list: by name, and by key where names may be equal.
    fn order(&self) -> String {
        self.key().to_owned()
    }

    fn about(&self) -> &About;

    fn definition(&self, form: WireForm) -> Json;

    /// Checks what clients would refuse, and makes it ready to be used.
    ///
    /// # Errors
    /// Names the component and the remedy.
    fn prepare(&mut self) -> Result<()>;

    /// Where it stands.
    fn shelf(shelves: &Shelves) -> &Arc<Shelf<Self>>;

    /// As [`Component::shelf`], to be put in its place.
    fn shelf_mut(shelves: &mut Shelves) -> &mut Arc<Shelf<Self>>;
}

/// What a component tells of itself under the same names; `order` only where names may be equal.
macro_rules! component {
    ($component:ty, $kind:ident, $dynamic:ident, $shelf:ident, $word:literal, $prepare:path, $key:ident $(, $order:ident)?) => {
        impl Component for $component {
            const KIND: ListKind = ListKind::$kind;
            const DYNAMIC: Dynamic = Dynamic::$dynamic;
            const WORD: &'static str = $word;

            fn key(&self) -> &str {
                self.$key()
            }

            $(fn order(&self) -> String {
                $order(self.name(), self.$key())
            })?

            fn about(&self) -> &About {
                self.about()
            }

            fn definition(&self, form: WireForm) -> Json {
                self.definition(form)
            }

            fn prepare(&mut self) -> Result<()> {
                $prepare(self)
            }

            fn shelf(shelves: &Shelves) -> &Arc<Shelf<Self>> {
                &shelves.$shelf
            }

            fn shelf_mut(shelves: &mut Shelves) -> &mut Arc<Shelf<Self>> {
                &mut shelves.$shelf
            }
        }
    };
}

component!(Tool, Tools, TOOLS, tools, "tool", tool, name);
component!(Prompt, Prompts, PROMPTS, prompts, "prompt", prompt, name);
component!(Resource, Resources, RESOURCES, resources, "resource", resource, uri, named);
component!(
    ResourceTemplate,
    ResourceTemplates,
    RESOURCES,
    templates,
    "resource template",
    template,
    uri_template,
    named
);

fn tool(tool: &mut Tool) -> Result<()> {
    checks::tool(tool)?;
    tool.set_param_headers(checks::param_headers(tool)?);
    let enforced = tool.enforce_schemas();
    enforced.map_err(|missing| Error::new(format!("the tool {:?} {missing}", tool.name())))
}

fn prompt(prompt: &mut Prompt) -> Result<()> {
    checks::prompt(prompt)
}

fn resource(resource: &mut Resource) -> Result<()> {
    checks::resource(resource)
}

fn template(template: &mut ResourceTemplate) -> Result<()> {
    checks::template(template)
}

/// NUL stands in no name and sorts before all that does.
fn named(name: &str, key: &str) -> String {
    format!("{name}\0{key}")
}
