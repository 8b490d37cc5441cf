//! Types that no form can ask for, as far as they can be known by their names. The rest is the trait's to refuse.

use quote::quote;
use syn::spanned::Spanned as _;
use syn::{Error, GenericArgument, Ident, PathArguments, PathSegment, Result, Type};

/// Refuses what is visibly no field of a form, and says what to write.
pub(super) fn check(ty: &Type) -> Result<()> {
    let wrong = |message: &str| Err(Error::new(ty.span(), message));
    match ty {
        Type::Group(group) => check(&group.elem),
        Type::Paren(inner) => check(&inner.elem),
        Type::Tuple(_) => wrong("a form is flat: write a field for each part"),
        Type::Array(_) | Type::Slice(_) => wrong(SEVERAL),
        Type::Reference(reference) => {
            let elem = &reference.elem;
            let owned = if quote!(#elem).to_string() == "str" { "`String`" } else { "a type without `&`" };
            wrong(&format!("a field must be owned: write {owned}"))
        }
        Type::Path(path) => path.path.segments.last().map_or(Ok(()), |segment| check_named(segment, ty)),
        _ => wrong("a form can ask for text, numbers, yes or no, and choices: write one of their types"),
    }
}

const SEVERAL: &str =
    "clients offer several of a fixed set only: write a `Vec` of an enum with `#[derive(Choice)]`";

const MAPS: [&str; 5] = ["BTreeMap", "HashMap", "IndexMap", "Map", "Value"];

const LISTS: [&str; 7] = ["Vec", "VecDeque", "LinkedList", "HashSet", "BTreeSet", "IndexSet", "SmallVec"];

const PRIMITIVES: [&str; 15] = [
    "String", "str", "bool", "char", "f32", "f64", "i8", "i16", "i32", "i64", "isize", "u8", "u16", "u32",
    "u64",
];

fn check_named(segment: &PathSegment, ty: &Type) -> Result<()> {
    let wrong = |message: &str| Err(Error::new(ty.span(), message));
    let name = segment.ident.to_string();
    if MAPS.contains(&name.as_str()) {
        return wrong("a form is flat and its fields are known: write each of them as a field");
    }
    let Some(inner) = argument(segment) else { return Ok(()) };
    if name == "Option" {
        return match last_segment(inner) {
            Some(inner) if inner.ident == "Option" => {
                wrong("one `Option` is enough: a field is there or not")
            }
            _ => check(inner),
        };
    }
    if LISTS.contains(&name.as_str()) {
        let of_primitives = last_segment(inner).is_none_or(|inner| {
            argument(inner).is_some() || PRIMITIVES.contains(&inner.ident.to_string().as_str())
        });
        return if of_primitives || name != "Vec" { wrong(SEVERAL) } else { Ok(()) };
    }
    Ok(())
}

/// What is in an `Option`.
pub(super) fn optional(ty: &Type) -> Option<&Type> {
    argument(last_segment(ty).filter(|segment| segment.ident == "Option")?)
}

/// Whether the value is a float.
pub(super) fn is_float(ty: &Type) -> bool {
    last_segment(ty).is_some_and(|segment| segment.ident == "f32" || segment.ident == "f64")
}

/// The last name of a path, under whatever modules.
pub(super) fn last_segment(ty: &Type) -> Option<&PathSegment> {
    match ty {
        Type::Path(path) => path.path.segments.last(),
        Type::Group(group) => last_segment(&group.elem),
        Type::Paren(inner) => last_segment(&inner.elem),
        _ => None,
    }
}

/// The first type in the angle brackets.
fn argument(segment: &PathSegment) -> Option<&Type> {
    let PathArguments::AngleBracketed(arguments) = &segment.arguments else { return None };
    arguments.args.iter().find_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    })
}

/// Every name in a type.
pub(super) fn names(ty: &Type) -> Vec<Ident> {
    use syn::visit::Visit;

    struct Names(Vec<Ident>);

    impl<'ast> Visit<'ast> for Names {
        fn visit_path_segment(&mut self, segment: &'ast PathSegment) {
            self.0.push(segment.ident.clone());
            syn::visit::visit_path_segment(self, segment);
        }
    }

    let mut names = Names(Vec::new());
    names.visit_type(ty);
    names.0
}
