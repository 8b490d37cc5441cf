//! A field of a form.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::ext::IdentExt as _;
use syn::spanned::Spanned as _;
use syn::{Error, Expr, ExprArray, ExprLit, Ident, Lit, LitStr, Result, Type};

use super::options::Options;
use super::{literal, secret, shape};
use crate::docs;
use crate::emit::at;

/// A field of a form.
pub(super) struct Field {
    pub(super) ident: Ident,
    pub(super) ty: Type,
    /// The name on the wire.
    pub(super) name: LitStr,
    description: Option<TokenStream>,
    options: Options,
}

impl Field {
    pub(super) fn parse(field: &syn::Field) -> Result<Self> {
        let Some(ident) = field.ident.clone() else {
            return Err(Error::new(field.span(), "the fields of a form have names"));
        };
        let options = Options::parse(&field.attrs)?;
        let name =
            options.rename.clone().unwrap_or_else(|| LitStr::new(&ident.unraw().to_string(), ident.span()));
        secret::refuse_type(&field.ty)?;
        if !options.not_secret {
            let title = options.title.as_ref().map(LitStr::value).unwrap_or_default();
            secret::refuse_words(&[&ident.unraw().to_string(), &name.value(), &title], ident.span())?;
        }
        shape::check(&field.ty)?;
        literal::check(&options)?;
        let description = options.description.as_ref().map(|text| quote!(#text));
        let description = description.or_else(|| docs::description(&field.attrs));
        Ok(Self { ident, ty: field.ty.clone(), name, description, options })
    }

    /// The field as an expression.
    pub(super) fn made(&self) -> TokenStream {
        let Self { ty, name, .. } = self;
        let title = self.options.title.as_ref().map(|text| quote!(.title(#text)));
        let description = self.description.as_ref().map(|text| quote!(.description(#text)));
        let rules = self.options.rules.iter().map(|rule| {
            let (rule, value) = (&rule.name, literal::of_type(&rule.value, ty));
            quote_spanned!(rule.span()=> .#rule(#value))
        });
        let format = self.options.format.as_ref().map(|(at, format)| {
            quote_spanned!(at.span()=> .format(::mcp_server::__private::form::Format::#format))
        });
        let default = self.options.default.as_ref().map(|default| {
            let value = default_of(default, ty);
            quote!(.default(|| #value))
        });
        let new = quote_spanned!(at(ty)=> ::mcp_server::__private::form::Field::<#ty>::new(#name));
        quote!(#new #title #description #(#rules)* #format #default)
    }
}

/// A default as a value of the field's type, or of the one in its `Option`. Text becomes whatever is made from it, an
/// array a `Vec`.
fn default_of(default: &Expr, ty: &Type) -> TokenStream {
    let value = quote!(<#ty as ::mcp_server::__private::form::FormField>::Value);
    match default {
        Expr::Lit(ExprLit { lit: Lit::Str(_), .. }) => {
            quote_spanned!(at(default)=> ::mcp_server::__private::text_default::<#value>(#default))
        }
        Expr::Array(ExprArray { .. }) => quote_spanned!(at(default)=> ::std::vec::Vec::from(#default)),
        _ => {
            let default = literal::of_type(default, ty);
            quote!(#default)
        }
    }
}
