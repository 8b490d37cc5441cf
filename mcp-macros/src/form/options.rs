//! What stands in `#[form(..)]`.

use proc_macro2::Span;
use quote::format_ident;
use syn::meta::ParseNestedMeta;
use syn::spanned::Spanned as _;
use syn::{Attribute, Error, Expr, Ident, LitStr, Result, Token, parse_quote};

/// What stands in `#[form(..)]`, each at most once.
#[derive(Default)]
pub(super) struct Options {
    pub(super) rename: Option<LitStr>,
    pub(super) title: Option<LitStr>,
    pub(super) description: Option<LitStr>,
    pub(super) default: Option<Expr>,
    /// Where it was written, and its name as a type of ours.
    pub(super) format: Option<(LitStr, Ident)>,
    pub(super) rules: Vec<Rule>,
    pub(super) not_secret: bool,
}

/// A rule with a number.
pub(super) struct Rule {
    pub(super) name: Ident,
    pub(super) value: Expr,
}

const RULES: [&str; 6] = ["min", "max", "min_length", "max_length", "min_items", "max_items"];

const KNOWN: &str = "`title = \"..\"`, `description = \"..\"`, `rename = \"..\"`, `default = ..`, `min = ..`, `max = ..`, \
                     `min_length = ..`, `max_length = ..`, `format = \"..\"`, `min_items = ..`, `max_items = ..`, \
                     `not_secret`";

impl Options {
    pub(super) fn parse(attributes: &[Attribute]) -> Result<Self> {
        let mut options = Self::default();
        let mut seen: Vec<String> = Vec::new();
        for attribute in attributes {
            if attribute.path().is_ident("form") {
                attribute.parse_nested_meta(|meta| {
                    let name = meta.path.get_ident().map(Ident::to_string).unwrap_or_default();
                    if seen.contains(&name) {
                        return Err(meta.error(format!("`{name}` stands here twice")));
                    }
                    options.take(&name, &meta)?;
                    seen.push(name);
                    Ok(())
                })?;
            }
        }
        Ok(options)
    }

    fn take(&mut self, name: &str, meta: &ParseNestedMeta<'_>) -> Result<()> {
        match name {
            "rename" => self.rename = Some(named(text(name, meta)?)?),
            "title" => self.title = Some(text(name, meta)?),
            "description" => self.description = Some(text(name, meta)?),
            "default" => {
                let given = meta.input.peek(Token![=]);
                self.default = Some(if given {
                    meta.value()?.parse()?
                } else {
                    parse_quote!(::core::default::Default::default())
                });
            }
            "format" => self.format = Some(format(text(name, meta)?)?),
            "not_secret" => self.not_secret = true,
            name if RULES.contains(&name) => {
                let value = value(name, "number", meta)?;
                let name = Ident::new(name, span(meta));
                self.rules.push(Rule { name, value });
            }
            _ => return Err(meta.error(format!("unknown option: a field of a form takes {KNOWN}"))),
        }
        Ok(())
    }

    /// The value of a rule.
    pub(super) fn rule(&self, name: &str) -> Option<&Expr> {
        self.rules.iter().find(|rule| rule.name == name).map(|rule| &rule.value)
    }
}

fn span(meta: &ParseNestedMeta<'_>) -> Span {
    meta.path.span()
}

fn value<T: syn::parse::Parse>(name: &str, what: &str, meta: &ParseNestedMeta<'_>) -> Result<T> {
    let wrong = |error: Error| Error::new(error.span(), format!("write `{name} = {what}`"));
    meta.value().map_err(wrong)?.parse().map_err(wrong)
}

fn text(name: &str, meta: &ParseNestedMeta<'_>) -> Result<LitStr> {
    value(name, "\"..\"", meta)
}

fn named(name: LitStr) -> Result<LitStr> {
    if name.value().is_empty() {
        return Err(Error::new(name.span(), "a field's name cannot be empty"));
    }
    Ok(name)
}

fn format(text: LitStr) -> Result<(LitStr, Ident)> {
    let name = match text.value().as_str() {
        "email" => "Email",
        "uri" => "Uri",
        "date" => "Date",
        "date-time" => "DateTime",
        _ => {
            let message = "clients know these formats: `email`, `uri`, `date`, `date-time`";
            return Err(Error::new(text.span(), message));
        }
    };
    Ok((text, format_ident!("{name}")))
}
