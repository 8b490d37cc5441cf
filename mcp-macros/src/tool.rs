//! `#[tool]`.

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::{Error, Ident, Result};

use crate::argument::Argument;
use crate::emit::{self, at};
use crate::function::Function;
use crate::options::{Kind, Options};

pub(crate) fn expand(options: TokenStream, item: TokenStream) -> Result<TokenStream> {
    let options = Options::parse(Kind::Tool, options)?;
    let function = Function::parse(Kind::Tool, item)?;
    if options.name.is_none() && !function.name().is_ascii() {
        let message =
            "a tool's name is of ASCII letters, digits, `_`, `-` and `.`: write `#[tool(name = \"..\")]`";
        return Err(Error::new(function.ident().span(), message));
    }
    let body = body(&options, &function);
    Ok(emit::component(&function, &quote!(Tool), &body))
}

fn body(options: &Options, function: &Function) -> TokenStream {
    let values = emit::values(function);
    let slots = slots(function);
    let schema = schema(function);
    let conversion = emit::conversion(function, "tool");
    let output = options.output_schema.then(|| schema_of_output(function));
    let handler = handler(function, &values);
    let requirements = emit::requirements(function);
    let calls = options.calls(options.description(function.description()).as_ref());
    let name = options.name.as_ref().map_or_else(|| function.name(), syn::LitStr::value);
    quote! {
        #[allow(unused_imports)]
        use ::mcp_server::__private::levels::{
            ToolDescribed as _, ToolExplicit as _, ToolUndescribed as _, ToolUnknown as _,
        };
        #slots
        #conversion
        ::mcp_server::__private::typed(::mcp_server::Tool::new(#name, #schema, #handler)) #output #requirements #calls
    }
}

fn schema_of_output(function: &Function) -> TokenStream {
    quote_spanned!(at(&function.output)=> .output_schema(__kind.schema()))
}

/// One slot for each argument that the client sends, and the function that reads them.
fn slots(function: &Function) -> TokenStream {
    let sent: Vec<&Argument> = function.sent().collect();
    let fields: Vec<Ident> = (0..sent.len()).map(|index| format_ident!("slot_{index}")).collect();
    let types: Vec<_> = sent.iter().map(|argument| &argument.ty).collect();
    let names: Vec<_> = sent.iter().map(|argument| &argument.name).collect();
    let indexes = 0..sent.len();
    let given =
        sent.iter().zip(&fields).enumerate().map(|(index, (argument, field))| given(argument, field, index));
    let defaults = sent.iter().enumerate().filter_map(|(index, argument)| {
        let (name, ty, default) = (default_name(index), &argument.ty, argument.default_value()?);
        Some(quote!(fn #name() -> #ty { #default }))
    });
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
fn default_name(index: usize) -> Ident {
    format_ident!("__default_{index}")
}

fn given(argument: &Argument, field: &Ident, index: usize) -> TokenStream {
    let Argument { ty, name, .. } = argument;
    if argument.default.is_some() {
        let default = default_name(index);
        return quote!(slots.#field.unwrap_or_else(#default));
    }
    quote_spanned!(at(ty)=> ::mcp_server::__private::given::<#ty>(slots.#field, #name)?)
}

fn schema(function: &Function) -> TokenStream {
    let arguments = function.sent().enumerate().map(|(index, argument)| {
        let Argument { ty, name, .. } = argument;
        let description = argument.description_or_none();
        let default = if argument.default.is_some() {
            let default = default_name(index);
            quote!({
                #[allow(unused_imports)]
                use ::mcp_server::__private::{HideDefault as _, ShowDefault as _};
                ::core::option::Option::Some((&&::mcp_server::__private::Shown(&#default())).shown())
            })
        } else {
            quote!(::core::option::Option::None)
        };
        quote_spanned!(at(ty)=> .argument::<#ty>(#name, #description, #default))
    });
    quote!(::mcp_server::__private::InputSchema::new() #(#arguments)* .finish())
}

fn handler(function: &Function, values: &[Ident]) -> TokenStream {
    let sent = function.arguments.iter().zip(values).filter(|(argument, _)| !argument.injected);
    let sent: Vec<_> = sent.map(|(_, value)| value).collect();
    let injections = emit::injections(function, values);
    let convert = quote_spanned!(at(&function.output)=> __kind.tool_result(__value));
    let run = emit::run(function, values, &convert, &quote!(__ending.into_tool()));
    quote! {
        move |__context: ::mcp_server::Context, __arguments: ::mcp_server::protocol::Json| async move {
            let (#(#sent,)*) = match __read(&__arguments) {
                ::core::result::Result::Ok(__read) => __read,
                ::core::result::Result::Err(__wrong) => {
                    return ::core::result::Result::Ok(::mcp_server::__private::bad_arguments(&__wrong));
                }
            };
            ::core::mem::drop(__arguments);
            #injections
            ::core::mem::drop(__context);
            #run
        }
    }
}
