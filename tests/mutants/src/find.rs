//! Finds what can be changed in a source file: what functions return, operators, guards, arms and statements.

use std::{collections::HashMap, ops::Range, path::Path};

use syn::{
    Arm, Attribute, BinOp, Block, Expr, ExprBinary, ExprMatch, ExprUnary, Pat, ReturnType, Signature, Stmt, UnOp,
    spanned::Spanned,
    visit::{self, Visit},
};

use crate::{
    mutation::{Kind, Mutation, Name},
    values::values,
};

/// The mutations of a file, and where `const` has to go because a function that asks for the mutation cannot be const.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) mutations: Vec<Mutation>,
    pub(crate) constness: Vec<Range<usize>>,
}

/// Finds the mutations of a file, numbered from `first`. Functions of these names stay as they are.
///
/// # Errors
/// When it is not Rust.
pub(crate) fn find(file: &Path, text: &str, first: u32, keep: &[String]) -> syn::Result<Found> {
    let syntax = syn::parse_file(text)?;
    let mut finder =
        Finder { file, text, first, keep, context: Vec::new(), seen: HashMap::new(), found: Found::default() };
    finder.visit_file(&syntax);
    Ok(finder.found)
}

struct Finder<'a> {
    file: &'a Path,
    text: &'a str,
    first: u32,
    keep: &'a [String],
    /// The names of what is around.
    context: Vec<String>,
    seen: HashMap<(String, String), u32>,
    found: Found,
}

impl Finder<'_> {
    fn add(&mut self, place: Range<usize>, line: usize, change: String, kind: Kind) {
        let function = self.context.join("::");
        let occurrence = self.seen.entry((function.clone(), change.clone())).or_default();
        *occurrence += 1;
        let name = Name { file: self.file.to_owned(), function, change, occurrence: *occurrence };
        let number = self.first + u32::try_from(self.found.mutations.len()).expect("a file has fewer");
        self.found.mutations.push(Mutation { number, name, line, kind, place });
    }

    fn becomes(&mut self, whole: &Expr, replacements: Vec<String>) {
        let place = whole.span().byte_range();
        let line = whole.span().start().line;
        for replacement in replacements {
            let change = format!("{} -> {}", shown(&self.text[place.clone()]), shown(&replacement));
            self.add(place.clone(), line, change, Kind::Becomes(replacement));
        }
    }

    fn function(&mut self, attributes: &[Attribute], signature: &Signature, block: &Block) {
        let name = signature.ident.to_string();
        if is_for_tests(attributes) || self.keep.contains(&name) {
            return;
        }
        self.found.constness.extend(signature.constness.as_ref().map(|token| token.span.byte_range()));
        self.context.push(name.clone());
        let body = self.text[block.span().byte_range()].trim_start_matches('{').trim_end_matches('}').trim();
        let place = block.brace_token.span.open().byte_range().end;
        let returned = match &signature.output {
            ReturnType::Default if body.is_empty() => Vec::new(),
            ReturnType::Default => vec!["()".to_owned()],
            ReturnType::Type(_, output) => values(output),
        };
        // A default that is made by asking for the default never ends, and says nothing.
        let returned = returned.into_iter().filter(|value| value != body && name != "default");
        for value in returned.collect::<Vec<_>>() {
            let change = format!("returns {value}");
            self.add(place..place, signature.ident.span().start().line, change, Kind::Returns(value));
        }
        self.visit_block(block);
        self.context.pop();
    }

    fn within(&mut self, name: String, attributes: &[Attribute], visit: impl FnOnce(&mut Self)) {
        if is_for_tests(attributes) {
            return;
        }
        self.context.push(name);
        visit(self);
        self.context.pop();
    }
}

