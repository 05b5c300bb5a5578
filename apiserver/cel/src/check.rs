//! The type checker: gives every node a type and every call its overloads, or says what does not fit.

use crate::assign::Mapping;
use crate::ast::{Ast, Comprehension, Entry, Field, Id, Kind, Literal};
use crate::decls::{self, Overload};
use crate::env::Env;
use crate::issues::{Issues, Source};
use crate::types::{Name, Type};

/// What a node refers to.
#[derive(Clone, Debug)]
pub(crate) enum Reference {
    /// A variable of the environment or of a loop.
    Variable(Name),
    /// A type, named as a value.
    Type(Type),
    /// A function, with the overloads that fit.
    Function(&'static str, Vec<&'static str>),
}

/// A tree with types.
#[derive(Debug)]
pub(crate) struct Checked {
    pub ast: Ast,
    pub types: Vec<Type>,
    pub references: Vec<Option<Reference>>,
}

impl Checked {
    pub fn type_of(&self, id: Id) -> &Type {
        &self.types[id as usize]
    }

    /// The overloads of a call; empty where it is none.
    pub fn overloads(&self, id: Id) -> &[&'static str] {
        match &self.references[id as usize] {
            Some(Reference::Function(_, overloads)) => overloads,
            _ => &[],
        }
    }
}

/// Checks a tree. Findings are among the issues; the tree may be evaluated only if there are none.
pub(crate) fn check(env: &Env, source: &Source, ast: Ast, issues: &mut Issues) -> Checked {
    let count = ast.nodes.len();
    let mut checker = Checker {
        env,
        source,
        issues,
        types: vec![None; count],
        references: vec![None; count],
        scopes: Vec::new(),
        mapping: Mapping::default(),
        ast,
    };
    let root = checker.ast.root;
    checker.check(root);
    let types = checker.types.iter().map(|of| match of {
        Some(of) => checker.mapping.substitute(of, true),
        None => Type::Dyn,
    });
    let types = types.collect();
    Checked { types, references: checker.references, ast: checker.ast }
}

struct Checker<'e> {
    env: &'e Env,
    source: &'e Source,
    issues: &'e mut Issues,
    ast: Ast,
    types: Vec<Option<Type>>,
    references: Vec<Option<Reference>>,
    /// The variables of the loops around, innermost last.
    scopes: Vec<(Name, Type)>,
    mapping: Mapping,
}

