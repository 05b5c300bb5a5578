//! Node selectors and node affinity: parsed with the pod, compiled to symbols once per scheduling cycle.

use k8s_openapi::api::core::v1::{self, NodeSelectorRequirement};

use crate::node::{NodeInfo, Symbol, Symbols};

/// Which nodes a pod must run on: its `nodeSelector` and its required node affinity, both.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RequiredNodes {
    pub labels: Vec<(Box<str>, Box<str>)>,
    /// One of these must match, where there are any.
    pub terms: Option<Vec<Term>>,
}

/// All of these must match; a term without any matches no node.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Term {
    pub expressions: Vec<Requirement>,
    pub fields: Vec<Requirement>,
}

/// One requirement on a label or field.
#[derive(Clone, Debug, PartialEq)]
pub struct Requirement {
    pub key: Box<str>,
    pub operator: Box<str>,
    pub values: Vec<Box<str>>,
}

impl Term {
    pub fn parse(term: &v1::NodeSelectorTerm) -> Self {
        let parse = |requirements: &Option<Vec<NodeSelectorRequirement>>| {
            let requirement = |requirement: &NodeSelectorRequirement| Requirement {
                key: requirement.key.as_str().into(),
                operator: requirement.operator.as_str().into(),
                values: requirement.values.iter().flatten().map(|value| value.as_str().into()).collect(),
            };
            requirements.iter().flatten().map(requirement).collect()
        };
        Term { expressions: parse(&term.match_expressions), fields: parse(&term.match_fields) }
    }

    /// The names this term restricts the node to by `metadata.name`, if it does.
    pub fn node_names(&self) -> Option<Vec<&str>> {
        let mut names: Option<Vec<&str>> = None;
        for field in self.fields.iter().filter(|field| &*field.key == "metadata.name" && &*field.operator == "In") {
            let these: Vec<&str> = field.values.iter().map(|value| &**value).collect();
            names = Some(match names {
                None => these,
                Some(names) => names.into_iter().filter(|name| these.contains(name)).collect(),
            });
        }
        names
    }
}

/// [`RequiredNodes`] with its strings looked up, to be asked about many nodes.
#[derive(Clone, Debug, Default)]
pub struct Compiled {
    /// None where no node has such a label.
    labels: Vec<Option<(Symbol, Symbol)>>,
    terms: Option<Vec<CompiledTerm>>,
}

/// [`Term`] with its strings looked up.
#[derive(Clone, Debug)]
pub struct CompiledTerm {
    expressions: Vec<Check>,
    fields: Vec<Requirement>,
}

#[derive(Clone, Debug)]
enum Check {
    In(Symbol, Vec<Symbol>),
    NotIn(Symbol, Vec<Symbol>),
    Exists(Symbol),
    DoesNotExist(Symbol),
    /// The label as an integer is greater than this, or with the flag, less.
    Compare(Symbol, i64, bool),
    Always,
    Never,
}

impl Compiled {
    pub fn new(required: &RequiredNodes, symbols: &Symbols) -> Self {
        let label = |(key, value): &(Box<str>, Box<str>)| Some((symbols.get(key)?, symbols.get(value)?));
        let compile = |term: &Term| CompiledTerm::new(term, symbols);
        Compiled {
            labels: required.labels.iter().map(label).collect(),
            terms: required.terms.as_ref().map(|terms| terms.iter().map(compile).collect()),
        }
    }

    pub fn matches(&self, node: &NodeInfo, symbols: &Symbols) -> bool {
        self.labels.iter().all(|label| label.is_some_and(|(key, value)| node.label(key) == Some(value)))
            && self.terms.as_ref().is_none_or(|terms| terms.iter().any(|term| term.matches(node, symbols)))
    }
}

impl CompiledTerm {
    pub fn new(term: &Term, symbols: &Symbols) -> Self {
        let check = |requirement: &Requirement| {
            let values = || requirement.values.iter().filter_map(|value| symbols.get(value)).collect();
            let number = requirement.values.first().and_then(|value| value.parse().ok());
            match (&*requirement.operator, symbols.get(&requirement.key)) {
                ("In" | "Exists" | "Gt" | "Lt", None) => Check::Never,
                ("NotIn" | "DoesNotExist", None) => Check::Always,
                ("In", Some(key)) => Check::In(key, values()),
                ("NotIn", Some(key)) => Check::NotIn(key, values()),
                ("Exists", Some(key)) => Check::Exists(key),
                ("DoesNotExist", Some(key)) => Check::DoesNotExist(key),
                (operator @ ("Gt" | "Lt"), Some(key)) => {
                    number.map_or(Check::Never, |number| Check::Compare(key, number, operator == "Lt"))
                }
                _ => Check::Never,
            }
        };
        CompiledTerm { expressions: term.expressions.iter().map(check).collect(), fields: term.fields.clone() }
    }

    pub fn matches(&self, node: &NodeInfo, symbols: &Symbols) -> bool {
        let label_fits = |check: &Check| match check {
            Check::In(key, values) => node.label(*key).is_some_and(|value| values.contains(&value)),
            Check::NotIn(key, values) => node.label(*key).is_none_or(|value| !values.contains(&value)),
            Check::Exists(key) => node.label(*key).is_some(),
            Check::DoesNotExist(key) => node.label(*key).is_none(),
            Check::Compare(key, limit, less) => {
                let value = node.label(*key).and_then(|value| symbols.text(value).parse::<i64>().ok());
                value.is_some_and(|value| if *less { value < *limit } else { value > *limit })
            }
            Check::Always => true,
            Check::Never => false,
        };
        let field_fits = |field: &Requirement| {
            let among = field.values.iter().any(|value| **value == *node.name);
            match (&*field.key, &*field.operator) {
                ("metadata.name", "In") => among,
                ("metadata.name", "NotIn") => !among,
                _ => false,
            }
        };
        !(self.expressions.is_empty() && self.fields.is_empty())
            && self.expressions.iter().all(label_fits)
            && self.fields.iter().all(field_fits)
    }
}
