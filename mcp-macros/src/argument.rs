//! One argument of the function: sent by the client, given by the server, or asked of the person.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::ext::IdentExt as _;
use syn::spanned::Spanned as _;
use syn::visit::Visit;
use syn::{Attribute, Error, Expr, ExprLit, Ident, Lit, LitStr, Pat, PatType, Result, Type};

use crate::asked::{self, Message};
use crate::docs;
use crate::emit::at;
use crate::header;
use crate::options::Kind;

/// One argument of the function.
pub(crate) struct Argument {
    pub(crate) ident: Ident,
    pub(crate) ty: Type,
    /// The name on the wire, and where to point when it is wrong.
    pub(crate) name: LitStr,
    pub(crate) description: Option<TokenStream>,
    pub(crate) default: Option<Expr>,
    /// What completes it: a function or a list.
    pub(crate) complete: Option<Expr>,
    /// The HTTP header that clients repeat it in.
    pub(crate) header: Option<LitStr>,
    pub(crate) source: Source,
}

/// Where the value of an argument comes from.
pub(crate) enum Source {
    /// The client sends it.
    Client,
    /// The server gives it.
    Server,
    /// The person is asked for it, before the function runs.
    Person(Message),
}

/// What stands in `#[arg(..)]`.
#[derive(Default)]
struct Options {
    default: Option<Expr>,
    rename: Option<LitStr>,
    description: Option<LitStr>,
    complete: Option<Expr>,
    header: Option<LitStr>,
    ask: Option<LitStr>,
    inject: bool,
}

const KNOWN: &str = "`default = expression`, `rename = \"name\"`, `description = \"text\"`, `complete = function`, `header = \"Name\"`, \
     `ask = \"question\"`, `inject`";

