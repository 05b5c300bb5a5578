//! The tree of an expression, in one arena: nodes are indices, children come before their parents.

use crate::types::Name;

/// A node's place in the arena.
pub(crate) type Id = u32;

/// A literal.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Literal {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    String(Name),
    Bytes(std::sync::Arc<[u8]>),
}

#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub key: Id,
    pub value: Id,
    pub optional: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Field {
    pub at: u32,
    pub name: Name,
    pub value: Id,
    pub optional: bool,
}

/// A loop over a list or a map; macros expand to it.
#[derive(Clone, Debug)]
pub(crate) struct Comprehension {
    pub range: Id,
    pub variable: Name,
    pub variable2: Option<Name>,
    pub accumulator: Name,
    pub init: Id,
    pub condition: Id,
    pub step: Id,
    pub result: Id,
}

#[derive(Clone, Debug)]
pub(crate) enum Kind {
    /// What stands where an error was reported.
    Unspecified,
    Literal(Literal),
    Ident(Name),
    Select {
        operand: Id,
        field: Name,
        test: bool,
    },
    Call {
        target: Option<Id>,
        function: Name,
        args: Vec<Id>,
    },
    List {
        elements: Vec<Id>,
        optionals: Vec<u32>,
    },
    Map(Vec<Entry>),
    Struct {
        name: Name,
        fields: Vec<Field>,
    },
    Comprehension(Box<Comprehension>),
}

#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub kind: Kind,
    /// Where the node begins, in code points from the start of the source.
    pub at: u32,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Ast {
    pub nodes: Vec<Node>,
    pub root: Id,
}

impl Ast {
    pub fn kind(&self, id: Id) -> &Kind {
        &self.nodes[id as usize].kind
    }

    pub fn at(&self, id: Id) -> u32 {
        self.nodes[id as usize].at
    }

    pub fn add(&mut self, at: u32, kind: Kind) -> Id {
        let id = Id::try_from(self.nodes.len()).unwrap_or(Id::MAX);
        self.nodes.push(Node { kind, at });
        id
    }

    /// The dotted name that a chain of selections from an identifier spells.
    pub fn qualified_name(&self, id: Id) -> Option<String> {
        let mut parts = Vec::new();
        let mut at = id;
        loop {
            match self.kind(at) {
                Kind::Ident(name) => {
                    parts.push(&**name);
                    parts.reverse();
                    return Some(parts.join("."));
                }
                Kind::Select { operand, field, test: false } => {
                    parts.push(&**field);
                    at = *operand;
                }
                _ => return None,
            }
        }
    }

    /// The nodes directly below a node, in the order of evaluation.
    pub fn children(&self, id: Id) -> Vec<Id> {
        match self.kind(id) {
            Kind::Unspecified | Kind::Literal(_) | Kind::Ident(_) => Vec::new(),
            Kind::Select { operand, .. } => vec![*operand],
            Kind::Call { target, args, .. } => target.iter().chain(args).copied().collect(),
            Kind::List { elements, .. } => elements.clone(),
            Kind::Map(entries) => entries.iter().flat_map(|entry| [entry.key, entry.value]).collect(),
            Kind::Struct { fields, .. } => fields.iter().map(|field| field.value).collect(),
            Kind::Comprehension(c) => vec![c.range, c.init, c.condition, c.step, c.result],
        }
    }
}
