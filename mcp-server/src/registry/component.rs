//! What the registry asks of a tool, a resource, a template and a prompt alike.

use crate::component::{About, Prompt, Resource, ResourceTemplate, Tool};
use crate::protocol::{Json, ListKind, WireForm};

/// Something that is listed and looked up.
pub(super) trait Component: Send + Sync + 'static {
    /// The list it stands in.
    const KIND: ListKind;
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
}

/// What a component tells of itself under the same names; `order` only where names may be equal.
macro_rules! component {
    ($component:ty, $kind:ident, $word:literal, $key:ident $(, $order:ident)?) => {
        impl Component for $component {
            const KIND: ListKind = ListKind::$kind;
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
        }
    };
}

component!(Tool, Tools, "tool", name);
component!(Prompt, Prompts, "prompt", name);
component!(Resource, Resources, "resource", uri, named);
component!(ResourceTemplate, ResourceTemplates, "resource template", uri_template, named);

/// NUL stands in no name and sorts before all that does.
fn named(name: &str, key: &str) -> String {
    format!("{name}\0{key}")
}
