//! Kubernetes' Common Expression Language, as kube-apiserver 1.36 has it: compile once, evaluate against borrowed
//! JSON, count cost as upstream counts it. See the README for how a caller uses it. Does no I/O.

pub mod admission;
mod assign;
mod ast;
mod call_cost;
mod check;
mod cost;
mod decl_type;
mod decls;
mod env;
mod equality;
mod escaping;
mod eval;
mod functions;
mod issues;
mod lexer;
mod macros;
mod numbers;
mod parser;
mod plan;
mod program;
mod run_cost;
mod time;
mod types;
mod validate;
mod value;

pub use cost::CostEstimate;
pub use decl_type::{DeclType, ListType};
pub use env::{Env, StructTypes};
pub use escaping::{escape, is_identifier, unescape};
pub use functions::authorizer::{Attributes, Authorizer, Decision};
pub use issues::{CompileError, Issue};
pub use program::{Bindings, Fields, Outcome, Program, Unusable};
pub use time::Timestamp;
pub use types::{Name, StructType, Type};
pub use value::{Entries, ErrorKind, EvalError, Evaluated, List, Map, Object, Text, Value};

/// Upstream's limit on the cost of one evaluation.
pub const PER_CALL_LIMIT: u64 = 1_000_000;

/// Upstream's budget for all rules of one custom resource, and for all expressions of one policy in one request.
pub const RUNTIME_COST_BUDGET: u64 = 10_000_000;
