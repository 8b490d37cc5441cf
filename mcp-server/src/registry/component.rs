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

impl Component for Tool {
    const KIND: ListKind = ListKind::Tools;
    const WORD: &'static str = "tool";

    fn key(&self) -> &str {
        self.name()
    }

    fn about(&self) -> &About {
        self.about()
    }

    fn definition(&self, form: WireForm) -> Json {
        self.definition(form)
    }
}

impl Component for Prompt {
    const KIND: ListKind = ListKind::Prompts;
    const WORD: &'static str = "prompt";

    fn key(&self) -> &str {
        self.name()
    }

    fn about(&self) -> &About {
        self.about()
    }

    fn definition(&self, form: WireForm) -> Json {
        self.definition(form)
    }
}

impl Component for Resource {
    const KIND: ListKind = ListKind::Resources;
    const WORD: &'static str = "resource";

    fn key(&self) -> &str {
        self.uri()
    }

    fn order(&self) -> String {
        named(self.name(), self.uri())
    }

    fn about(&self) -> &About {
        self.about()
    }

    fn definition(&self, form: WireForm) -> Json {
        self.definition(form)
    }
}

impl Component for ResourceTemplate {
    const KIND: ListKind = ListKind::ResourceTemplates;
    const WORD: &'static str = "resource template";

    fn key(&self) -> &str {
        self.uri_template()
    }

    fn order(&self) -> String {
        named(self.name(), self.uri_template())
    }

    fn about(&self) -> &About {
        self.about()
    }

    fn definition(&self, form: WireForm) -> Json {
        self.definition(form)
    }
}

/// NUL stands in no name and sorts before all that does.
fn named(name: &str, key: &str) -> String {
    format!("{name}\0{key}")
}
