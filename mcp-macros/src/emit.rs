//! What the three attributes emit alike.

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Ident, ItemFn, Result};

use crate::argument::{Argument, Source};
use crate::function::Function;

/// The expansion, or the mistakes as compile errors.
///
/// Beside the mistakes stands a function of the same name, so that its uses are not reported as mistakes too.
pub(crate) fn answer(
    options: proc_macro::TokenStream,
    item: proc_macro::TokenStream,
    component: &str,
    expand: fn(TokenStream, TokenStream) -> Result<TokenStream>,
) -> proc_macro::TokenStream {
    let item = TokenStream::from(item);
    let expansion = expand(options.into(), item.clone());
    expansion
        .unwrap_or_else(|error| {
            let (errors, stand_in) = (error.into_compile_error(), stand_in(item, component));
            quote!(#errors #stand_in)
        })
        .into()
}

fn stand_in(item: TokenStream, component: &str) -> Option<TokenStream> {
    let ItemFn { vis, sig, .. } = syn::parse2(item).ok()?;
    let (name, component) = (sig.ident, format_ident!("{component}"));
    Some(quote! {
        #[allow(dead_code)]
        #vis fn #name() -> ::mcp_server::#component {
            ::core::unreachable!()
        }
    })
}

/// Where errors about `node` point to. It stays known as ours, so that lints leave it alone.
pub(crate) fn at(node: &impl Spanned) -> Span {
    node.span().resolved_at(Span::call_site())
}

/// The function without arguments that makes the component, and the type that holds the body as `call`.
///
/// A function does not stand in the way of variables of its name, as a unit struct or constant would; the type stands
/// in another namespace.
pub(crate) fn component(function: &Function, component: &TokenStream, body: &TokenStream) -> TokenStream {
    let (docs, cfgs) = function.shared_attributes();
    let (visibility, ident, call) = (function.visibility(), function.ident(), function.as_call());
    quote! {
        #(#cfgs)*
        #(#docs)*
        #[must_use]
        #visibility fn #ident() -> ::mcp_server::#component {
            #body
        }

        #(#cfgs)*
        #[doc(hidden)]
        #[allow(dead_code, non_camel_case_types, missing_debug_implementations)]
        #visibility enum #ident {}

        #(#cfgs)*
        #[allow(
            clippy::missing_errors_doc,
            clippy::must_use_candidate,
            clippy::needless_pass_by_value,
            clippy::too_many_arguments,
            clippy::unused_async
        )]
        impl #ident {
            #call
        }
    }
}

/// The future of the handler, placed at the function's name: what is wrong with it as a whole, such as that it cannot move
/// between threads, is said of that place.
pub(crate) fn future(function: &Function, body: &TokenStream) -> TokenStream {
    quote_spanned!(at(function.ident())=> async move { #body })
}

/// The names of the arguments' values in the expansion, where they meet no name of the user's.
pub(crate) fn values(function: &Function) -> Vec<Ident> {
    (0..function.arguments.len()).map(|index| format_ident!("__argument_{index}")).collect()
}

/// What the server gives: `let value = inject(&context)?;`, and a place on a thread to what is not `async`.
pub(crate) fn injections(function: &Function, values: &[Ident]) -> TokenStream {
    let given = function.arguments.iter().zip(values).filter(|(argument, _)| argument.is_given());
    let lines = given.map(|(Argument { ty, .. }, value)| {
        quote_spanned!(at(ty)=> let #value = <#ty as ::mcp_server::Inject>::inject(&__context)?;)
    });
    let place =
        (!function.is_async()).then(|| quote!(let __place = ::mcp_server::__private::place(&__context)?;));
    quote!(#(#lines)* #place)
}

/// What the server must be given, and what the client must be able to be asked, as calls on the component.
pub(crate) fn requirements(function: &Function) -> TokenStream {
    let calls = function.arguments.iter().map(|Argument { ty, source, .. }| match source {
        Source::Client => TokenStream::new(),
        Source::Server => quote_spanned!(at(ty)=> .needs(<#ty as ::mcp_server::Inject>::requirement())),
        Source::Person(_) => {
            quote_spanned!(at(ty)=> .asks::<<#ty as ::mcp_server::__private::Answered>::Form>())
        }
    });
    quote!(#(#calls)*)
}

/// What completes the arguments, as calls on the component: what was asked for, or the type where it has few values.
pub(crate) fn completions(function: &Function) -> TokenStream {
    let calls = function.sent().map(completion);
    quote!(#(#calls)*)
}

fn completion(Argument { ty, name, complete, .. }: &Argument) -> TokenStream {
    let Some(complete) = complete else {
        return quote_spanned!(at(ty)=> .completed(#name, ::mcp_server::__private::by_type::<#ty>()));
    };
    quote_spanned! {at(complete)=>
        .completed(#name, ::core::option::Option::Some(::mcp_server::__private::completer(#complete)))
    }
}

/// Runs the body and makes the component's result of what it returns. `convert` turns a value into a result, `refuse`
/// an error's ending.
pub(crate) fn run(
    function: &Function,
    values: &[Ident],
    convert: &TokenStream,
    refuse: &TokenStream,
) -> TokenStream {
    let ident = function.ident();
    let divided = quote_spanned!(at(&function.output)=> __split.divide(__returned));
    let finished = quote! {
        match #divided {
            ::core::result::Result::Ok(__value) => #convert,
            ::core::result::Result::Err(__ending) => #refuse,
        }
    };
    if function.is_async() {
        quote! {
            let __returned = #ident::call(#(#values),*).await;
            #finished
        }
    } else {
        quote! {
            ::mcp_server::__private::blocking(__place, move || {
                let __returned = #ident::call(#(#values),*);
                #finished
            })
            .await
        }
    }
}

/// `let __split` and `let __kind`: how the returned type is taken apart and what becomes of a value of success.
pub(crate) fn conversion(function: &Function, of: &str) -> TokenStream {
    let output = &function.output;
    let (of_kind, kind) = (format_ident!("of_{of}"), format_ident!("{of}"));
    quote! {
        #[allow(unused_imports)]
        use ::mcp_server::__private::levels::{
            SplitFault as _, SplitLocal as _, SplitPlain as _, SplitReport as _, SplitShown as _, SplitUntold as _,
        };
        let __split = (&&&&&&::mcp_server::__private::Returned::<#output>::NEW).split();
        let __kind = (&&&&__split.#of_kind()).#kind();
    }
}

/// Values that are text on the wire: `let value = from.parse(name)?;`.
pub(crate) fn text_values(function: &Function, values: &[Ident], from: &TokenStream) -> TokenStream {
    let sent = function.arguments.iter().zip(values).filter(|(argument, _)| argument.is_sent());
    let lines = sent.map(|(argument, value)| {
        let Argument { ty, name, .. } = argument;
        match argument.default_value() {
            None => quote_spanned! {at(ty)=>
                let #value: #ty = ::mcp_server::__private::text::<#ty>(&#from, #name)?;
            },
            Some(default) => quote_spanned! {at(ty)=>
                let #value: #ty = ::mcp_server::__private::text_if_given::<#ty>(&#from, #name)?
                    .unwrap_or_else(|| #default);
            },
        }
    });
    quote!(#(#lines)*)
}
