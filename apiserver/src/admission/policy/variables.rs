//! A policy's variables: named expressions that others, and later variables, may use.

use std::sync::Arc;

use apiserver_cel::admission::{Declared, VariablesType, environment};
use serde_json::Value;

use super::expressions::{Expression, named};

/// Variables as they are declared one after another; each may use those before it.
pub struct Variables {
    declared: Declared,
    /// What is declared up to now.
    pub seen: Arc<VariablesType>,
}

impl Variables {
    pub fn new(declared: Declared) -> Variables {
        Variables { declared, seen: Arc::default() }
    }

    /// Compiles and declares a variable. One that does not compile is there, and can be anything.
    pub fn declare(&mut self, name: &str, text: &str) -> Expression {
        let expression = Expression::compile(&environment(self.declared, Some(&self.seen)), text, &[]);
        let of = expression.program.as_ref().ok().map(|program| program.output_type());
        self.seen = Arc::new(self.seen.with(name, of));
        expression
    }
}

/// Compiles a policy's variables.
pub fn compile(list: &Value, declared: Declared) -> (Vec<(String, Expression)>, Arc<VariablesType>) {
    let mut variables = Variables::new(declared);
    let compiled = named(list).map(|(name, text)| (name.to_owned(), variables.declare(name, text))).collect();
    (compiled, variables.seen)
}
