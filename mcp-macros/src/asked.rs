//! Arguments that the person is asked for before the function runs: `Asked<T>`.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::visit::Visit;
use syn::{Attribute, Error, Ident, LitStr, PathSegment, Result, Type};

use crate::argument::{Argument, Source, last_segment};
use crate::docs;
use crate::emit::at;
use crate::function::Function;

/// What the person reads: text with the names of other arguments in braces.
pub(crate) struct Message {
    text: LitStr,
    /// The arguments that it names, each once.
    names: Vec<String>,
}

impl Message {
    /// The message of the argument `name`: `ask`, or its doc comment.
    pub(crate) fn read(name: &Ident, ask: Option<&LitStr>, attributes: &[Attribute]) -> Result<Self> {
        let documented = || docs::text(attributes).map(|text| LitStr::new(&text, name.span()));
        let Some(text) = ask.cloned().or_else(documented) else {
            let message = format!(
                "what is the person asked? Write a doc comment above `{name}`, or `#[arg(ask = \"..\")]`"
            );
            return Err(Error::new(name.span(), message));
        };
        if text.value().trim().is_empty() {
            return Err(Error::new(text.span(), "the person cannot answer an empty question: write one"));
        }
        let names = names(&text.value()).map_err(|wrong| Error::new(text.span(), wrong))?;
        Ok(Self { text, names })
    }
}

/// Whether the last name of the type is `Asked`, under whatever path.
///
/// # Errors
/// It is inside of another type, where nobody would be asked.
pub(crate) fn is_asked(ty: &Type) -> Result<bool> {
    if last_segment(ty).is_some_and(|segment| segment == "Asked") {
        return Ok(true);
    }
    let mut inside = Inside(None);
    inside.visit_type(ty);
    inside.0.map_or(Ok(false), Err)
}

/// Looks for `Asked` inside of another type.
struct Inside(Option<Error>);

impl<'ast> Visit<'ast> for Inside {
    fn visit_path_segment(&mut self, segment: &'ast PathSegment) {
        if segment.ident == "Asked" && self.0.is_none() {
            let message = "`Asked` is the type of the argument itself: write `Asked<T>`, or `Asked<Elicited<T>>` to see \
                           also that the person declined";
            self.0 = Some(Error::new(segment.ident.span(), message));
        }
        syn::visit::visit_path_segment(self, segment);
    }
}

/// The arguments that the person is asked for, each with its message and its place among all.
pub(crate) fn arguments(function: &Function) -> impl Iterator<Item = (usize, &Argument, &Message)> {
    function.arguments.iter().enumerate().filter_map(|(index, argument)| match &argument.source {
        Source::Person(message) => Some((index, argument, message)),
        Source::Client | Source::Server => None,
    })
}

/// # Errors
/// A message names what the client does not send.
pub(crate) fn check(arguments: &[Argument]) -> Result<()> {
    let sent: Vec<String> =
        arguments.iter().filter(|argument| argument.is_sent()).map(|sent| sent.ident.to_string()).collect();
    for argument in arguments {
        let Source::Person(message) = &argument.source else { continue };
        if let Some(unknown) = message.names.iter().find(|name| !sent.contains(name)) {
            return Err(Error::new(message.text.span(), misnamed(unknown, &sent)));
        }
    }
    Ok(())
}

fn misnamed(name: &str, sent: &[String]) -> String {
    let names: Vec<_> = sent.iter().map(|name| format!("`{name}`")).collect();
    let others =
        if names.is_empty() { "none at all".to_owned() } else { format!("only {}", names.join(", ")) };
    format!("the client sends no argument `{name}`, {others}; a brace itself is written `{{{{` or `}}}}`")
}

/// Asks for all of them at once: `let (value, ..) = ..;`. `refuse` makes the handler's result of an `__ending`.
pub(crate) fn questions(function: &Function, values: &[Ident], refuse: &TokenStream) -> TokenStream {
    let (mut pattern, mut asked) = (TokenStream::new(), TokenStream::new());
    for (index, argument, message) in arguments(function) {
        let Some(value) = values.get(index) else { continue };
        let question = question(function, values, argument, message);
        if asked.is_empty() {
            (pattern, asked) = (quote!(#value), question);
        } else {
            // The first one stands innermost, so that it is looked at first.
            pattern = quote!((#pattern, #value));
            asked = quote!(::mcp_server::__private::try_join(#asked, #question));
        }
    }
    if asked.is_empty() {
        return TokenStream::new();
    }
    quote! {
        let #pattern = match #asked.await {
            ::core::result::Result::Ok(__asked) => __asked,
            ::core::result::Result::Err(__ending) => return #refuse,
        };
    }
}

/// The future of one answer, under the argument's name.
fn question(function: &Function, values: &[Ident], argument: &Argument, message: &Message) -> TokenStream {
    let (ty, key) = (&argument.ty, argument.name.value());
    let message = formatted(function, values, message);
    quote_spanned!(at(ty)=> ::mcp_server::__private::asked::<#ty>(&__context, #key, #message))
}

/// The message as an expression, with the values of the arguments that it names.
fn formatted(function: &Function, values: &[Ident], message: &Message) -> TokenStream {
    let Message { text, names } = message;
    if names.is_empty() {
        let plain = text.value().replace("{{", "{").replace("}}", "}");
        return quote!(::std::string::String::from(#plain));
    }
    let named = function
        .arguments
        .iter()
        .zip(values)
        .filter(|(argument, _)| argument.is_sent() && names.iter().any(|name| argument.ident == name));
    let named = named.map(|(Argument { ident, .. }, value)| quote!(#ident = #value));
    quote_spanned!(at(text)=> ::std::format!(#text, #(#named),*))
}

/// The names in braces, as `format!` reads them.
fn names(text: &str) -> std::result::Result<Vec<String>, &'static str> {
    const UNNAMED: &str = "name the argument in the braces: `{room}`; a brace itself is written `{{` or `}}`";
    const UNCLOSED: &str = "a brace has no counterpart: a brace itself is written `{{` or `}}`";
    let mut names: Vec<String> = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        let (brace, after) = rest.split_at(at).1.split_at(1);
        if let Some(after) = after.strip_prefix(brace) {
            rest = after;
            continue;
        }
        if brace == "}" {
            return Err(UNCLOSED);
        }
        let (inside, after) = after.split_once('}').ok_or(UNCLOSED)?;
        let name = inside.split(':').next().unwrap_or_default().trim();
        if !name.starts_with(|first: char| first == '_' || first.is_alphabetic()) {
            return Err(UNNAMED);
        }
        if !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
        rest = after;
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::names;

    #[test]
    fn a_message_names_arguments_in_braces() {
        assert_eq!(names("Book it?"), Ok(vec![]));
        assert_eq!(names("Book {room} for {guests:>3}, {room}?"), Ok(vec!["room".into(), "guests".into()]));
        assert_eq!(names("{{literally}} {_x}"), Ok(vec!["_x".into()]));
        for wrong in ["{}", "{0}", "{:?}", "{", "}", "{room", "room}", "{{}"] {
            assert!(names(wrong).is_err(), "{wrong}");
        }
    }
}
