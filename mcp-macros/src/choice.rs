//! `#[derive(Choice)]`.

mod rename;

use proc_macro2::TokenStream;
use quote::quote;
use syn::ext::IdentExt as _;
use syn::meta::ParseNestedMeta;
use syn::spanned::Spanned as _;
use syn::{Attribute, Data, DeriveInput, Error, Fields, Ident, LitStr, Result, Variant};

use self::rename::Rename;

/// The implementation, or the mistakes beside one that stands in for it, so that its uses are not mistakes too.
pub(crate) fn expand(input: &DeriveInput) -> TokenStream {
    let options = options(input);
    options.map_or_else(
        |error| {
            let (errors, unreachable) = (error.into_compile_error(), quote!(::core::unreachable!()));
            let stand_in = implementation(&input.ident, &unreachable, &unreachable, &unreachable);
            quote!(#errors #stand_in)
        },
        |options| choice(&input.ident, &options),
    )
}

/// One variant.
struct Offer {
    ident: Ident,
    value: LitStr,
    title: Option<LitStr>,
}

fn options(input: &DeriveInput) -> Result<Vec<Offer>> {
    if let Some(parameter) = input.generics.params.first() {
        return Err(Error::new(
            parameter.span(),
            "a choice is from what is known: write an enum without generics",
        ));
    }
    let Data::Enum(data) = &input.data else {
        return Err(Error::new(
            input.ident.span(),
            "a choice is an enum; a struct of fields is `#[derive(Form)]`",
        ));
    };
    if data.variants.is_empty() {
        return Err(Error::new(input.ident.span(), "there is nothing to choose from: add a variant"));
    }
    let rename = rename_all(&input.attrs)?;
    let mut offers: Vec<Offer> = Vec::new();
    for variant in &data.variants {
        let offer = Offer::parse(variant, rename)?;
        if offers.iter().any(|other| other.value.value() == offer.value.value()) {
            let message = format!("two variants have the value {:?}: give one another", offer.value.value());
            return Err(Error::new(offer.value.span(), message));
        }
        offers.push(offer);
    }
    Ok(offers)
}

fn rename_all(attributes: &[Attribute]) -> Result<Option<Rename>> {
    let mut rename = None;
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("choice")) {
        attribute.parse_nested_meta(|meta| {
            if !meta.path.is_ident("rename_all") {
                return Err(meta.error("unknown option: an enum of choices takes `rename_all = \"..\"`"));
            }
            let rule = text("rename_all", &meta)?;
            let known = Rename::of(&rule.value());
            rename = Some(
                known.ok_or_else(|| Error::new(rule.span(), format!("write one of {}", rename::KNOWN)))?,
            );
            Ok(())
        })?;
    }
    Ok(rename)
}

impl Offer {
    fn parse(variant: &Variant, rename: Option<Rename>) -> Result<Self> {
        if !matches!(variant.fields, Fields::Unit) {
            return Err(Error::new(
                variant.fields.span(),
                "a choice is one word on the wire: write a variant without fields",
            ));
        }
        let (mut value, mut title) = (None, None);
        for attribute in variant.attrs.iter().filter(|attribute| attribute.path().is_ident("choice")) {
            attribute.parse_nested_meta(|meta| {
                let (name, slot) = if meta.path.is_ident("value") {
                    ("value", &mut value)
                } else if meta.path.is_ident("title") {
                    ("title", &mut title)
                } else {
                    return Err(
                        meta.error("unknown option: a choice takes `value = \"..\"`, `title = \"..\"`")
                    );
                };
                let twice = || meta.error(format!("`{name}` stands here twice"));
                slot.replace(text(name, &meta)?).map_or(Ok(()), |_| Err(twice()))
            })?;
        }
        let name = variant.ident.unraw().to_string();
        let renamed = || rename.map_or_else(|| name.clone(), |rename| rename.apply(&name));
        let value = value.unwrap_or_else(|| LitStr::new(&renamed(), variant.ident.span()));
        Ok(Self { ident: variant.ident.clone(), value, title })
    }

    fn option(&self) -> TokenStream {
        let value = &self.value;
        let plain = || quote!(::mcp_server::ChoiceOption::new(#value));
        let titled = |title| quote!(::mcp_server::ChoiceOption::titled(#value, #title));
        self.title.as_ref().map_or_else(plain, titled)
    }
}

fn text(name: &str, meta: &ParseNestedMeta<'_>) -> Result<LitStr> {
    let wrong = |error: Error| Error::new(error.span(), format!("write `{name} = \"..\"`"));
    meta.value().map_err(wrong)?.parse().map_err(wrong)
}

fn choice(ident: &Ident, offers: &[Offer]) -> TokenStream {
    let options = offers.iter().map(Offer::option);
    let (idents, values): (Vec<_>, Vec<_>) = offers.iter().map(|offer| (&offer.ident, &offer.value)).unzip();
    let from_value = quote! {
        match __value {
            #(#values => ::core::option::Option::Some(Self::#idents),)*
            _ => ::core::option::Option::None,
        }
    };
    let value = quote! {
        match self {
            #(Self::#idents => #values,)*
        }
    };
    implementation(ident, &quote!(const { &[#(#options),*] }), &from_value, &value)
}

fn implementation(
    ident: &Ident,
    options: &TokenStream,
    from_value: &TokenStream,
    value: &TokenStream,
) -> TokenStream {
    quote! {
        #[automatically_derived]
        impl ::mcp_server::Choice for #ident {
            fn options() -> &'static [::mcp_server::ChoiceOption] {
                #options
            }

            fn from_value(__value: &str) -> ::core::option::Option<Self> {
                #from_value
            }

            fn value(&self) -> &'static str {
                #value
            }
        }
    }
}
