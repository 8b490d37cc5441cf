//! `#[resource]`.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::{Error, Ident, Result};

use crate::asked;
use crate::emit::{self, at};
use crate::function::Function;
use crate::options::{Kind, Options};
use crate::template;

pub(crate) fn expand(options: TokenStream, item: TokenStream) -> Result<TokenStream> {
    let options = Options::parse(Kind::Resource, options)?;
    let function = Function::parse(Kind::Resource, item)?;
    options.check_asking(&function)?;
    let Some(uri) = &options.uri else {
        return Err(Error::new(function.ident().span(), "a resource needs its URI"));
    };
    let parameters = template::parameters(uri)?;
    template::check(uri, &parameters, &function)?;
    let name = options.name.as_ref().map_or_else(|| function.name(), syn::LitStr::value);
    let handler = handler(&function, !parameters.is_empty());
    let (component, made) = if parameters.is_empty() {
        (quote!(Resource), quote!(::mcp_server::Resource::new(#uri, #handler)))
    } else {
        (quote!(ResourceTemplate), quote!(::mcp_server::__private::template(#uri, #handler)))
    };
    let conversion = emit::conversion(&function, "resource");
    let completions = emit::completions(&function); // none of a plain resource: it has no arguments
    let requirements = emit::requirements(&function);
    let calls = options.calls(options.description(function.description()).as_ref());
    let body = quote! {
        #[allow(unused_imports)]
        use ::mcp_server::__private::levels::{
            ResourceExplicit as _, ResourceJson as _, ResourcePerhaps as _, ResourceUnknown as _,
        };
        #conversion
        #made.named(#name) #completions #requirements #calls
    };
    Ok(emit::component(&function, &component, &body))
}

fn handler(function: &Function, is_template: bool) -> TokenStream {
    let values = emit::values(function);
    let parsed = emit::text_values(function, &values, &quote!(__parameters));
    let parameters = is_template.then(|| quote!(, __parameters: ::mcp_server::Parameters));
    let questions = asked::questions(function, &values, &refuse());
    let injections = emit::injections(function, &values);
    let run = run(function, &values);
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
    quote!(move |__context: ::mcp_server::Context, __reading: ::mcp_server::Reading #parameters| #future)
}

fn run(function: &Function, values: &[Ident]) -> TokenStream {
    let convert = quote_spanned!(at(&function.output)=> __kind.read_result(__value, &__reading));
    emit::run(function, values, &convert, &refuse())
}

/// What becomes of an error, and of a question that was not answered.
fn refuse() -> TokenStream {
    quote!(::core::result::Result::Err(__ending.into_failure()))
}
