//! `#[derive(Form)]`.

mod field;
mod literal;
mod options;
mod secret;
mod shape;

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned as _;
use syn::{Data, DeriveInput, Error, Fields, Ident, Result};

use self::field::Field;
use crate::emit::at;

/// The implementation, or the mistakes beside one that stands in for it, so that its uses are not mistakes too.
pub(crate) fn expand(input: &DeriveInput) -> TokenStream {
    fields(input).map_or_else(
        |error| {
            let (errors, unreachable) = (error.into_compile_error(), quote!(::core::unreachable!()));
            let stand_in = implementation(&input.ident, &unreachable, &unreachable);
            quote!(#errors #stand_in)
        },
        |fields| form(&input.ident, &fields),
    )
}

/// The fields; every mistake that can be found is reported, not only the first.
fn fields(input: &DeriveInput) -> Result<Vec<Field>> {
    let named = named(input)?;
    let mut fields: Vec<Field> = Vec::new();
    let mut mistakes: Option<Error> = None;
    let mut note = |error: Error| match &mut mistakes {
        Some(all) => all.combine(error),
        none => *none = Some(error),
    };
    for field in named {
        match Field::parse(field) {
            Ok(field) if fields.iter().any(|other| other.name.value() == field.name.value()) => {
                note(Error::new(field.name.span(), "two fields have this name: rename one"));
            }
            Ok(field) => fields.push(field),
            Err(error) => note(error),
        }
    }
    mistakes.map_or(Ok(fields), Err)
}

fn named(input: &DeriveInput) -> Result<impl Iterator<Item = &syn::Field>> {
    if let Some(parameter) = input.generics.params.first() {
        return Err(Error::new(
            parameter.span(),
            "a form asks for what is known: write a struct without generics",
        ));
    }
    if let Some(attribute) = input.attrs.iter().find(|attribute| attribute.path().is_ident("form")) {
        return Err(Error::new(attribute.span(), "`#[form(..)]` stands on the fields of a form"));
    }
    match &input.data {
        Data::Struct(data) => match &data.fields {
            Fields::Named(fields) => Ok(fields.named.iter()),
            Fields::Unnamed(_) => Err(Error::new(
                input.ident.span(),
                "the fields of a form have names: write `struct Name { field: Type }`",
            )),
            Fields::Unit => Err(Error::new(
                input.ident.span(),
                "the fields of a form have names: write `struct Name { field: Type }`, or take `()` to ask for none",
            )),
        },
        Data::Enum(_) => Err(Error::new(
            input.ident.span(),
            "a form is a struct; an enum is one of its choices: write `#[derive(Choice)]`",
        )),
        Data::Union(_) => Err(Error::new(input.ident.span(), "a form is a struct")),
    }
}

fn form(ident: &Ident, fields: &[Field]) -> TokenStream {
    let makers: Vec<Ident> = (0..fields.len()).map(|index| format_ident!("__field_{index}")).collect();
    let functions = fields.iter().zip(&makers).map(|(field, maker)| {
        let (value, made) = (field.value(), field.made());
        quote! {
            fn #maker() -> ::mcp_server::__private::form::Field<#value> {
                #made
            }
        }
    });
    let added = fields.iter().zip(&makers).map(|(field, maker)| {
        let and = if field.is_optional() { quote!(and_optional) } else { quote!(and) };
        let value = field.value();
        quote_spanned!(at(value)=> let __fields = __fields.#and::<#value>(&#maker());)
    });
    let values = fields.iter().zip(&makers).map(|(field, maker)| {
        let read = if field.is_optional() { quote!(read_optional) } else { quote!(read) };
        let (value, ident) = (field.value(), &field.ident);
        quote_spanned!(at(value)=> #ident: __entered.#read::<#value>(&#maker())?)
    });
    let schema = quote! {
        let __fields = ::mcp_server::__private::form::Fields::new();
        #(#added)*
        __fields.schema()
    };
    let read = quote! {
        let __entered = ::mcp_server::__private::form::Entered::of(__content)?;
        ::core::result::Result::Ok(Self { #(#values,)* })
    };
    let implementation = implementation(ident, &schema, &read);
    quote! {
        const _: () = {
            #(#functions)*
            #implementation
        };
    }
}

fn implementation(ident: &Ident, schema: &TokenStream, read: &TokenStream) -> TokenStream {
    quote! {
        #[automatically_derived]
        impl ::mcp_server::Form for #ident {
            fn schema() -> ::mcp_server::protocol::Json {
                #schema
            }

            fn read(
                __content: &::mcp_server::protocol::Json,
            ) -> ::core::result::Result<Self, ::std::string::String> {
                #read
            }
        }
    }
}
