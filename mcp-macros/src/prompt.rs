//! `#[prompt]`.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::Result;

use crate::argument::Argument;
use crate::asked;
use crate::emit::{self, at};
use crate::function::Function;
use crate::options::{Kind, Options};

pub(crate) fn expand(options: TokenStream, item: TokenStream) -> Result<TokenStream> {
    let options = Options::parse(Kind::Prompt, options)?;
    let function = Function::parse(Kind::Prompt, item)?;
    options.check_asking(&function)?;
    let name = options.name.as_ref().map_or_else(|| function.name(), syn::LitStr::value);
    let declared = declared(&function);
    let handler = handler(&function);
    let conversion = emit::conversion(&function, "prompt");
    let completions = emit::completions(&function);
    let requirements = emit::requirements(&function);
    let calls = options.calls(options.description(function.description()).as_ref());
    let body = quote! {
        use ::mcp_server::__private::levels::PromptAny as _;
        #conversion
        ::mcp_server::Prompt::new(#name, [#(#declared),*], #handler) #completions #requirements #calls
    };
    Ok(emit::component(&function, &quote!(Prompt), &body))
}

fn declared(function: &Function) -> Vec<TokenStream> {
    let argument = |argument: &Argument| {
        let Argument { ty, name, .. } = argument;
        let description = argument.description_or_none();
        let has_default = argument.default.is_some();
        quote_spanned! {at(ty)=>
            ::mcp_server::__private::prompt_argument::<#ty>(#name, #description, #has_default)
        }
    };
    function.sent().map(argument).collect()
}

fn handler(function: &Function) -> TokenStream {
    let values = emit::values(function);
    let parsed = emit::text_values(function, &values, &quote!(__arguments));
    let questions = asked::questions(function, &values, &refuse());
    let injections = emit::injections(function, &values);
    let convert = quote_spanned!(at(&function.output)=> __kind.prompt_result(__value));
    let run = emit::run(function, &values, &convert, &refuse());
    let future = emit::future(
        function,
        &quote! {
            #parsed
            #questions
            #injections
            ::core::mem::drop(__context);
            #run
        },
    );
    quote!(move |__context: ::mcp_server::Context, __arguments: ::mcp_server::TextArguments| #future)
}

/// What becomes of an error, and of a question that was not answered.
fn refuse() -> TokenStream {
    quote!(::core::result::Result::Err(__ending.into_failure()))
}
