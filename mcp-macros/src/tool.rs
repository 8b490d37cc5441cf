//! `#[tool]`.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::{Error, Ident, Result};

use crate::argument::Argument;
use crate::asked;
use crate::emit::{self, at};
use crate::function::Function;
use crate::options::{Kind, Options};
use crate::slots;

pub(crate) fn expand(options: TokenStream, item: TokenStream) -> Result<TokenStream> {
    let options = Options::parse(Kind::Tool, options)?;
    let function = Function::parse(Kind::Tool, item)?;
    options.check_asking(&function)?;
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
    let (slots, reader) = (slots::slots(function), slots::reader(function));
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
        #reader
        #conversion
        ::mcp_server::__private::typed(::mcp_server::Tool::new(#name, #schema, #handler) #output) #requirements #calls
    }
}

fn schema_of_output(function: &Function) -> TokenStream {
    quote_spanned!(at(&function.output)=> .output_schema(__kind.schema()))
}

fn schema(function: &Function) -> TokenStream {
    let arguments = function.sent().enumerate().map(|(index, argument)| {
        let Argument { ty, name, header, .. } = argument;
        let description = argument.description_or_none();
        let default = if argument.default.is_some() {
            let default = slots::default_name(index);
            quote!({
                #[allow(unused_imports)]
                use ::mcp_server::__private::{HideDefault as _, ShowDefault as _};
                ::core::option::Option::Some((&&::mcp_server::__private::Shown(&#default())).shown())
            })
        } else {
            quote!(::core::option::Option::None)
        };
        match header {
            None => quote_spanned!(at(ty)=> .argument::<#ty>(#name, #description, #default)),
            Some(header) => {
                quote_spanned!(at(ty)=> .mirrored_argument::<#ty>(#name, #description, #default, #header))
            }
        }
    });
    quote!(::mcp_server::__private::InputSchema::new() #(#arguments)* .finish())
}

fn handler(function: &Function, values: &[Ident]) -> TokenStream {
    let sent = function.arguments.iter().zip(values).filter(|(argument, _)| argument.is_sent());
    let sent: Vec<_> = sent.map(|(_, value)| value).collect();
    let refuse = quote!(__ending.into_tool());
    let questions = asked::questions(function, values, &refuse);
    let injections = emit::injections(function, values);
    let convert = quote_spanned!(at(&function.output)=> __kind.tool_result(__value));
    let run = emit::run(function, values, &convert, &refuse);
    let future = emit::future(
        function,
        &quote! {
            let (#(#sent,)*) = match __read(&__arguments) {
                ::core::result::Result::Ok(__read) => __read,
                ::core::result::Result::Err(__wrong) => {
                    return ::core::result::Result::Ok(::mcp_server::__private::bad_arguments(&__wrong));
                }
            };
            ::core::mem::drop(__arguments);
            #questions
            #injections
            ::core::mem::drop(__context);
            #run
        },
    );
    quote!(move |__context: ::mcp_server::Context, __arguments: ::mcp_server::protocol::Json| #future)
}