impl Checker<'_> {
    fn report(&mut self, id: Id, message: String) {
        let at = self.ast.at(id);
        self.issues.report(self.source, at, message);
    }

    fn set(&mut self, id: Id, of: Type) {
        self.types[id as usize] = Some(of);
    }

    fn get(&self, id: Id) -> Type {
        self.types[id as usize].clone().unwrap_or(Type::Error)
    }

    fn mismatch(&mut self, id: Id, expected: &Type, actual: &Type) {
        self.report(id, format!("expected type '{expected}' but found '{actual}'"));
    }

    fn undeclared(&mut self, id: Id, name: &str) {
        self.set(id, Type::Error);
        self.report(id, format!("undeclared reference to '{name}' (in container '')"));
    }

    fn check(&mut self, id: Id) {
        match self.ast.kind(id).clone() {
            Kind::Unspecified => self.set(id, Type::Error),
            Kind::Literal(literal) => self.set(id, literal_type(&literal)),
            Kind::Ident(name) => {
                if !self.ident(id, &name) {
                    self.undeclared(id, &name);
                }
            }
            Kind::Select { operand, field, test } => self.select(id, operand, &field, test),
            Kind::Call { target, function, args } => self.call(id, target, &function, &args),
            Kind::List { elements, optionals } => self.list(id, &elements, &optionals),
            Kind::Map(entries) => self.map(id, &entries),
            Kind::Struct { name, fields } => self.message(id, &name, &fields),
            Kind::Comprehension(comprehension) => self.comprehension(id, &comprehension),
        }
    }

    /// Resolves a name to a variable or a type.
    fn ident(&mut self, id: Id, name: &str) -> bool {
        let bare = name.strip_prefix('.').unwrap_or(name);
        if bare.len() == name.len()
            && let Some((name, of)) = self.scopes.iter().rev().find(|(known, _)| &**known == bare)
        {
            let (name, of) = (name.clone(), of.clone());
            return self.refers(id, Reference::Variable(name), of);
        }
        if let Some((name, of)) = self.env.variable(bare) {
            let (name, of) = (name.clone(), of.clone());
            return self.refers(id, Reference::Variable(name), of);
        }
        match decls::type_by_name(bare).or_else(|| self.env.struct_type(bare)) {
            Some(of) => {
                let as_value = Type::Type(Some(of.clone().into()));
                self.refers(id, Reference::Type(of), as_value)
            }
            None => false,
        }
    }

    fn refers(&mut self, id: Id, reference: Reference, of: Type) -> bool {
        self.set(id, of);
        self.references[id as usize] = Some(reference);
        true
    }

    fn select(&mut self, id: Id, operand: Id, field: &str, test: bool) {
        if !test
            && let Some(name) = self.ast.qualified_name(id)
            && self.ident(id, &name)
        {
            return;
        }
        let result = self.field(id, operand, field, false);
        let result = if test { Type::Bool } else { self.mapping.substitute(&result, false) };
        self.set(id, result);
    }

    fn field(&mut self, id: Id, operand: Id, field: &str, optional: bool) -> Type {
        self.check(operand);
        let of = self.mapping.substitute(&self.get(operand), false);
        let (target, is_optional) = unwrap_optional(&of);
        let result = match &target {
            Type::Map(_, value) => (**value).clone(),
            Type::Struct(of) => match of.field(field) {
                Some(field) => field,
                None => {
                    self.report(id, format!("undefined field '{field}'"));
                    Type::Error
                }
            },
            Type::Opaque(name, parameters) if parameters.is_empty() && name.starts_with("kubernetes.") => {
                self.report(id, format!("unexpected failed resolution of '{name}'"));
                Type::Error
            }
            Type::Param(_) => {
                self.mapping.assignable(&Type::Dyn, &target);
                Type::Dyn
            }
            other => {
                if !other.is_dyn_or_error() {
                    self.report(id, format!("type '{other}' does not support field selection"));
                }
                Type::Dyn
            }
        };
        if is_optional || optional { Type::optional(result) } else { result }
    }

    fn call(&mut self, id: Id, target: Option<Id>, function: &str, args: &[Id]) {
        if function == "_?._" {
            return self.optional_select(id, args);
        }
        for arg in args {
            self.check(*arg);
        }
        let Some(target) = target else {
            let bare = function.strip_prefix('.').unwrap_or(function);
            return match decls::function(bare).filter(|_| self.env.has_function(bare)) {
                None => self.undeclared(id, function),
                Some((name, overloads)) => self.resolve(id, name, overloads, None, args),
            };
        };
        if let Some(prefix) = self.ast.qualified_name(target) {
            let full = format!("{prefix}.{function}");
            let bare = full.strip_prefix('.').unwrap_or(&full);
            if let Some((name, overloads)) = decls::function(bare).filter(|_| self.env.has_function(bare)) {
                if let Kind::Call { target, function, .. } = &mut self.ast.nodes[id as usize].kind {
                    *target = None;
                    *function = name.into();
                }
                return self.resolve(id, name, overloads, None, args);
            }
        }
        self.check(target);
        match decls::function(function) {
            Some((name, overloads)) => self.resolve(id, name, overloads, Some(target), args),
            None => self.undeclared(id, function),
        }
    }

    fn optional_select(&mut self, id: Id, args: &[Id]) {
        let (&[operand, field], Some(Kind::Literal(Literal::String(name)))) =
            (args, args.get(1).map(|field| self.ast.kind(*field).clone()))
        else {
            return self.set(id, Type::Error);
        };
        self.set(field, Type::String);
        let result = self.field(id, operand, &name, true);
        let result = self.mapping.substitute(&result, false);
        self.refers(id, Reference::Function("_?._", vec!["select_optional_field"]), result);
    }

    fn resolve(&mut self, id: Id, name: &'static str, overloads: &'static [Overload], target: Option<Id>, args: &[Id]) {
        let nodes: Vec<Id> = target.into_iter().chain(args.iter().copied()).collect();
        let types: Vec<Type> = nodes.iter().map(|node| self.get(*node)).collect();
        if matches!(name, "_&&_" | "_||_") {
            let mut fits = true;
            for (node, of) in nodes.iter().zip(&types) {
                if !self.mapping.assignable(of, &Type::Bool) {
                    self.mismatch(*node, &Type::Bool, of);
                    fits = false;
                }
            }
            if !fits {
                return self.set(id, Type::Error);
            }
            self.refers(id, Reference::Function(name, vec![overloads[0].id]), Type::Bool);
            return;
        }
        let mut fitting = Vec::new();
        let mut result: Option<Type> = None;
        for overload in overloads.iter().filter(|overload| overload.member == target.is_some()) {
            let (args, of_result) = self.mapping.fresh(overload);
            if !self.mapping.all_assignable(&types, &args) {
                continue;
            }
            fitting.push(overload.id);
            let of_result = self.mapping.substitute(&of_result, false);
            result = Some(match result {
                None => of_result,
                Some(before) if before != Type::Dyn && before != of_result => Type::Dyn,
                Some(before) => before,
            });
        }
        match result {
            Some(result) => {
                self.refers(id, Reference::Function(name, fitting), result);
            }
            None => {
                let shown: Vec<String> = types.iter().map(|of| self.mapping.substitute(of, true).to_string()).collect();
                let signature = match target {
                    Some(_) => format!("{}.({})", shown[0], shown[1..].join(", ")),
                    None => format!("({})", shown.join(", ")),
                };
                self.report(id, format!("found no matching overload for '{name}' applied to '{signature}'"));
                self.set(id, Type::Error);
            }
        }
    }

    fn unwrapped(&mut self, id: Id) -> Type {
        let of = self.get(id);
        let (inner, is_optional) = unwrap_optional(&of);
        if !is_optional && inner != Type::Dyn {
            self.mismatch(id, &Type::optional(inner.clone()), &inner);
        }
        inner
    }

    /// The type of a list's elements or a map's keys or values, one more having been read.
    fn join(&mut self, before: Option<Type>, now: Type) -> Type {
        let Some(before) = before else { return now };
        if self.mapping.assignable(&before, &now) {
            return Mapping::most_general(&before, &now);
        }
        // Reported later, since the arguments of `format` may differ.
        Type::Dyn
    }

    fn list(&mut self, id: Id, elements: &[Id], optionals: &[u32]) {
        let mut of: Option<Type> = None;
        for (index, element) in elements.iter().enumerate() {
            self.check(*element);
            let optional = optionals.iter().any(|optional| *optional as usize == index);
            let now = if optional { self.unwrapped(*element) } else { self.get(*element) };
            of = Some(self.join(of, now));
        }
        let of = of.unwrap_or_else(|| self.mapping.variable());
        self.set(id, Type::list(of));
    }

    fn map(&mut self, id: Id, entries: &[Entry]) {
        let mut keys: Option<Type> = None;
        let mut values: Option<Type> = None;
        for entry in entries {
            self.check(entry.key);
            keys = Some(self.join(keys, self.get(entry.key)));
            self.check(entry.value);
            let now = if entry.optional { self.unwrapped(entry.value) } else { self.get(entry.value) };
            values = Some(self.join(values, now));
        }
        let keys = keys.unwrap_or_else(|| self.mapping.variable());
        let values = values.unwrap_or_else(|| self.mapping.variable());
        self.set(id, Type::map(keys, values));
    }

    fn message(&mut self, id: Id, name: &str, fields: &[Field]) {
        let bare = name.strip_prefix('.').unwrap_or(name);
        let of = self.env.struct_type(bare);
        match (&of, decls::type_by_name(bare), self.env.variable(bare)) {
            (Some(of), ..) => {
                let of = of.clone();
                self.refers(id, Reference::Type(of.clone()), of);
            }
            (None, Some(known), _) => {
                self.report(id, format!("'{known}' is not a message type"));
                self.set(id, Type::Error);
            }
            (None, None, Some((_, of))) => {
                let message = format!("'{of}' is not a type");
                self.report(id, message);
                self.set(id, Type::Error);
            }
            (None, None, None) => return self.undeclared(id, name),
        }
        for field in fields {
            self.check(field.value);
            let declared = match &of {
                Some(Type::Struct(of)) => of.field(&field.name),
                _ => None,
            };
            let Some(declared) = declared else {
                self.issues.report(self.source, field.at, format!("undefined field '{}'", field.name));
                continue;
            };
            let given = if field.optional { self.unwrapped(field.value) } else { self.get(field.value) };
            if !self.mapping.assignable(&declared, &given) {
                let message =
                    format!("expected type of field '{}' is '{declared}' but provided type is '{given}'", field.name);
                self.issues.report(self.source, field.at, message);
            }
        }
    }

    fn comprehension(&mut self, id: Id, c: &Comprehension) {
        self.check(c.range);
        self.check(c.init);
        let range = self.mapping.substitute(&self.get(c.range), false);
        let result = self.get(c.init);
        let two = c.variable2.is_some();
        let (first, second) = match &range {
            Type::List(element) if two => (Type::Int, (**element).clone()),
            Type::List(element) => ((**element).clone(), Type::Dyn),
            Type::Map(key, value) => ((**key).clone(), (**value).clone()),
            Type::Dyn | Type::Error | Type::Param(_) => {
                self.mapping.assignable(&Type::Dyn, &range);
                (Type::Dyn, Type::Dyn)
            }
            other => {
                let message = format!(
                    "expression of type '{other}' cannot be range of a comprehension (must be list, map, or dynamic)"
                );
                self.report(c.range, message);
                (Type::Error, Type::Error)
            }
        };
        self.scopes.push((c.accumulator.clone(), result.clone()));
        let outer = self.scopes.len();
        self.scopes.push((c.variable.clone(), first));
        if let Some(variable) = &c.variable2 {
            self.scopes.push((variable.clone(), second));
        }
        self.check(c.condition);
        self.assert_type(c.condition, &Type::Bool);
        self.check(c.step);
        self.assert_type(c.step, &result);
        self.scopes.truncate(outer);
        self.check(c.result);
        self.scopes.truncate(outer - 1);
        let of = self.mapping.substitute(&self.get(c.result), false);
        self.set(id, of);
    }

    fn assert_type(&mut self, id: Id, expected: &Type) {
        let actual = self.get(id);
        if !self.mapping.assignable(expected, &actual) {
            self.mismatch(id, expected, &actual);
        }
    }
}

fn unwrap_optional(of: &Type) -> (Type, bool) {
    match of.as_optional() {
        Some(inner) => (inner.clone(), true),
        None => (of.clone(), false),
    }
}

fn literal_type(literal: &Literal) -> Type {
    match literal {
        Literal::Null => Type::Null,
        Literal::Bool(_) => Type::Bool,
        Literal::Int(_) => Type::Int,
        Literal::Uint(_) => Type::Uint,
        Literal::Double(_) => Type::Double,
        Literal::String(_) => Type::String,
        Literal::Bytes(_) => Type::Bytes,
    }
}
