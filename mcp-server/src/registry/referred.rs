//! What a completion refers to (server/utilities/completion, "Reference Types").

use std::sync::Arc;

use super::{Found, Registry};
use crate::component::{About, Completer, Parameters, Prompt, Resource, ResourceTemplate};
use crate::protocol::{Failure, excerpt};
use crate::request::Reference;
use crate::{Refusal, Request, Result};

/// What has the argument that is completed.
#[derive(Clone, Debug)]
pub(crate) enum Referred {
    Prompt(Arc<Prompt>),
    /// A template, and the values of its parameters where the client referred to a URI.
    Template(Arc<ResourceTemplate>, Parameters),
    /// It has no arguments.
    Resource(Arc<Resource>),
}

impl Registry {
    /// Whether anything completes an argument.
    pub(crate) fn has_completions(&self) -> bool {
        let shelves = &self.0;
        shelves.prompts.components().any(|prompt| !prompt.completers().is_empty())
            || shelves.templates.components().any(|template| !template.completers().is_empty())
    }

    /// What `reference` refers to. A template goes by its text before any URI does; what has braces is no URI.
    pub(crate) fn referred(&self, reference: &Reference) -> Option<Referred> {
        let uri = match reference {
            Reference::Prompt(name) => return self.prompt(name).map(Arc::clone).map(Referred::Prompt),
            Reference::Resource(uri) => uri,
        };
        if let Some(entry) = self.0.templates.get(uri) {
            return Some(Referred::Template(Arc::clone(&entry.component), Parameters::default()));
        }
        if uri.contains(['{', '}']) {
            return None;
        }
        Some(match self.resource(uri)? {
            Found::Resource(resource) => Referred::Resource(resource),
            Found::Template(template, parameters) => Referred::Template(template, parameters),
        })
    }

    /// Runs the check of what `reference` refers to. What the sender may not use is answered as what is not there, at
    /// the same moment and in the same words.
    pub(super) async fn check_reference(
        &self,
        request: &Request,
        reference: &Reference,
    ) -> Result<(), Refusal> {
        if !self.has_completions() {
            return Ok(()); // the method itself is unknown
        }
        let Some(referred) = self.referred(reference) else { return Err(unknown(reference).into()) };
        match &referred.about().check {
            Some(check) => check(request).await.map_err(|_| unknown(reference).into()),
            None => Ok(()),
        }
    }
}

impl Referred {
    /// The names of its arguments.
    pub(crate) fn arguments(&self) -> Vec<&str> {
        match self {
            Self::Prompt(prompt) => prompt.argument_names().collect(),
            Self::Template(template, _) => template.parameter_names().collect(),
            Self::Resource(_) => Vec::new(),
        }
    }

    /// What completes the argument of that name.
    pub(crate) fn completer(&self, argument: &str) -> Option<&Completer> {
        match self {
            Self::Prompt(prompt) => prompt.completers().get(argument),
            Self::Template(template, _) => template.completers().get(argument),
            Self::Resource(_) => None,
        }
    }

    /// The values of arguments that the reference itself holds.
    pub(crate) fn values(&self) -> Parameters {
        match self {
            Self::Template(_, parameters) => parameters.clone(),
            Self::Prompt(_) | Self::Resource(_) => Parameters::default(),
        }
    }

    pub(crate) fn about(&self) -> &About {
        match self {
            Self::Prompt(prompt) => prompt.about(),
            Self::Template(template, _) => template.about(),
            Self::Resource(resource) => resource.about(),
        }
    }

    /// What it is called in logs: never a URI that holds arguments.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Prompt(prompt) => prompt.name(),
            Self::Template(template, _) => template.uri_template(),
            Self::Resource(resource) => resource.uri(),
        }
    }
}

/// There is nothing of that name, or it is not for whoever asks.
pub(crate) fn unknown(reference: &Reference) -> Failure {
    let kind = match reference {
        Reference::Prompt(_) => "prompt",
        Reference::Resource(_) => "resource",
    };
    Failure::invalid_params(format!("unknown {kind}: {}", excerpt(reference.target())))
}

#[cfg(test)]
mod tests {
    use super::Referred;
    use crate::component::{
        Parameters, Prompt, PromptArgument, Resource, ResourceComponent, ResourceTemplate,
    };
    use crate::protocol::Revision;
    use crate::registry::{Registry, RegistryBuilder};
    use crate::request::{PartialArgument, Reference};
    use crate::{Operation, Refusal, Request};

