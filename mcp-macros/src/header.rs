//! `#[arg(header = "..")]`: an argument that clients repeat in an HTTP header.

use quote::quote;
use syn::{Error, GenericArgument, LitStr, PathArguments, PathSegment, Result, Type};

/// Types that are visibly no string, integer or boolean. Any other is known when the server is built.
const SEVERAL: [&str; 11] = [
    "BTreeMap",
    "BTreeSet",
    "BinaryHeap",
    "HashMap",
    "HashSet",
    "Json",
    "LinkedList",
    "Map",
    "Value",
    "Vec",
    "VecDeque",
];

/// # Errors
/// The name is none that a header can have, or the type none that it can hold.
pub(crate) fn check(header: &LitStr, ty: &Type) -> Result<()> {
    let name = header.value();
    if name.is_empty() || !name.bytes().all(is_token) {
        return Err(Error::new(
            header.span(),
            "no header can have this name: write letters, digits and `-`, as in `header = \"Region\"` for \
             `Mcp-Param-Region`",
        ));
    }
    holds(ty)
}

/// RFC 9110 §5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn holds(ty: &Type) -> Result<()> {
    let refuse = |instead: &str| {
        let shown = quote!(#ty).to_string().replace(' ', "");
        Err(Error::new_spanned(
            ty,
            format!(
                "a header holds one string, integer or boolean and no `{shown}`: {instead}, or leave out `header`"
            ),
        ))
    };
    match ty {
        Type::Group(group) => holds(&group.elem),
        Type::Paren(inner) => holds(&inner.elem),
        Type::Tuple(_) | Type::Array(_) => refuse("take its parts as arguments of their own"),
        Type::Path(path) => {
            let Some(segment) = path.path.segments.last() else { return Ok(()) };
            let is = |known: &str| segment.ident == known;
            match only_argument(segment) {
                Some(inner) if is("Option") || is("Box") => holds(inner),
                _ if is("f32") || is("f64") => refuse("take an integer or a `String`"),
                _ if SEVERAL.iter().any(|known| is(known)) => refuse("take one value"),
                _ => Ok(()),
            }
        }
        _ => Ok(()),
    }
}

fn only_argument(segment: &PathSegment) -> Option<&Type> {
    let PathArguments::AngleBracketed(arguments) = &segment.arguments else { return None };
    match arguments.args.first()? {
        GenericArgument::Type(ty) if arguments.args.len() == 1 => Some(ty),
        _ => None,
    }
}

/// # Errors
/// Two arguments have one header, whose name is the same in upper and lower case.
pub(crate) fn check_apart<'a>(headers: impl Iterator<Item = &'a LitStr>) -> Result<()> {
    let mut seen: Vec<String> = Vec::new();
    for header in headers {
        let name = header.value().to_ascii_lowercase();
        if seen.contains(&name) {
            let message = format!(
                "two arguments have the header `{}`, in which upper and lower case are the same: rename one",
                header.value()
            );
            return Err(Error::new(header.span(), message));
        }
        seen.push(name);
    }
    Ok(())
}
