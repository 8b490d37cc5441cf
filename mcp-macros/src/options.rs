//! What stands in the parentheses of `#[tool(..)]`, `#[resource(..)]` and `#[prompt(..)]`.

use std::fmt;

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::parse::{Parse as _, ParseStream, Parser as _};
use syn::punctuated::Punctuated;
use syn::{Error, Expr, Ident, LitBool, LitStr, Result, Token};

use crate::asked;
use crate::function::Function;

/// Which attribute it is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Tool,
    Resource,
    Prompt,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tool => "tool",
            Self::Resource => "resource",
            Self::Prompt => "prompt",
        })
    }
}

impl Kind {
    const fn known(self) -> &'static [&'static str] {
        match self {
            Self::Tool => &[
                "name",
                "title",
                "description",
                "tags",
                "read_only",
                "destructive",
                "idempotent",
                "open_world",
                "cache",
                "public",
                "finish",
                "single_use",
                "requires",
                "output_schema",
            ],
            Self::Resource => {
                &["name", "title", "description", "mime_type", "tags", "cache", "public", "requires"]
            }
            Self::Prompt => &["name", "title", "description", "tags", "cache", "public", "requires"],
        }
    }
}

/// The options, checked one by one and against each other.
pub(crate) struct Options {
    /// The URI or template of a resource.
    pub(crate) uri: Option<LitStr>,
    pub(crate) name: Option<LitStr>,
    pub(crate) output_schema: bool,
    description: Option<LitStr>,
    /// Calls on the component, in the order in which they were written.
    calls: Vec<TokenStream>,
    cache: Option<(Span, u64)>,
    public: Option<Span>,
}

impl Options {
    pub(crate) fn parse(kind: Kind, tokens: TokenStream) -> Result<Self> {
        let read = |input: ParseStream<'_>| Self::read(kind, input);
        let options = read.parse2(tokens)?;
        if let (Some(span), None) = (options.public, options.cache) {
            return Err(Error::new(
                span,
                "`public` says who shares cached answers: write `cache = \"60s\"` too",
            ));
        }
        Ok(options)
    }

    /// # Errors
    /// Answers that are everybody's depend on what one person answered.
    pub(crate) fn check_asking(&self, function: &Function) -> Result<()> {
        match self.public {
            Some(span) if asked::arguments(function).next().is_some() => Err(Error::new(
                span,
                "the person is asked for an argument, so the answer is theirs alone: remove `public`, or the argument",
            )),
            _ => Ok(()),
        }
    }

