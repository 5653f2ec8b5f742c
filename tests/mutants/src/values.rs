//! What a function may return instead, by its type.

use syn::{GenericArgument, PathArguments, Type, TypePath};

/// Values of the type, as code. The compiler says which of them do not fit, and those are dropped.
pub(crate) fn values(output: &Type) -> Vec<String> {
    match output {
        Type::Tuple(tuple) if tuple.elems.is_empty() => one("()"),
        Type::Tuple(tuple) => {
            let first: Vec<String> =
                tuple.elems.iter().filter_map(|element| values(element).into_iter().next()).collect();
            if first.len() == tuple.elems.len() { vec![format!("({})", first.join(", "))] } else { Vec::new() }
        }
        Type::Reference(reference) if reference.mutability.is_none() => referenced(&reference.elem),
        Type::Path(path) => of_path(path),
        Type::ImplTrait(_) | Type::Never(_) | Type::Reference(_) => Vec::new(),
        _ => one("Default::default()"),
    }
}

fn one(value: &str) -> Vec<String> {
    vec![value.to_owned()]
}

fn referenced(of: &Type) -> Vec<String> {
    match of {
        Type::Slice(_) => one("&[]"),
        Type::Path(path) if path.path.is_ident("str") => vec!["\"\"".to_owned(), "\"xyzzy\"".to_owned()],
        _ => Vec::new(),
    }
}

fn of_path(path: &TypePath) -> Vec<String> {
    let Some(last) = path.path.segments.last() else { return Vec::new() };
    let inner = || first_argument(&last.arguments).map_or_else(|| one("Default::default()"), values);
    let wrapped = |around: &str| inner().into_iter().map(|value| format!("{around}({value})")).collect::<Vec<_>>();
    match last.ident.to_string().as_str() {
        "bool" => vec!["true".to_owned(), "false".to_owned()],
        "u8" | "u16" | "u32" | "u64" | "usize" | "u128" => vec!["0".to_owned(), "1".to_owned()],
        "i8" | "i16" | "i32" | "i64" | "isize" | "i128" => vec!["0".to_owned(), "1".to_owned(), "-1".to_owned()],
        "String" => vec!["String::new()".to_owned(), "\"xyzzy\".into()".to_owned()],
        "Option" => [one("None"), wrapped("Some")].concat(),
        "Result" => wrapped("Ok"),
        "Vec" => vec!["Vec::new()".to_owned()],
        "Box" => wrapped("Box::new"),
        "Arc" => wrapped("Arc::new"),
        _ => one("Default::default()"),
    }
}

fn first_argument(arguments: &PathArguments) -> Option<&Type> {
    let PathArguments::AngleBracketed(arguments) = arguments else { return None };
    arguments.args.iter().find_map(|argument| match argument {
        GenericArgument::Type(of) => Some(of),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(output: &str) -> Vec<String> {
        values(&syn::parse_str(output).unwrap())
    }

    #[test]
    fn values_follow_the_type() {
        assert_eq!(of("Option<bool>"), ["None", "Some(true)", "Some(false)"]);
        assert_eq!(of("io::Result<()>"), ["Ok(())"]);
        assert_eq!(of("fmt::Result"), ["Ok(Default::default())"]);
        assert_eq!(of("(u8, &str)"), ["(0, \"\")"]);
        assert_eq!(of("Self"), ["Default::default()"]);
        assert!(
            of("&mut Self").is_empty() && of("impl Iterator<Item = u8>").is_empty() && of("(u8, &Self)").is_empty()
        );
    }
}