    fn template(text: &str) -> ResourceTemplate {
        ResourceTemplate::new(text, |_, _, _| async { "x" }).unwrap()
    }

    fn prompt(name: &str) -> Prompt {
        Prompt::new(name, [PromptArgument::required("language")], |_, _| async { "x" })
    }

    fn registry(prompts: Vec<Prompt>, templates: Vec<ResourceTemplate>) -> Registry {
        let mut builder = RegistryBuilder::default();
        builder.resource(ResourceComponent::Resource(Resource::new("user://all", |_, _| async { "x" })));
        for prompt in prompts {
            builder.prompt(prompt);
        }
        for template in templates {
            builder.resource(ResourceComponent::Template(template));
        }
        builder.build().unwrap()
    }

    fn name(registry: &Registry, reference: &Reference) -> Option<String> {
        registry.referred(reference).map(|referred| referred.name().to_owned())
    }

    #[test]
    fn a_template_is_found_by_its_text_or_by_a_uri() {
        let registry =
            registry(vec![prompt("review")], vec![template("user://{id}"), template("user://{id}/{page}")]);
        let found = |uri: &str| name(&registry, &Reference::resource(uri));
        assert_eq!(found("user://{id}/{page}").as_deref(), Some("user://{id}/{page}"));
        assert_eq!(found("user://7").as_deref(), Some("user://{id}"));
        assert_eq!(found("user://all").as_deref(), Some("user://all"));
        assert_eq!(found("user://{name}"), None, "another template's text is no URI");
        assert_eq!(found("review"), None);
        assert_eq!(name(&registry, &Reference::prompt("review")).as_deref(), Some("review"));
        assert_eq!(name(&registry, &Reference::prompt("user://{id}")), None);
        let Some(Referred::Template(_, values)) = registry.referred(&Reference::resource("user://7/b"))
        else {
            panic!()
        };
        let expected: Parameters = [("id", "7"), ("page", "b")].into_iter().collect();
        assert_eq!(values, expected);
    }

    #[test]
    fn something_completes_where_a_prompt_or_a_template_does() {
        assert!(!registry(vec![prompt("p")], vec![template("a://{b}")]).has_completions());
        let completing = prompt("p").complete_from("language", ["rust"]);
        assert!(registry(vec![completing], Vec::new()).has_completions());
        assert!(registry(Vec::new(), vec![template("a://{b}").complete_from("b", ["c"])]).has_completions());
    }

    #[test]
    fn what_completes_an_argument_that_is_not_there_is_refused_by_name() {
        let mut builder = RegistryBuilder::default();
        builder.prompt(prompt("review").complete_from("lang", ["rust"]));
        let error = builder.build().unwrap_err().to_string();
        assert!(error.contains(r#"the prompt "review" completes "lang""#), "{error}");
        assert!(error.contains(r#"["language"]"#), "{error}");
        let mut builder = RegistryBuilder::default();
        builder.resource(ResourceComponent::Template(template("a://{b}").complete_from("c", ["d"])));
        let error = builder.build().unwrap_err().to_string();
        assert!(error.contains(r#"the resource template "a://{b}" completes "c""#), "{error}");
    }

    #[tokio::test]
    async fn what_is_hidden_is_refused_as_what_is_not_there() {
        let hidden = prompt("p").complete_from("language", ["rust"]);
        let hidden = hidden.check(|_| async { Err(Refusal::new("only for the few")) });
        let refused = async |registry: &Registry| {
            let operation = Operation::Complete {
                reference: Reference::prompt("p"),
                argument: PartialArgument::new("language", ""),
                chosen: crate::protocol::Json::EMPTY,
            };
            let request = Request::for_tests(operation, Revision::V2026_07_28);
            format!("{:?}", registry.check(&request).await)
        };
        let other = prompt("q").complete_from("language", ["rust"]);
        let (without, with) =
            (registry(vec![other.clone()], Vec::new()), registry(vec![hidden, other], Vec::new()));
        assert_eq!(refused(&with).await, refused(&without).await);
        assert!(refused(&with).await.contains("unknown prompt: p"));
    }
}
