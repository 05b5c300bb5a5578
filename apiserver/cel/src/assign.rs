//! Which type may stand where another is expected, and what that says about free type variables.

use std::collections::HashMap;
use std::sync::Arc;

use crate::decls::Overload;
use crate::types::{Name, Type};

/// What is known about free type variables.
#[derive(Debug, Default)]
pub(crate) struct Mapping {
    known: HashMap<Name, Type>,
    /// What to restore if an attempt fails: the variables set since, with what they were.
    trail: Vec<(Name, Option<Type>)>,
    variables: u32,
}

impl Mapping {
    /// A free variable.
    pub fn variable(&mut self) -> Type {
        let name = format!("_var{}", self.variables);
        self.variables += 1;
        Type::Param(name.into())
    }

    /// An overload's parameters and result, with free variables for its type parameters.
    pub fn fresh(&mut self, overload: &Overload) -> (Vec<Type>, Type) {
        if overload.parameters.is_empty() {
            return (overload.args.clone(), overload.result.clone());
        }
        let fresh: HashMap<Name, Type> =
            overload.parameters.iter().map(|parameter| (parameter.clone(), self.variable())).collect();
        let args = overload.args.iter().map(|of| replace(&fresh, of, false)).collect();
        (args, replace(&fresh, &overload.result, false))
    }

    /// The type with all that is known put in; free variables become dyn if told so.
    pub fn substitute(&self, of: &Type, free_to_dyn: bool) -> Type {
        replace(&self.known, of, free_to_dyn)
    }

    /// Whether a value of type `b` may stand where `a` is expected. Remembers what follows from it.
    pub fn assignable(&mut self, a: &Type, b: &Type) -> bool {
        self.attempt(|mapping| mapping.assign(a, b))
    }

    pub fn all_assignable(&mut self, a: &[Type], b: &[Type]) -> bool {
        self.attempt(|mapping| mapping.assign_all(a, b))
    }

    fn attempt(&mut self, body: impl FnOnce(&mut Self) -> bool) -> bool {
        self.trail.clear();
        let done = body(self);
        if !done {
            while let Some((name, before)) = self.trail.pop() {
                match before {
                    Some(before) => self.known.insert(name, before),
                    None => self.known.remove(&name),
                };
            }
        }
        done
    }

    fn assign_all(&mut self, a: &[Type], b: &[Type]) -> bool {
        a.len() == b.len() && a.iter().zip(b).all(|(a, b)| self.assign(a, b))
    }

    fn assign(&mut self, a: &Type, b: &Type) -> bool {
        if let Type::Param(name) = b {
            let (valid, had) = self.bind(a, name);
            if valid {
                return true;
            }
            if had {
                return false;
            }
        }
        if let Type::Param(name) = a {
            return self.bind(b, name).0;
        }
        if a.is_dyn_or_error() || b.is_dyn_or_error() {
            return true;
        }
        match (a, b) {
            (Type::Null, other) | (other, Type::Null) => {
                matches!(other, Type::Null | Type::Opaque(..) | Type::Struct(_) | Type::Duration | Type::Timestamp)
            }
            (Type::Type(_), Type::Type(_)) => true,
            (Type::List(a), Type::List(b)) => self.assign(a, b),
            (Type::Map(a, c), Type::Map(b, d)) => self.assign(a, b) && self.assign(c, d),
            (Type::Opaque(a, c), Type::Opaque(b, d)) => a == b && self.assign_all(c, d),
            _ => a == b,
        }
    }

    /// Whether variable `name` can be `of`, and whether it already was something.
    fn bind(&mut self, of: &Type, name: &Name) -> (bool, bool) {
        if matches!(of, Type::Param(other) if other == name) {
            return (true, true);
        }
        let Some(before) = self.known.get(name).cloned() else {
            let valid = self.independent(name, of);
            if valid {
                self.learn(name, of.clone());
            }
            return (valid, false);
        };
        if *of == before {
            return (true, true);
        }
        if self.assign(of, &before) {
            let now = Mapping::most_general(of, &before);
            if self.independent(name, &now) {
                self.learn(name, now);
            }
            return (true, true);
        }
        (false, true)
    }

    fn learn(&mut self, name: &Name, of: Type) {
        let before = self.known.insert(name.clone(), of);
        self.trail.push((name.clone(), before));
    }

    fn independent(&self, name: &Name, within: &Type) -> bool {
        match within {
            Type::Param(other) if other == name => false,
            Type::Param(other) => self.known.get(other).is_none_or(|known| self.independent(name, known)),
            Type::List(element) => self.independent(name, element),
            Type::Map(key, value) => self.independent(name, key) && self.independent(name, value),
            Type::Type(Some(of)) => self.independent(name, of),
            Type::Opaque(_, parameters) => parameters.iter().all(|parameter| self.independent(name, parameter)),
            _ => true,
        }
    }

    /// The less specific of two types that fit each other.
    pub fn most_general(a: &Type, b: &Type) -> Type {
        if less_specific(a, b) { a.clone() } else { b.clone() }
    }
}

fn less_specific(a: &Type, b: &Type) -> bool {
    if matches!(a, Type::Dyn | Type::Param(_)) {
        return true;
    }
    if matches!(b, Type::Dyn | Type::Param(_)) {
        return false;
    }
    match (a, b) {
        (Type::Opaque(a, c), Type::Opaque(b, d)) => {
            a == b && c.len() == d.len() && c.iter().zip(d.iter()).all(|(c, d)| less_specific(c, d))
        }
        (Type::List(a), Type::List(b)) => less_specific(a, b),
        (Type::Map(a, c), Type::Map(b, d)) => less_specific(a, b) && less_specific(c, d),
        (Type::Type(_), Type::Type(_)) => true,
        _ => a == b,
    }
}

fn replace(known: &HashMap<Name, Type>, of: &Type, free_to_dyn: bool) -> Type {
    match of {
        Type::Param(name) => match known.get(name) {
            Some(known_as) => replace(known, known_as, free_to_dyn),
            None if free_to_dyn => Type::Dyn,
            None => of.clone(),
        },
        Type::List(element) => Type::list(replace(known, element, free_to_dyn)),
        Type::Map(key, value) => Type::map(replace(known, key, free_to_dyn), replace(known, value, free_to_dyn)),
        Type::Type(Some(inner)) => Type::Type(Some(Arc::new(replace(known, inner, free_to_dyn)))),
        Type::Opaque(name, parameters) if !parameters.is_empty() => {
            Type::Opaque(name.clone(), parameters.iter().map(|p| replace(known, p, free_to_dyn)).collect())
        }
        other => other.clone(),
    }
}