impl Argument {
    /// Reads one argument, and takes from it the attributes that are ours.
    pub(crate) fn parse(kind: Kind, argument: &mut PatType) -> Result<Self> {
        let ident = name_of(&argument.pat)?;
        let options = options(&argument.attrs)?;
        let described = docs::description(&argument.attrs);
        let ty = (*argument.ty).clone();
        refuse_borrowed(&ty)?;
        let source = if asked::is_asked(&ty)? || options.ask.is_some() {
            refuse_options(
                &options,
                &ident,
                "is asked of the person, not sent by the client: keep `ask` alone",
            )?;
            Source::Person(Message::read(&ident, options.ask.as_ref(), &argument.attrs)?)
        } else if options.inject || is_given_by_the_server(&ty) {
            refuse_options(
                &options,
                &ident,
                "is given by the server, not sent by the client: remove its other options",
            )?;
            Source::Server
        } else {
            Source::Client
        };
        argument.attrs.retain(|attribute| !is_ours(attribute));
        if let Some(header) = &options.header {
            refuse_header_elsewhere(kind, header)?;
            header::check(header, &ty)?;
        }
        let wire = ident.unraw().to_string();
        Ok(Self {
            ty,
            name: options.rename.unwrap_or_else(|| LitStr::new(&wire, ident.span())),
            description: options.description.map(|text| quote!(#text)).or(described),
            default: options.default,
            complete: options.complete,
            header: options.header,
            ident,
            source,
        })
    }

    /// Whether the client sends it.
    pub(crate) const fn is_sent(&self) -> bool {
        matches!(self.source, Source::Client)
    }

    /// Whether the server gives it.
    pub(crate) const fn is_given(&self) -> bool {
        matches!(self.source, Source::Server)
    }

    /// The default as an expression of the argument's type. Text becomes whatever is made from it.
    pub(crate) fn default_value(&self) -> Option<TokenStream> {
        let ty = &self.ty;
        let default = self.default.as_ref()?;
        if let Expr::Lit(ExprLit { lit: Lit::Str(_), .. }) = default {
            return Some(
                quote_spanned!(at(default)=> ::mcp_server::__private::text_default::<#ty>(#default)),
            );
        }
        Some(quote!(#default))
    }

    /// Whether it is visibly optional: a default, or an `Option`.
    pub(crate) fn is_optional(&self) -> bool {
        self.default.is_some() || last_segment(&self.ty).is_some_and(|segment| segment == "Option")
    }

    /// The description as `Option<&'static str>`.
    pub(crate) fn description_or_none(&self) -> TokenStream {
        let none = || quote!(::core::option::Option::None);
        self.description.as_ref().map_or_else(none, |text| quote!(::core::option::Option::Some(#text)))
    }
}

fn name_of(pattern: &Pat) -> Result<Ident> {
    match pattern {
        Pat::Ident(name) if name.by_ref.is_none() && name.subpat.is_none() => Ok(name.ident.clone()),
        other => Err(Error::new(
            other.span(),
            "an argument needs a plain name that clients can send: write `name: Type`, and take it apart in the body",
        )),
    }
}

fn is_ours(attribute: &Attribute) -> bool {
    attribute.path().is_ident("arg") || attribute.path().is_ident("doc")
}

fn options(attributes: &[Attribute]) -> Result<Options> {
    let mut options = Options::default();
    for attribute in attributes {
        if attribute.path().is_ident("cfg") {
            return Err(Error::new(
                attribute.span(),
                "an argument cannot depend on `cfg`: write two functions",
            ));
        }
        if attribute.path().is_ident("arg") {
            attribute.parse_nested_meta(|meta| options.take(&meta))?;
        }
    }
    Ok(options)
}

impl Options {
    fn take(&mut self, meta: &syn::meta::ParseNestedMeta<'_>) -> Result<()> {
        let twice = || meta.error("this stands here twice");
        if meta.path.is_ident("default") {
            let value = if meta.input.peek(syn::Token![=]) {
                meta.value()?.parse()?
            } else {
                syn::parse_quote!(::core::default::Default::default())
            };
            return self.default.replace(value).map_or(Ok(()), |_| Err(twice()));
        }
        if meta.path.is_ident("rename") {
            return self.rename.replace(meta.value()?.parse()?).map_or(Ok(()), |_| Err(twice()));
        }
        if meta.path.is_ident("description") {
            return self.description.replace(meta.value()?.parse()?).map_or(Ok(()), |_| Err(twice()));
        }
        if meta.path.is_ident("complete") {
            let value = checked_completer(meta.value()?.parse()?)?;
            return self.complete.replace(value).map_or(Ok(()), |_| Err(twice()));
        }
        if meta.path.is_ident("header") {
            let wrong = |error: Error| Error::new(error.span(), "write `header = \"Name\"`");
            let header = meta.value().and_then(syn::parse::ParseBuffer::parse).map_err(wrong)?;
            return self.header.replace(header).map_or(Ok(()), |_| Err(twice()));
        }
        if meta.path.is_ident("ask") {
            let wrong = |error: Error| Error::new(error.span(), "write `ask = \"What is asked?\"`");
            let question = meta.value().and_then(syn::parse::ParseBuffer::parse).map_err(wrong)?;
            return self.ask.replace(question).map_or(Ok(()), |_| Err(twice()));
        }
        if meta.path.is_ident("inject") {
            self.inject = true;
            return Ok(());
        }
        Err(meta.error(format!("unknown option: an argument takes {KNOWN}")))
    }
}

/// What is written so that the compiler's own words would not help.
fn checked_completer(value: Expr) -> Result<Expr> {
    let wrong = match &value {
        Expr::Lit(_) => {
            "write a function or a list: `complete = languages`, `complete = [\"python\", \"rust\"]`"
        }
        Expr::Array(list) if list.elems.is_empty() => "an empty list completes nothing: remove `complete`",
        _ => return Ok(value),
    };
    Err(Error::new(value.span(), wrong))
}

/// Options of what the client sends, on what it does not send.
fn refuse_options(options: &Options, name: &Ident, instead: &str) -> Result<()> {
    let Options { default, rename, description, complete, header, ask, inject } = options;
    let texts = [rename, description, header];
    let both = ask.is_some() && *inject;
    if default.is_none() && complete.is_none() && texts.iter().all(|text| text.is_none()) && !both {
        return Ok(());
    }
    Err(Error::new(name.span(), format!("`{name}` {instead}")))
}

fn refuse_header_elsewhere(kind: Kind, header: &LitStr) -> Result<()> {
    if kind == Kind::Tool {
        return Ok(());
    }
    let message = format!("clients repeat the arguments of tools alone: remove `header` from this {kind}");
    Err(Error::new(header.span(), message))
}

/// `Context` and `State<T>`, under whatever path.
fn is_given_by_the_server(ty: &Type) -> bool {
    last_segment(ty).is_some_and(|segment| segment == "Context" || segment == "State")
}

pub(crate) fn last_segment(ty: &Type) -> Option<&Ident> {
    match ty {
        Type::Path(path) => path.path.segments.last().map(|segment| &segment.ident),
        Type::Group(group) => last_segment(&group.elem),
        Type::Paren(inner) => last_segment(&inner.elem),
        _ => None,
    }
}

fn refuse_borrowed(ty: &Type) -> Result<()> {
    let mut borrowed = Borrowed(None);
    borrowed.visit_type(ty);
    borrowed.0.map_or(Ok(()), Err)
}

/// Looks for what cannot be owned.
struct Borrowed(Option<Error>);

impl<'ast> Visit<'ast> for Borrowed {
    fn visit_type_reference(&mut self, reference: &'ast syn::TypeReference) {
        let instead = match &*reference.elem {
            Type::Path(path) if path.path.is_ident("str") => "`String`".to_owned(),
            Type::Slice(slice) => {
                let element = &slice.elem;
                format!("`Vec<{}>`", quote!(#element))
            }
            inner if is_given_by_the_server(inner) => {
                format!("`{}`, which is cheap to clone", quote!(#inner))
            }
            inner => format!("`{}`", quote!(#inner)),
        };
        self.refuse(reference.span(), &format!("an argument must be owned: write {instead}"));
    }

    fn visit_lifetime(&mut self, lifetime: &'ast syn::Lifetime) {
        if lifetime.ident != "static" {
            self.refuse(lifetime.span(), "an argument must be owned: write a type without lifetimes");
        }
    }

    fn visit_type_impl_trait(&mut self, ty: &'ast syn::TypeImplTrait) {
        self.refuse(ty.span(), "the schema needs the type: write it instead of `impl Trait`");
    }

    fn visit_type_infer(&mut self, ty: &'ast syn::TypeInfer) {
        self.refuse(ty.span(), "the schema needs the type: write it instead of `_`");
    }
}

impl Borrowed {
    fn refuse(&mut self, span: proc_macro2::Span, message: &str) {
        if self.0.is_none() {
            self.0 = Some(Error::new(span, message));
        }
    }
}
