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
    ty: Type,
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

    /// The type of its value.
    pub(super) fn value(&self) -> &Type {
        shape::optional(&self.ty).unwrap_or(&self.ty)
    }

    /// Whether it may be left out.
    pub(super) fn is_optional(&self) -> bool {
        shape::optional(&self.ty).is_some()
    }

    /// The field as the body of a function. Each rule is a statement of its own, so that errors point to it.
    pub(super) fn made(&self) -> TokenStream {
        let (name, value) = (&self.name, self.value());
        let title = self.options.title.as_ref().map(|text| quote!(.title(#text)));
        let description = self.description.as_ref().map(|text| quote!(.description(#text)));
        let rules = self.options.rules.iter().map(|rule| {
            let (rule, number) = (&rule.name, literal::of_type(&rule.value, value));
            quote_spanned!(at(rule)=> let __field = __field.#rule(#number);)
        });
        let format = self.options.format.as_ref().map(|(text, format)| {
            quote_spanned!(at(text)=> let __field = __field.format(::mcp_server::__private::form::Format::#format);)
        });
        let default = self.options.default.as_ref().map(|default| {
            let default = default_of(default, value);
            quote!(let __field = __field.default(|| #default);)
        });
        quote! {
            let __field = ::mcp_server::__private::form::Field::<#value>::new(#name) #title #description;
            #(#rules)*
            #format
            #default
            __field
        }
    }
}

/// A default as a value of type `value`. Text becomes whatever is made from it, an array a `Vec`.
fn default_of(default: &Expr, value: &Type) -> TokenStream {
    match default {
        Expr::Lit(ExprLit { lit: Lit::Str(_), .. }) => {
            quote_spanned!(at(default)=> ::mcp_server::__private::text_default::<#value>(#default))
        }
        Expr::Array(ExprArray { .. }) => quote_spanned!(at(default)=> ::std::vec::Vec::from(#default)),
        _ => {
            let default = literal::of_type(default, value);
            quote!(#default)
        }
    }
}