impl<'ast> Visit<'ast> for Finder<'_> {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        self.within(item.ident.to_string(), &item.attrs, |this| visit::visit_item_mod(this, item));
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        let of = self.text[item.self_ty.span().byte_range()].to_owned();
        let name = match &item.trait_ {
            Some((_, path, _)) => format!("<{of} as {}>", &self.text[path.span().byte_range()]),
            None => of,
        };
        self.within(name, &item.attrs, |this| visit::visit_item_impl(this, item));
    }

    fn visit_item_trait(&mut self, item: &'ast syn::ItemTrait) {
        self.within(item.ident.to_string(), &item.attrs, |this| visit::visit_item_trait(this, item));
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.function(&item.attrs, &item.sig, &item.block);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.function(&item.attrs, &item.sig, &item.block);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        if let Some(block) = &item.default {
            self.function(&item.attrs, &item.sig, block);
        }
    }

    // What the compiler works out cannot be switched when the program runs.
    fn visit_item_const(&mut self, _: &'ast syn::ItemConst) {}
    fn visit_item_static(&mut self, _: &'ast syn::ItemStatic) {}
    fn visit_impl_item_const(&mut self, _: &'ast syn::ImplItemConst) {}
    fn visit_trait_item_const(&mut self, _: &'ast syn::TraitItemConst) {}
    fn visit_item_enum(&mut self, _: &'ast syn::ItemEnum) {}
    fn visit_item_struct(&mut self, _: &'ast syn::ItemStruct) {}
    fn visit_type(&mut self, _: &'ast syn::Type) {}
    fn visit_generic_argument(&mut self, _: &'ast syn::GenericArgument) {}
    fn visit_pat(&mut self, _: &'ast Pat) {}

    fn visit_expr_const(&mut self, _: &'ast syn::ExprConst) {}

    fn visit_expr_repeat(&mut self, repeat: &'ast syn::ExprRepeat) {
        self.visit_expr(&repeat.expr);
    }

    fn visit_expr(&mut self, expression: &'ast Expr) {
        match expression {
            Expr::Binary(binary) if !has_let(expression) => {
                let replacements =
                    other_operators(&binary.op).iter().map(|op| self.with_operator(binary, op)).collect();
                self.becomes(expression, replacements);
            }
            Expr::Unary(ExprUnary { op: UnOp::Not(_) | UnOp::Neg(_), expr, .. }) => {
                self.becomes(expression, vec![self.text[expr.span().byte_range()].to_owned()]);
            }
            _ => {}
        }
        visit::visit_expr(self, expression);
    }

    fn visit_expr_match(&mut self, expression: &'ast ExprMatch) {
        let ends_open =
            expression.arms.last().is_some_and(|arm| matches!(arm.pat, Pat::Wild(_)) && arm.guard.is_none());
        let count = expression.arms.len();
        for arm in expression.arms.iter().take(count.saturating_sub(1)) {
            if ends_open {
                self.arm_left_out(arm);
            }
            self.guard_replaced(arm);
        }
        visit::visit_expr_match(self, expression);
    }

    fn visit_stmt(&mut self, statement: &'ast Stmt) {
        if let Stmt::Expr(expression, Some(_)) = statement
            && does_something(expression)
        {
            let place = statement.span().byte_range();
            let change = format!("{} left out", shown(&self.text[place.clone()]));
            self.add(place, statement.span().start().line, change, Kind::LeftOut);
        }
        visit::visit_stmt(self, statement);
    }
}

impl Finder<'_> {
    fn with_operator(&self, binary: &ExprBinary, operator: &str) -> String {
        let (left, right) = (binary.left.span().byte_range(), binary.right.span().byte_range());
        format!("{} {operator} {}", &self.text[left], &self.text[right])
    }

    fn arm_left_out(&mut self, arm: &Arm) {
        let pattern = arm.pat.span();
        let guard = arm.guard.as_ref().map(|(_, guard)| guard.span().byte_range());
        if arm.guard.as_ref().is_some_and(|(_, guard)| has_let(guard)) {
            return;
        }
        let change = format!("arm {} left out", shown(&self.text[pattern.byte_range()]));
        let kind = Kind::NeverTaken { has_guard: guard.is_some() };
        let end = pattern.byte_range().end;
        self.add(guard.unwrap_or(end..end), pattern.start().line, change, kind);
    }

    fn guard_replaced(&mut self, arm: &Arm) {
        if let Some((_, guard)) = &arm.guard
            && !has_let(guard)
        {
            self.becomes(guard, vec!["true".to_owned(), "false".to_owned()]);
        }
    }
}

/// Whether the code is built for tests, or for another system than the one that the tests run on.
fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let path = attribute.path();
        if path.is_ident("test") {
            return true;
        }
        let Ok(list) = attribute.meta.require_list() else { return false };
        let condition = list.tokens.to_string();
        let elsewhere = ["test", "windows", "not (unix)", "not (target_os = \"linux\")"];
        path.is_ident("cfg") && (elsewhere.contains(&condition.as_str()) || condition.starts_with("all (test"))
    })
}

/// Conditions with `let` bind names: they have no other operator, and cannot be wrapped.
fn has_let(expression: &Expr) -> bool {
    match expression {
        Expr::Let(_) => true,
        Expr::Binary(binary) => has_let(&binary.left) || has_let(&binary.right),
        Expr::Paren(inner) => has_let(&inner.expr),
        _ => false,
    }
}

/// Whether it can be left out and the rest still makes sense.
fn does_something(expression: &Expr) -> bool {
    matches!(
        expression,
        Expr::Call(_) | Expr::MethodCall(_) | Expr::Assign(_) | Expr::Binary(_) | Expr::Try(_) | Expr::Await(_)
    )
}

fn other_operators(operator: &BinOp) -> &'static [&'static str] {
    match operator {
        BinOp::Eq(_) => &["!="],
        BinOp::Ne(_) => &["=="],
        BinOp::Lt(_) => &["<=", ">"],
        BinOp::Le(_) => &["<", ">"],
        BinOp::Gt(_) => &[">=", "<"],
        BinOp::Ge(_) => &[">", "<"],
        BinOp::And(_) => &["||"],
        BinOp::Or(_) => &["&&"],
        BinOp::Add(_) => &["-", "*"],
        BinOp::Sub(_) => &["+", "/"],
        BinOp::Mul(_) => &["+", "/"],
        BinOp::Div(_) => &["*", "%"],
        BinOp::Rem(_) => &["/", "+"],
        BinOp::BitAnd(_) => &["|", "^"],
        // What is put together is flags, as a rule, and `^` does the same with those.
        BinOp::BitOr(_) => &["&"],
        BinOp::BitXor(_) => &["&", "|"],
        BinOp::Shl(_) => &[">>"],
        BinOp::Shr(_) => &["<<"],
        BinOp::AddAssign(_) => &["-=", "*="],
        BinOp::SubAssign(_) => &["+=", "/="],
        BinOp::MulAssign(_) => &["+=", "/="],
        BinOp::DivAssign(_) => &["*=", "%="],
        BinOp::BitAndAssign(_) => &["|=", "^="],
        BinOp::BitOrAssign(_) => &["&="],
        _ => &[],
    }
}

/// Code in one line, and not for ever.
fn shown(code: &str) -> String {
    let line = code.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(100) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changes(text: &str) -> Vec<String> {
        let found = find(Path::new("x.rs"), text, 1, &["kept".to_owned()]).unwrap();
        found.mutations.iter().map(|mutation| format!("{}: {}", mutation.name.function, mutation.name.change)).collect()
    }

    #[test]
    fn operators_and_what_is_returned() {
        let text = "impl A { const fn f(a: u8) -> bool { a < 3 && !g() } }";
        let expected = [
            "A::f: returns true",
            "A::f: returns false",
            "A::f: a < 3 && !g() -> a < 3 || !g()",
            "A::f: a < 3 -> a <= 3",
            "A::f: a < 3 -> a > 3",
            "A::f: !g() -> g()",
        ];
        assert_eq!(changes(text), expected);
        assert_eq!(find(Path::new("x.rs"), text, 1, &[]).unwrap().constness.first(), Some(&(9..14)));
    }

    #[test]
    fn statements_arms_and_guards() {
        let text = "fn f(a: u8) { match a { 1 => x(), 2 if b => {} _ => {} } y(); let z = 1; }";
        let expected = [
            "f: returns ()",
            "f: arm 1 left out",
            "f: arm 2 left out",
            "f: b -> true",
            "f: b -> false",
            "f: y(); left out",
        ];
        assert_eq!(changes(text), expected);
    }

    #[test]
    fn what_the_tests_do_not_run_stays() {
        assert!(changes("#[cfg(test)] mod t { fn f() -> bool { 1 == 2 } } const A: bool = 1 == 2;").is_empty());
        assert!(changes("#[cfg(windows)] fn f() { g(); } fn kept() -> u8 { 3 }").is_empty());
        assert!(changes("#[cfg(all(test, unix))] fn f() { g(); }").is_empty());
        assert_eq!(changes("fn f() { if let Some(a) = b && c {} }"), ["f: returns ()"]);
    }
}
