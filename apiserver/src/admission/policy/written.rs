//! Expressions when they are written: whether they will compile when they are needed.
//!
//! Source: `pkg/apis/admissionregistration/validation`.

use apiserver_cel::Type;
use apiserver_cel::admission::{Declared, environment, message};
use serde_json::Value;

use super::expressions::{Expression, Unusable};
use super::variables::Variables;

/// What an expression is for: that says what it may mention and what its value must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    MatchCondition,
    Validation,
    Message,
    AuditAnnotation,
    ApplyConfiguration,
    JsonPatch,
}

/// Compiles the expressions of one policy or webhook, variables first.
pub struct Written {
    params: bool,
    /// None where an expression cannot mention variables at all.
    variables: Option<Variables>,
}

impl Written {
    /// For the match conditions of a webhook.
    pub fn webhook() -> Written {
        Written { params: false, variables: None }
    }

    /// For a policy, by its `spec`. A validating one without variables does not know the word.
    pub fn policy(spec: &Value, mutating: bool) -> Written {
        let params = !spec["paramKind"].is_null();
        let has_variables = !crate::object::items(&spec["variables"]).is_empty();
        let declared = Declared { params, authorizer: true, patch_types: false };
        Written { params, variables: (mutating || has_variables).then(|| Variables::new(declared)) }
    }

    /// Declares a variable.
    pub fn declare(&mut self, name: &str, text: &str) -> Option<Unusable> {
        self.variables.as_mut()?.declare(name, text).program.err()
    }

    /// What is wrong with an expression.
    pub fn problem(&self, text: &str, purpose: Purpose) -> Option<Unusable> {
        let (authorizer, patch_types) = match purpose {
            Purpose::Message => (false, false),
            Purpose::ApplyConfiguration | Purpose::JsonPatch => (true, true),
            _ => (true, false),
        };
        let declared = Declared { params: self.params, authorizer, patch_types };
        // Match conditions are looked at before there are variables.
        let variables = self.variables.as_ref().filter(|_| purpose != Purpose::MatchCondition);
        let env = environment(declared, variables.map(|variables| &variables.seen));
        let returns: &[Type] = match purpose {
            Purpose::MatchCondition | Purpose::Validation => &[Type::Bool],
            Purpose::Message => &[Type::String],
            Purpose::AuditAnnotation => &[Type::String, Type::Null],
            Purpose::ApplyConfiguration => &[message("Object")],
            Purpose::JsonPatch => &[Type::list(message("JSONPatch"))],
        };
        Expression::compile(&env, text, returns).program.err()
    }
}
