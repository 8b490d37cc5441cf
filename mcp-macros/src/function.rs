//! The function under the attribute, checked and taken apart.

use proc_macro2::TokenStream;
use quote::quote;
use syn::ext::IdentExt as _;
use syn::spanned::Spanned as _;
use syn::{
    Attribute, Error, FnArg, GenericParam, Ident, ItemFn, Result, ReturnType, Safety, Signature, Type,
    Visibility,
};

use crate::argument::Argument;
use crate::asked;
use crate::docs;
use crate::header;
use crate::options::Kind;

/// The function under the attribute.
pub(crate) struct Function {
    pub(crate) arguments: Vec<Argument>,
    pub(crate) output: Type,
    /// The function itself, without our attributes on its arguments.
    item: ItemFn,
}

impl Function {
    /// Reads the function; every mistake that can be found is reported, not only the first.
    pub(crate) fn parse(kind: Kind, item: TokenStream) -> Result<Self> {
        let mut item: ItemFn = syn::parse2(item).map_err(|error| not_a_function(kind, &error))?;
        let mut mistakes = Mistakes::default();
        mistakes.take(check_signature(kind, &item.sig));
        let output = mistakes.take(output(&item.sig.output));
        let mut arguments = Vec::new();
        for input in &mut item.sig.inputs {
            arguments.extend(mistakes.take(argument(kind, input)));
        }
        mistakes.take(check_names(&arguments));
        mistakes.take(asked::check(&arguments));
        mistakes.take(header::check_apart(arguments.iter().filter_map(|argument| argument.header.as_ref())));
        let output = mistakes.finish(output)?;
        Ok(Self { arguments, output, item })
    }

    /// The function's name.
    pub(crate) fn ident(&self) -> &Ident {
        &self.item.sig.ident
    }

    /// The name on the wire, unless an option says otherwise.
    pub(crate) fn name(&self) -> String {
        self.item.sig.ident.unraw().to_string()
    }

    pub(crate) fn visibility(&self) -> &Visibility {
        &self.item.vis
    }

    pub(crate) fn is_async(&self) -> bool {
        self.item.sig.asyncness.is_some()
    }

    /// The doc comment as an expression.
    pub(crate) fn description(&self) -> Option<TokenStream> {
        docs::description(&self.item.attrs)
    }

    /// The doc comments and `cfg`s, which everything that is made of the function carries.
    pub(crate) fn shared_attributes(&self) -> (Vec<&Attribute>, Vec<&Attribute>) {
        let named = |name: &'static str| {
            self.item.attrs.iter().filter(move |attribute| attribute.path().is_ident(name)).collect()
        };
        (named("doc"), named("cfg"))
    }

    /// The function under the name `call`, with the attributes that are its own.
    pub(crate) fn as_call(&self) -> TokenStream {
        let ItemFn { attrs, vis, sig, block, modifiers } = &self.item;
        let defaultness = &modifiers.defaultness; // rustc says what is wrong with it
        let own = attrs.iter().filter(|attribute| !attribute.path().is_ident("cfg"));
        let mut sig = sig.clone();
        sig.ident = Ident::new("call", sig.ident.span());
        quote!(#(#own)* #vis #defaultness #sig #block)
    }

    /// The arguments that the client sends.
    pub(crate) fn sent(&self) -> impl Iterator<Item = &Argument> {
        self.arguments.iter().filter(|argument| argument.is_sent())
    }
}

/// The mistakes found so far.
#[derive(Default)]
struct Mistakes(Option<Error>);

impl Mistakes {
    fn take<T>(&mut self, result: Result<T>) -> Option<T> {
        result
            .map_err(|error| match &mut self.0 {
                Some(first) => first.combine(error),
                none => *none = Some(error),
            })
            .ok()
    }

    fn finish<T>(self, value: Option<T>) -> Result<T> {
        match (self.0, value) {
            (None, Some(value)) => Ok(value),
            (Some(error), _) => Err(error),
            (None, None) => Err(Error::new(proc_macro2::Span::call_site(), "the function cannot be read")),
        }
    }
}

fn not_a_function(kind: Kind, error: &Error) -> Error {
    let message = format!(
        "`#[{kind}]` stands above a free function with a body, `async fn name(argument: Type) -> Type {{ .. }}`: {error}"
    );
    Error::new(error.span(), message)
}

fn argument(kind: Kind, input: &mut FnArg) -> Result<Argument> {
    match input {
        FnArg::Typed(argument) => {
            let argument = Argument::parse(kind, argument)?;
            match &argument.complete {
                Some(complete) if kind == Kind::Tool => Err(Error::new(
                    complete.span(),
                    "arguments of tools are not completed, only those of prompts and resource templates: remove `complete`",
                )),
                _ => Ok(argument),
            }
        }
        FnArg::Receiver(receiver) => Err(Error::new(
            receiver.span(),
            format!(
                "a {kind} has no `self`: move the function out of the `impl`, and take shared values as `State<T>`"
            ),
        )),
    }
}

fn check_signature(kind: Kind, signature: &Signature) -> Result<()> {
    let refuse = |span, message: String| Err(Error::new(span, message));
    if let Some(parameter) = signature.generics.params.first() {
        return refuse(
            parameter.span(),
            match parameter {
                GenericParam::Lifetime(_) => {
                    format!("a {kind} owns its arguments: remove the lifetime, write `String` for `&str`")
                }
                _ => format!("a {kind} cannot be generic, its schema needs the types: write them"),
            },
        );
    }
    if let Some(clause) = &signature.generics.where_clause {
        return refuse(clause.span(), format!("a {kind} cannot be generic: remove the `where` clause"));
    }
    if let Some(token) = &signature.constness {
        return refuse(token.span(), format!("a {kind} is not evaluated at compile time: remove `const`"));
    }
    if let Safety::Unsafe(token) = &signature.safety {
        return refuse(
            token.span(),
            format!("clients cannot uphold what an `unsafe` {kind} demands: remove `unsafe`"),
        );
    }
    if let Some(token) = &signature.abi {
        return refuse(token.span(), format!("a {kind} is called from Rust: remove `extern`"));
    }
    if let Some(token) = &signature.variadic {
        return refuse(token.span(), "each argument needs a name: take a `Vec` instead of `...`".to_owned());
    }
    Ok(())
}

fn check_names(arguments: &[Argument]) -> Result<()> {
    let sent: Vec<_> = arguments.iter().filter(|argument| argument.is_sent()).collect();
    for (index, argument) in sent.iter().enumerate() {
        let name = argument.name.value();
        if sent.iter().take(index).any(|earlier| earlier.name.value() == name) {
            let message = format!("two arguments are called `{name}` on the wire: rename one");
            return Err(Error::new(argument.name.span(), message));
        }
    }
    Ok(())
}

fn output(output: &ReturnType) -> Result<Type> {
    let ReturnType::Type(_, ty) = output else { return Ok(syn::parse_quote!(())) };
    if let Type::ImplTrait(_) = &**ty {
        return Err(Error::new(ty.span(), "the schema needs the type: write it instead of `impl Trait`"));
    }
    Ok((**ty).clone())
}
