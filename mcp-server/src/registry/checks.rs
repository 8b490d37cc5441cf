//! What is refused when a server is built, since clients would refuse it later: each error names component and remedy.

mod headers;
mod schema;

use std::collections::HashSet;

use serde_json::Value;

use super::component::Component;
use super::uri;
use crate::component::{Completers, Prompt, Resource, ResourceTemplate, Tool};
use crate::protocol::{ParamHeaders, WireForm};
use crate::server::LONGEST;
use crate::{Error, Result};

/// The longest name of anything that is no tool, in bytes.
const MAX_NAME: usize = 256;

/// # Errors
/// The name is none that clients take (2026-07-28, server/tools, "Tool Names"), or a schema is refused.
pub(super) fn tool(tool: &Tool) -> Result<()> {
    let name = tool.name();
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    if !(1..=128).contains(&name.len()) || !name.bytes().all(fits) {
        return Err(refused(
            tool,
            "has a name that clients refuse: use 1 to 128 letters, digits, `_`, `-` and `.`",
        ));
    }
    schema::input(tool.input()).map_err(|defect| refused(tool, &format!("has an input schema {defect}")))?;
    if let Some(output) = tool.output() {
        schema::output(output).map_err(|defect| refused(tool, &format!("has an output schema {defect}")))?;
    }
    cache(tool)?;
    icons(tool)
}

/// The headers that repeat arguments of the tool, whose schemas have passed.
///
/// # Errors
/// One is declared where clients do not look, or in a way for which they leave the tool out.
pub(super) fn param_headers(tool: &Tool) -> Result<Option<ParamHeaders>> {
    headers::declared(tool.input()).map_err(|defect| refused(tool, &defect))
}

/// # Errors
/// The URI is none, or the name is empty, too long or has control characters.
pub(super) fn resource(resource: &Resource) -> Result<()> {
    if let Some(defect) = uri::defect(resource.uri()) {
        return Err(refused(resource, defect));
    }
    name(resource, resource.name())?;
    cache(resource)?;
    icons(resource)
}

/// # Errors
/// As [`resource`], outside of the template's parameters, or what is completed is none of them.
pub(super) fn template(template: &ResourceTemplate) -> Result<()> {
    if let Some(defect) = uri::template_defect(template.uri_template()) {
        return Err(refused(template, defect));
    }
    name(template, template.name())?;
    completers(template, template.completers(), &template.parameter_names().collect::<Vec<_>>())?;
    cache(template)?;
    icons(template)
}

/// # Errors
/// The name is empty, too long or has control characters, an argument has no name or another's, or what is completed is
/// none.
pub(super) fn prompt(prompt: &Prompt) -> Result<()> {
    name(prompt, prompt.name())?;
    let definition = definition(prompt);
    let mut seen = HashSet::new();
    for argument in items(&definition, "arguments") {
        let argument = text(argument, "name");
        if argument.is_empty() {
            return Err(refused(prompt, "has an argument without a name: give it one"));
        }
        if !seen.insert(argument) {
            return Err(refused(
                prompt,
                &format!("has the argument {argument:?} twice: rename one of the two"),
            ));
        }
    }
    completers(prompt, prompt.completers(), &prompt.argument_names().collect::<Vec<_>>())?;
    cache(prompt)?;
    icons(prompt)
}

fn name<T: Component>(component: &T, name: &str) -> Result<()> {
    if name.is_empty() || name.len() > MAX_NAME || name.chars().any(char::is_control) {
        return Err(refused(
            component,
            "has a name that clients refuse: use 1 to 256 bytes without control characters",
        ));
    }
    Ok(())
}

fn completers<T: Component>(component: &T, completers: &Completers, arguments: &[&str]) -> Result<()> {
    match completers.arguments().find(|name| !arguments.contains(name)) {
        Some(misnamed) => {
            let defect = format!(
                "completes {misnamed:?}, which it does not have: correct the name, it has {arguments:?}"
            );
            Err(refused(component, &defect))
        }
        None => Ok(()),
    }
}

fn cache<T: Component>(component: &T) -> Result<()> {
    match component.about().cache {
        Some(policy) if policy.ttl.is_zero() || policy.ttl > LONGEST => Err(refused(
            component,
            "lets answers be used again for no time or over 100 years: give .cache(..) a time between, or leave it out",
        )),
        _ => Ok(()),
    }
}

/// Clients reject any other scheme (2026-07-28, basic/index, "`icons`").
fn icons<T: Component>(component: &T) -> Result<()> {
    let definition = definition(component);
    let fits = |src: &str| ["https://", "http://", "data:"].iter().any(|scheme| src.starts_with(scheme));
    if items(&definition, "icons").iter().all(|icon| fits(text(icon, "src"))) {
        return Ok(());
    }
    Err(refused(component, "has an icon that clients reject: use an https: or data: URI"))
}

fn definition<T: Component>(component: &T) -> Value {
    component.definition(WireForm::Stateless).to().unwrap_or_default()
}

fn items<'a>(definition: &'a Value, field: &str) -> &'a [Value] {
    definition.get(field).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn text<'a>(object: &'a Value, field: &str) -> &'a str {
    object.get(field).and_then(Value::as_str).unwrap_or_default()
}

fn refused<T: Component>(component: &T, defect: &str) -> Error {
    Error::new(format!("the {} {:?} {defect}", T::WORD, component.key()))
}
