//! The names in a template of URIs, and whether they are the function's arguments.

use syn::{Error, LitStr, Result};

use crate::function::Function;

/// A parameter of a template.
pub(crate) struct Parameter {
    name: String,
    /// Whether it stands in the query, where it may be absent.
    query: bool,
}

/// The parameters of a URI; none for a plain resource.
pub(crate) fn parameters(uri: &LitStr) -> Result<Vec<Parameter>> {
    let text = uri.value();
    let wrong = |message: &str| Error::new(uri.span(), message);
    if !has_scheme(&text) {
        return Err(wrong("a URI begins with its scheme, as in `user://{id}/profile`"));
    }
    let mut parameters = Vec::new();
    let mut rest = text.as_str();
    let mut adjacent = false;
    while let Some((literal, tail)) = rest.split_once('{') {
        if literal.contains('}') {
            return Err(wrong("this template has a `}` without its `{`"));
        }
        let (expression, after) =
            tail.split_once('}').ok_or_else(|| wrong("this template has a `{` without its `}`"))?;
        let query = expression.starts_with('?');
        if adjacent && literal.is_empty() && !query {
            return Err(wrong("two parameters need something between them, or nobody knows where one ends"));
        }
        if query && !after.is_empty() {
            return Err(wrong("query parameters stand at the end, as in `{?page,size}`"));
        }
        for name in names(expression) {
            parameters.push(parameter(name, query, &parameters).map_err(|message| wrong(&message))?);
        }
        (rest, adjacent) = (after, true);
    }
    if rest.contains('}') {
        return Err(wrong("this template has a `}` without its `{`"));
    }
    Ok(parameters)
}

/// Checks in both directions: each parameter is an argument, each argument that the client sends is a parameter.
pub(crate) fn check(uri: &LitStr, parameters: &[Parameter], function: &Function) -> Result<()> {
    for parameter in parameters {
        let name = &parameter.name;
        let Some(argument) = function.sent().find(|argument| argument.name.value() == *name) else {
            let message = format!("`{{{name}}}` has no argument: add `{name}: String` to the function");
            return Err(Error::new(uri.span(), message));
        };
        if parameter.query && !argument.is_optional() {
            let message = format!(
                "`{name}` stands in the query and may be absent: write `Option<..>`, or give it `#[arg(default = ..)]`"
            );
            return Err(Error::new(argument.name.span(), message));
        }
    }
    for argument in function.sent() {
        let name = argument.name.value();
        if !parameters.iter().any(|parameter| parameter.name == name) {
            let message =
                format!("the URI has no parameter `{{{name}}}`: add it there, or remove the argument");
            return Err(Error::new(argument.name.span(), message));
        }
    }
    Ok(())
}

/// RFC 3986, section 3.1.
fn has_scheme(uri: &str) -> bool {
    let Some((scheme, rest)) = uri.split_once(':') else { return false };
    let letters = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.bytes().all(letters)
        && !rest.is_empty()
}

fn names(expression: &str) -> impl Iterator<Item = &str> {
    let query = expression.strip_prefix('?');
    let single = query
        .is_none()
        .then(|| expression.strip_prefix('+').or_else(|| expression.strip_suffix('*')).unwrap_or(expression));
    query.into_iter().flat_map(|names| names.split(',').map(str::trim)).chain(single)
}

fn parameter(name: &str, query: bool, earlier: &[Parameter]) -> std::result::Result<Parameter, String> {
    if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        return Err("a parameter's name is of letters, digits and `_`".to_owned());
    }
    if earlier.iter().any(|parameter| parameter.name == name) {
        return Err(format!("`{{{name}}}` stands there twice: rename one"));
    }
    Ok(Parameter { name: name.to_owned(), query })
}
