//! Doc comments as descriptions.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Attribute, Expr, ExprLit, Lit, Meta};

/// The text of the doc comments among `attributes` as an expression of type `&'static str`, if there are any.
pub(crate) fn description(attributes: &[Attribute]) -> Option<TokenStream> {
    let lines: Vec<&Expr> = attributes.iter().filter_map(doc).collect();
    if lines.is_empty() {
        return None;
    }
    let texts: Option<Vec<String>> = lines.iter().map(|line| literal(line)).collect();
    let Some(texts) = texts else {
        return Some(quote!(::core::concat!(#(#lines, "\n"),*))); // such as #[doc = include_str!(..)]
    };
    let text = joined(&texts);
    (!text.is_empty()).then(|| quote!(#text))
}

/// The text of the doc comments among `attributes`, if it is written there and not included from elsewhere.
pub(crate) fn text(attributes: &[Attribute]) -> Option<String> {
    let texts: Option<Vec<String>> = attributes.iter().filter_map(doc).map(literal).collect();
    texts.map(|texts| joined(&texts)).filter(|text| !text.is_empty())
}

fn doc(attribute: &Attribute) -> Option<&Expr> {
    match &attribute.meta {
        Meta::NameValue(pair) if pair.path.is_ident("doc") => Some(&pair.value),
        _ => None,
    }
}

fn literal(expression: &Expr) -> Option<String> {
    match expression {
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.value()),
        _ => None,
    }
}

/// One space after `///` belongs to the comment, further ones to the text.
fn joined(lines: &[String]) -> String {
    let lines: Vec<&str> = lines.iter().flat_map(|line| line.split('\n')).collect();
    let lines: Vec<&str> =
        lines.iter().map(|line| line.strip_prefix(' ').unwrap_or(line).trim_end()).collect();
    lines.join("\n").trim().to_owned()
}
