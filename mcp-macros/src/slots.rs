//! Where a tool's arguments are put as they are read: one slot for each that the client sends.

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::Ident;

use crate::argument::Argument;
use crate::emit::at;
use crate::function::Function;

/// `struct __Slots` with a field for each argument, filled by the name on the wire.
pub(crate) fn slots(function: &Function) -> TokenStream {
    let sent: Vec<&Argument> = function.sent().collect();
    let fields = fields(sent.len());
    let types = sent.iter().map(|argument| &argument.ty);
    let names = sent.iter().map(|argument| &argument.name);
    let indexes = 0..sent.len();
    let fills = sent.iter().zip(&fields).map(|(Argument { ty, name, .. }, field)| {
        quote_spanned!(at(ty)=> ::mcp_server::__private::fill::<#ty, __A>(&mut self.#field, #name, map))
    });
    quote! {
        struct __Slots {
            #(#fields: ::core::option::Option<#types>,)*
        }

        impl ::core::default::Default for __Slots {
            fn default() -> Self {
                Self { #(#fields: ::core::option::Option::None,)* }
            }
        }

        impl ::mcp_server::__private::Slots for __Slots {
            const NAMES: &'static [&'static str] = &[#(#names),*];

            fn read<'de, __A: ::mcp_server::__private::MapAccess<'de>>(
                &mut self,
                index: usize,
                map: &mut __A,
            ) -> ::core::result::Result<(), __A::Error> {
                match index {
                    #(#indexes => #fills,)*
                    _ => ::core::result::Result::Ok(()),
                }
            }
        }
    }
}

/// `fn __read`, which makes the arguments of what the slots hold, and the functions that make their defaults.
pub(crate) fn reader(function: &Function) -> TokenStream {
    let sent: Vec<&Argument> = function.sent().collect();
    let types = sent.iter().map(|argument| &argument.ty);
    let numbered = sent.iter().zip(fields(sent.len())).enumerate();
    let given = numbered.map(|(index, (argument, field))| given(argument, &field, index));
    let defaults = sent.iter().enumerate().filter_map(|(index, argument)| {
        let (name, ty, default) = (default_name(index), &argument.ty, argument.default_value()?);
        Some(quote!(fn #name() -> #ty { #default }))
    });
    quote! {
        #(#defaults)*

        #[allow(clippy::unnecessary_wraps)]
        fn __read(
            arguments: &::mcp_server::protocol::Json,
        ) -> ::core::result::Result<(#(#types,)*), ::std::string::String> {
            let slots = ::mcp_server::__private::read::<__Slots>(arguments)?;
            ::core::result::Result::Ok((#(#given,)*))
        }
    }
}

/// The function that makes the default of the argument sent as number `index`.
pub(crate) fn default_name(index: usize) -> Ident {
    format_ident!("__default_{index}")
}

fn fields(count: usize) -> Vec<Ident> {
    (0..count).map(|index| format_ident!("slot_{index}")).collect()
}

fn given(argument: &Argument, field: &Ident, index: usize) -> TokenStream {
    let Argument { ty, name, .. } = argument;
    if argument.default.is_some() {
        let default = default_name(index);
        return quote!(slots.#field.unwrap_or_else(#default));
    }
    quote_spanned!(at(ty)=> ::mcp_server::__private::given::<#ty>(slots.#field, #name)?)
}
