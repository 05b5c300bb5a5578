//! The static estimate: what an expression can cost at least and at most, as upstream's library computes it.

use std::collections::HashMap;

use crate::ast::{Comprehension, Id, Kind, Literal};
use crate::call_cost::Node;
use crate::check::Checked;
use crate::env::Env;
use crate::macros::ACCUMULATOR;
use crate::types::{Name, Type};

/// A range of costs. Sums and products saturate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CostEstimate {
    pub min: u64,
    pub max: u64,
}

/// A range of sizes: characters, bytes, items or entries.
pub(crate) type Size = CostEstimate;

pub(crate) const UNKNOWN: Size = Size { min: 0, max: u64::MAX };

impl CostEstimate {
    pub(crate) const fn fixed(cost: u64) -> CostEstimate {
        CostEstimate { min: cost, max: cost }
    }

    #[must_use]
    pub(crate) fn plus(self, other: CostEstimate) -> CostEstimate {
        CostEstimate { min: self.min.saturating_add(other.min), max: self.max.saturating_add(other.max) }
    }

    #[must_use]
    pub(crate) fn times(self, other: CostEstimate) -> CostEstimate {
        CostEstimate { min: self.min.saturating_mul(other.min), max: self.max.saturating_mul(other.max) }
    }

    /// Times a factor, rounded up.
    #[must_use]
    pub(crate) fn scaled(self, factor: f64) -> CostEstimate {
        CostEstimate { min: scaled(self.min, factor), max: scaled(self.max, factor) }
    }

    #[must_use]
    pub(crate) fn union(self, other: CostEstimate) -> CostEstimate {
        CostEstimate { min: self.min.min(other.min), max: self.max.max(other.max) }
    }
}

/// Doubles saturate when they are made whole numbers.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "upstream counts in doubles"
)]
fn scaled(number: u64, factor: f64) -> u64 {
    (number as f64 * factor).ceil() as u64
}

/// What is known of the sizes of a list's or a map's entries.
#[derive(Clone, Copy, Debug)]
struct Entries {
    list: bool,
    key: Size,
    value: Size,
}

struct Local {
    name: Name,
    path: Vec<Name>,
    size: Option<Size>,
    entries: Option<Entries>,
}

pub(crate) struct Estimator<'c> {
    env: &'c Env,
    checked: &'c Checked,
    paths: HashMap<Id, Vec<Name>>,
    locals: Vec<Local>,
    sizes: HashMap<Id, Size>,
    entries: HashMap<Id, Entries>,
}

pub(crate) fn estimate(env: &Env, checked: &Checked) -> CostEstimate {
    let mut estimator = Estimator {
        env,
        checked,
        paths: HashMap::new(),
        locals: Vec::new(),
        sizes: HashMap::new(),
        entries: HashMap::new(),
    };
    estimator.cost(checked.ast.root)
}

const ONE: CostEstimate = CostEstimate::fixed(1);