    /// The description: the option's, or the one given.
    pub(crate) fn description(&self, otherwise: Option<TokenStream>) -> Option<TokenStream> {
        self.description.as_ref().map(|text| quote!(#text)).or(otherwise)
    }

    /// The calls that put the options on the component.
    pub(crate) fn calls(&self, description: Option<&TokenStream>) -> TokenStream {
        let calls = &self.calls;
        let description = description.map(|text| quote!(.description(#text)));
        let cache = self.cache.map(|(_, milliseconds)| {
            let policy = if self.public.is_some() { quote!(public) } else { quote!(private) };
            quote!(.cache(::mcp_server::CachePolicy::#policy(::core::time::Duration::from_millis(#milliseconds))))
        });
        quote!(#description #(#calls)* #cache)
    }

    fn read(kind: Kind, input: ParseStream<'_>) -> Result<Self> {
        let mut options = Self {
            uri: None,
            name: None,
            output_schema: true,
            description: None,
            calls: Vec::new(),
            cache: None,
            public: None,
        };
        if kind == Kind::Resource {
            options.uri = Some(uri(input)?);
        }
        let mut seen: Vec<String> = Vec::new();
        while !input.is_empty() {
            let option = option_name(kind, input)?;
            let name = option.to_string();
            if seen.contains(&name) {
                return Err(Error::new(option.span(), format!("`{name}` stands here twice")));
            }
            options.take(kind, &option, input)?;
            seen.push(name);
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        refuse_contradiction(&seen, input.span())?;
        Ok(options)
    }

    fn take(&mut self, kind: Kind, option: &Ident, input: ParseStream<'_>) -> Result<()> {
        match option.to_string().as_str() {
            "name" => self.name = Some(checked_name(kind, text(option, input)?)?),
            "description" => self.description = Some(text(option, input)?),
            "title" | "mime_type" => {
                let text = text(option, input)?;
                self.calls.push(quote!(.#option(#text)));
            }
            "read_only" | "destructive" | "idempotent" | "open_world" => {
                let hint = flag(input)?;
                self.calls.push(quote!(.#option(#hint)));
            }
            "finish" => self.calls.push(quote!(.finish())),
            "single_use" => self.calls.push(quote!(.single_use())),
            "public" => self.public = Some(option.span()),
            "cache" => {
                let text = text(option, input)?;
                self.cache = Some((text.span(), milliseconds(&text)?));
            }
            "tags" => {
                let tags = tags(option, input)?;
                self.calls.push(quote!(#(.tag(#tags))*));
            }
            "requires" => {
                let capabilities = capabilities(option, input)?;
                self.calls.push(quote!(#(.requires(#capabilities))*));
            }
            _ => self.output_schema = output_schema(option, input)?,
        }
        Ok(())
    }
}

fn uri(input: ParseStream<'_>) -> Result<LitStr> {
    const MISSING: &str = "a resource needs its URI first: `#[resource(\"user://{id}/profile\")]`";
    if !input.peek(LitStr) {
        return Err(Error::new(input.span(), MISSING));
    }
    let uri: LitStr = input.parse()?;
    if !input.is_empty() {
        input.parse::<Token![,]>()?;
    }
    Ok(uri)
}

fn option_name(kind: Kind, input: ParseStream<'_>) -> Result<Ident> {
    let known = || {
        let names: Vec<_> = kind.known().iter().map(|name| format!("`{name}`")).collect();
        format!("unknown option: `#[{kind}]` takes {}", names.join(", "))
    };
    if !input.peek(Ident) {
        return Err(Error::new(input.span(), known()));
    }
    let option: Ident = input.parse()?;
    if kind.known().contains(&option.to_string().as_str()) {
        Ok(option)
    } else {
        Err(Error::new(option.span(), known()))
    }
}

fn text(option: &Ident, input: ParseStream<'_>) -> Result<LitStr> {
    let read = |input: ParseStream<'_>| {
        input.parse::<Token![=]>()?;
        input.parse()
    };
    read(input).map_err(|error| Error::new(error.span(), format!("write `{option} = \"..\"`")))
}

/// Alone it is `true`.
fn flag(input: ParseStream<'_>) -> Result<bool> {
    if !input.peek(Token![=]) {
        return Ok(true);
    }
    input.parse::<Token![=]>()?;
    input.parse::<LitBool>().map(|flag| flag.value)
}

/// Server/tools: 1 to 128 letters, digits, `_`, `-` and `.`.
fn checked_name(kind: Kind, name: LitStr) -> Result<LitStr> {
    let text = name.value();
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
    if kind == Kind::Tool && !((1..=128).contains(&text.len()) && text.bytes().all(fits)) {
        return Err(Error::new(name.span(), "a tool's name is 1 to 128 letters, digits, `_`, `-` and `.`"));
    }
    if text.is_empty() {
        return Err(Error::new(name.span(), format!("a {kind}'s name cannot be empty")));
    }
    Ok(name)
}

fn tags(option: &Ident, input: ParseStream<'_>) -> Result<Vec<LitStr>> {
    let read = |input: ParseStream<'_>| {
        let inner;
        syn::parenthesized!(inner in input);
        Punctuated::<LitStr, Token![,]>::parse_terminated(&inner)
    };
    let tags = read(input)
        .map_err(|error| Error::new(error.span(), format!("write `{option}(\"one\", \"two\")`")))?;
    Ok(tags.into_iter().collect())
}

/// What a client can declare that a handler may need, as it is written here, and the variant of `Capability`.
const CAPABILITIES: [(&str, &str); 6] = [
    ("elicitation", "Elicitation"),
    ("elicitation(form)", "Elicitation"),
    ("elicitation(url)", "ElicitationUrl"),
    ("sampling", "Sampling"),
    ("sampling(tools)", "SamplingTools"),
    ("roots", "Roots"),
];

/// The capabilities as expressions. `elicitation(form, url)` is both.
fn capabilities(option: &Ident, input: ParseStream<'_>) -> Result<Vec<TokenStream>> {
    let read = |input: ParseStream<'_>| {
        let inner;
        syn::parenthesized!(inner in input);
        Punctuated::<Capability, Token![,]>::parse_terminated(&inner)
    };
    let written = read(input).map_err(|error| unknown_capability(error.span()))?;
    if written.is_empty() {
        return Err(unknown_capability(option.span()));
    }
    let mut capabilities = Vec::new();
    for capability in written {
        for (span, name) in capability.names() {
            let known = CAPABILITIES.iter().find(|(known, _)| *known == name);
            let (_, variant) = known.ok_or_else(|| unknown_capability(span))?;
            let variant = Ident::new(variant, Span::call_site());
            capabilities.push(quote!(::mcp_server::Capability::#variant));
        }
    }
    Ok(capabilities)
}

fn unknown_capability(span: Span) -> Error {
    Error::new(
        span,
        "write which of these it needs: `requires(elicitation, elicitation(url), sampling, sampling(tools), roots)`",
    )
}

/// `name`, or `name(part, ..)`.
struct Capability {
    name: Ident,
    parts: Vec<Ident>,
}

impl syn::parse::Parse for Capability {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let name = input.parse()?;
        let mut parts = Vec::new();
        if input.peek(syn::token::Paren) {
            let inner;
            syn::parenthesized!(inner in input);
            parts.extend(Punctuated::<Ident, Token![,]>::parse_terminated(&inner)?);
            if parts.is_empty() {
                return Err(inner.error("nothing stands here"));
            }
        }
        Ok(Self { name, parts })
    }
}

impl Capability {
    /// Each part by itself, and where it stands.
    fn names(&self) -> Vec<(Span, String)> {
        let Self { name, parts } = self;
        if parts.is_empty() {
            return vec![(name.span(), name.to_string())];
        }
        parts.iter().map(|part| (part.span(), format!("{name}({part})"))).collect()
    }
}

fn output_schema(option: &Ident, input: ParseStream<'_>) -> Result<bool> {
    let read = |input: ParseStream<'_>| {
        input.parse::<Token![=]>()?;
        Expr::parse(input)
    };
    let wrong = |span| {
        Error::new(
            span,
            "write `output_schema = off`, or nothing: the schema comes from what the function returns",
        )
    };
    match read(input) {
        Ok(Expr::Path(path)) if path.path.is_ident("off") => Ok(false),
        Ok(_) => Err(wrong(option.span())),
        Err(error) => Err(wrong(error.span())),
    }
}

fn milliseconds(text: &LitStr) -> Result<u64> {
    let wrong =
        || Error::new(text.span(), "write a number and its unit: `500ms`, `60s`, `10m`, `2h` or `1d`");
    let value = text.value();
    let digits = value.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = value.split_at(digits);
    let unit = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(wrong()),
    };
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let milliseconds = number.checked_mul(unit).ok_or_else(wrong)?;
    if milliseconds == 0 {
        return Err(Error::new(text.span(), "zero keeps nothing: remove `cache`"));
    }
    Ok(milliseconds)
}

fn refuse_contradiction(seen: &[String], span: Span) -> Result<()> {
    let has = |name: &str| seen.iter().any(|option| option == name);
    if has("read_only") && has("destructive") {
        return Err(Error::new(
            span,
            "what is `read_only` destroys nothing: remove `read_only` or `destructive`",
        ));
    }
    Ok(())
}
