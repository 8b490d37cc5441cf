//! Rules and defaults that are written as literals: what can be seen of them before they are compiled.

use proc_macro2::{Literal, TokenStream};
use quote::{ToTokens as _, quote};
use syn::spanned::Spanned as _;
use syn::{Error, Expr, ExprLit, ExprUnary, Lit, Result, Type, UnOp};

use super::options::Options;
use super::shape;

/// Checks rules against each other, and the default against the rules.
pub(super) fn check(options: &Options) -> Result<()> {
    for (min, max) in [("min", "max"), ("min_length", "max_length"), ("min_items", "max_items")] {
        let (Some(least), Some(most)) = (options.rule(min), options.rule(max)) else { continue };
        if number(least).zip(number(most)).is_some_and(|(least, most)| least > most) {
            return Err(Error::new(most.span(), format!("nothing fits: `{max}` is less than `{min}`")));
        }
    }
    options.default.as_ref().map_or(Ok(()), |default| check_default(default, options))
}

fn check_default(default: &Expr, options: &Options) -> Result<()> {
    let ([min, max], measure) = match default {
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => {
            (["min_length", "max_length"], u32::try_from(text.value().chars().count()).ok().map(f64::from))
        }
        Expr::Array(array) => {
            (["min_items", "max_items"], u32::try_from(array.elems.len()).ok().map(f64::from))
        }
        other => (["min", "max"], number(other)),
    };
    let Some(measure) = measure else { return Ok(()) };
    let end = |name: &str| options.rule(name).and_then(number);
    for (name, breaks) in
        [(min, end(min).is_some_and(|min| measure < min)), (max, end(max).is_some_and(|max| measure > max))]
    {
        if breaks {
            return Err(Error::new(
                default.span(),
                format!("the default breaks the field's own rule `{name}`"),
            ));
        }
    }
    Ok(())
}

/// The value of a literal number, perhaps with a minus.
fn number(expression: &Expr) -> Option<f64> {
    match expression {
        Expr::Lit(ExprLit { lit: Lit::Int(number), .. }) => number.base10_parse().ok(),
        Expr::Lit(ExprLit { lit: Lit::Float(number), .. }) => number.base10_parse().ok(),
        Expr::Unary(ExprUnary { op: UnOp::Neg(_), expr, .. }) => number(expr).map(|number| -number),
        _ => None,
    }
}

/// The expression, with whole numbers as floats where the field is one: `18` rather than `18.0` is what people write.
pub(super) fn of_type(expression: &Expr, ty: &Type) -> TokenStream {
    if shape::is_float(ty) { as_float(expression) } else { expression.to_token_stream() }
}

fn as_float(expression: &Expr) -> TokenStream {
    match expression {
        Expr::Lit(ExprLit { lit: Lit::Int(number), .. }) if number.suffix().is_empty() => {
            let Ok(value) = number.base10_parse::<f64>() else { return number.to_token_stream() };
            let mut float = Literal::f64_unsuffixed(value);
            float.set_span(number.span());
            float.to_token_stream()
        }
        Expr::Unary(ExprUnary { op: op @ UnOp::Neg(_), expr, .. }) => {
            let inner = as_float(expr);
            quote!(#op #inner)
        }
        other => other.to_token_stream(),
    }
}