impl Estimator<'_> {
    fn cost(&mut self, id: Id) -> CostEstimate {
        match self.checked.ast.kind(id) {
            Kind::Unspecified | Kind::Literal(_) => CostEstimate::default(),
            Kind::Ident(name) => {
                let path = match self.local(name) {
                    Some(local) => local.path.clone(),
                    None => vec![name.clone()],
                };
                self.paths.insert(id, path);
                ONE
            }
            Kind::Select { operand, field, test } => self.select(id, *operand, field, *test),
            Kind::Call { .. } => self.call(id),
            Kind::List { elements, .. } => {
                let mut sum = CostEstimate::default();
                let mut size = Size { min: if elements.is_empty() { 0 } else { u64::MAX }, max: 0 };
                for element in elements {
                    sum = sum.plus(self.cost(*element));
                    size = size.union(self.size_or_unknown(*element));
                }
                self.entries.insert(id, Entries { list: true, key: Size::fixed(1), value: size });
                sum.plus(CostEstimate::fixed(10))
            }
            Kind::Map(map) => {
                let mut sum = CostEstimate::default();
                let none = Size { min: if map.is_empty() { 0 } else { u64::MAX }, max: 0 };
                let (mut key, mut value) = (none, none);
                for entry in map {
                    sum = sum.plus(self.cost(entry.key)).plus(self.cost(entry.value));
                    key = key.union(self.size_or_unknown(entry.key));
                    value = value.union(self.size_or_unknown(entry.value));
                }
                self.entries.insert(id, Entries { list: false, key, value });
                sum.plus(CostEstimate::fixed(30))
            }
            Kind::Struct { fields, .. } => {
                let mut sum = CostEstimate::default();
                for field in fields {
                    sum = sum.plus(self.cost(field.value));
                }
                sum.plus(CostEstimate::fixed(40))
            }
            Kind::Comprehension(c) if &*c.accumulator != ACCUMULATOR => self.bind(id, c),
            Kind::Comprehension(c) => self.comprehension(id, c),
        }
    }

    fn local(&self, name: &str) -> Option<&Local> {
        self.locals.iter().rev().find(|local| &*local.name == name)
    }

    fn select(&mut self, id: Id, operand: Id, field: &Name, test: bool) -> CostEstimate {
        if self.checked.references[id as usize].is_some() {
            // A qualified name of one variable or type.
            return ONE;
        }
        let sum = self.cost(operand);
        if test {
            return sum;
        }
        let counted = matches!(self.type_of(operand), Type::Map(..) | Type::Struct(_) | Type::Param(_))
            || is_library_struct(self.type_of(operand));
        let mut path = self.path(operand);
        path.push(field.clone());
        self.paths.insert(id, path);
        if counted { sum.plus(ONE) } else { sum }
    }

    fn call(&mut self, id: Id) -> CostEstimate {
        let Kind::Call { target, function, args } = self.checked.ast.kind(id) else { return CostEstimate::default() };
        let (target, function, args) = (*target, function.clone(), args.clone());
        if &*function == "dyn" && args.len() == 1 {
            let cost = self.cost(args[0]);
            self.copy_sizes(id, args[0]);
            return ONE.plus(cost);
        }
        let mut arg_costs = Vec::with_capacity(args.len());
        let mut nodes = Vec::with_capacity(args.len());
        for arg in &args {
            arg_costs.push(self.cost(*arg));
            nodes.push(self.node(*arg));
        }
        let overloads = self.checked.overloads(id).to_vec();
        if overloads.is_empty() {
            return CostEstimate::default();
        }
        let target_cost = target.map_or_else(CostEstimate::default, |target| self.cost(target));
        let target = target.map(|target| self.node(target));
        let mut cost = CostEstimate { min: u64::MAX, max: 0 };
        let mut result: Option<Size> = None;
        for overload in overloads {
            let (of_overload, size) = self.overload_cost(id, &function, overload, target.as_ref(), &nodes, &arg_costs);
            cost = cost.union(of_overload);
            if let Some(size) = size {
                result = Some(result.map_or(size, |before| before.union(size)));
            }
            let step = match overload {
                "index_list" => Some("@items"),
                "index_map" => Some("@values"),
                _ => None,
            };
            if let (Some(step), Some(container)) = (step, args.first()) {
                result = self.entries_of(*container).map(|entries| entries.value);
                let mut path = self.path(*container);
                path.push(step.into());
                self.paths.insert(id, path);
            }
            if result.is_none() {
                result = self.size(id);
            }
        }
        if let Some(size) = result {
            self.sizes.insert(id, size);
        }
        target_cost.plus(cost)
    }

    fn overload_cost(
        &mut self,
        id: Id,
        function: &str,
        overload: &str,
        target: Option<&Node>,
        args: &[Node],
        arg_costs: &[CostEstimate],
    ) -> (CostEstimate, Option<Size>) {
        let sum = arg_costs.iter().fold(CostEstimate::default(), |sum, cost| sum.plus(*cost));
        if let Some((cost, size)) = crate::call_cost::of_library(self.env, function, overload, target, args) {
            return (cost.plus(sum), size);
        }
        match (overload, args) {
            ("logical_or" | "logical_and", [_, _]) => {
                let (left, right) = (arg_costs[0], arg_costs[1]);
                (CostEstimate { min: left.min, max: left.plus(right).max }, None)
            }
            ("conditional", [_, yes, no]) => {
                let size = yes.known_size().union(no.known_size());
                if let (Some(a), Some(b)) = (self.entries_of(yes.id), self.entries_of(no.id)) {
                    self.entries.insert(id, join(a, b));
                }
                (arg_costs[0].plus(arg_costs[1].union(arg_costs[2])), Some(size))
            }
            ("add_string" | "add_bytes" | "add_list", [left, right]) => {
                let size = left.known_size().plus(right.known_size());
                if let (Some(a), Some(b)) = (self.entries_of(left.id), self.entries_of(right.id)) {
                    self.entries.insert(id, join(a, b));
                }
                let cost = if overload == "add_list" { ONE } else { size.scaled(0.1) };
                (cost.plus(sum), Some(size))
            }
            _ => {
                let (cost, size) = crate::call_cost::of_standard(overload, target, args);
                (cost.plus(sum), size)
            }
        }
    }

    fn bind(&mut self, id: Id, c: &Comprehension) -> CostEstimate {
        let sum = self.cost(c.range).plus(self.cost(c.init));
        self.push_bound(&c.accumulator, c.init);
        let sum = sum.plus(self.cost(c.result));
        self.locals.pop();
        self.copy_sizes(id, c.result);
        sum
    }

    fn push_bound(&mut self, name: &Name, value: Id) {
        let local = Local {
            name: name.clone(),
            path: self.path(value),
            size: self.size(value),
            entries: self.entries_of(value),
        };
        self.locals.push(local);
    }

    fn comprehension(&mut self, id: Id, c: &Comprehension) -> CostEstimate {
        let sum = self.cost(c.range).plus(self.cost(c.init));
        self.push_bound(&c.accumulator, c.init);
        let before = self.locals.len();
        let entries = self.entries_of(c.range);
        let list = entries.map_or_else(|| matches!(self.type_of(c.range), Type::List(_)), |entries| entries.list);
        let path = self.path(c.range);
        let mut push = |name: &Name, step: &str, size: Option<Size>| {
            let mut path = path.clone();
            path.push(step.into());
            self.locals.push(Local { name: name.clone(), path, size, entries: None });
        };
        let keys = entries.map(|entries| entries.key);
        let values = entries.map(|entries| entries.value);
        match &c.variable2 {
            Some(second) => {
                push(&c.variable, if list { "@indices" } else { "@keys" }, keys);
                push(second, if list { "@items" } else { "@values" }, values);
            }
            None if list => push(&c.variable, "@items", values),
            None => push(&c.variable, "@keys", keys),
        }
        let round = self.cost(c.condition).plus(self.cost(c.step));
        self.locals.truncate(before);
        let sum = sum.plus(self.cost(c.result));
        self.locals.pop();
        let rounds = self.size_or_unknown(c.range);
        match self.checked.ast.kind(c.init) {
            Kind::Literal(_) => {
                if let Some(size) = self.size(c.init) {
                    self.sizes.insert(id, size);
                }
            }
            Kind::List { .. } | Kind::Map(_) => {
                self.sizes.insert(id, rounds);
                if let Some(entries) = self.entries_of(c.step) {
                    self.entries.insert(id, entries);
                }
            }
            _ => {}
        }
        sum.plus(rounds.times(round))
    }

    fn type_of(&self, id: Id) -> &Type {
        self.checked.type_of(id)
    }

    fn path(&self, id: Id) -> Vec<Name> {
        if let Kind::Ident(name) = self.checked.ast.kind(id)
            && let Some(local) = self.local(name)
        {
            return local.path.clone();
        }
        self.paths.get(&id).cloned().unwrap_or_default()
    }

    fn copy_sizes(&mut self, to: Id, from: Id) {
        if let Some(size) = self.size(from) {
            self.sizes.insert(to, size);
        }
        if let Some(entries) = self.entries_of(from) {
            self.entries.insert(to, entries);
        }
    }

    fn size_or_unknown(&mut self, id: Id) -> Size {
        self.size(id).unwrap_or(UNKNOWN)
    }

    fn size(&mut self, id: Id) -> Option<Size> {
        if let Some(size) = self.sizes.get(&id) {
            return Some(*size);
        }
        match self.checked.ast.kind(id) {
            Kind::Literal(literal) => {
                return Some(Size::fixed(match literal {
                    Literal::String(text) => text.chars().count() as u64,
                    Literal::Bytes(bytes) => bytes.len() as u64,
                    _ => 1,
                }));
            }
            Kind::List { elements, .. } => return Some(Size::fixed(elements.len() as u64)),
            Kind::Map(entries) => return Some(Size::fixed(entries.len() as u64)),
            _ => {}
        }
        if let Some(max) = self.env.size_at(&self.path(id)) {
            let size = Size { min: 0, max };
            self.sizes.insert(id, size);
            return Some(size);
        }
        if self.type_of(id).is_scalar() {
            return Some(Size::fixed(1));
        }
        match self.checked.ast.kind(id) {
            Kind::Ident(name) => self.local(name).and_then(|local| local.size),
            _ => None,
        }
    }

    fn entries_of(&self, id: Id) -> Option<Entries> {
        if let Some(entries) = self.entries.get(&id) {
            return Some(*entries);
        }
        match self.checked.ast.kind(id) {
            Kind::Ident(name) => self.local(name).and_then(|local| local.entries),
            _ => None,
        }
    }

    fn node(&mut self, id: Id) -> Node {
        let mut path = self.path(id);
        if path.first().is_some_and(|root| &**root == ACCUMULATOR || &**root == "__result__") {
            path.clear();
        }
        let literal = match self.checked.ast.kind(id) {
            Kind::Literal(Literal::Int(number)) => Some(*number),
            _ => None,
        };
        Node { id, path, of: self.type_of(id).clone(), size: self.size(id), literal }
    }
}

/// Types of libraries that upstream declares as objects.
fn is_library_struct(of: &Type) -> bool {
    matches!(of, Type::Opaque(name, _) if name.starts_with("kubernetes."))
}

fn join(a: Entries, b: Entries) -> Entries {
    Entries { list: a.list, key: a.key.union(b.key), value: a.value.union(b.value) }
}
