//! What was removed, modified and added between two values, in one walk.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use serde_json::Value;

use super::place::{Atom, Deduction, List, Members, Place};
use crate::managed_fields::{FieldNode, FieldSet, Filter, PathElement, same_value};

/// The paths that differ between two values; none is in more than one set.
#[derive(Clone, Debug, Default)]
pub(crate) struct Comparison {
    pub removed: FieldSet,
    pub modified: FieldSet,
    pub added: FieldSet,
}

impl Comparison {
    /// Drops what a writer of this resource resets.
    pub fn filter(&mut self, filter: Option<&Filter>) {
        if let Some(filter) = filter {
            filter.apply(&mut self.removed);
            filter.apply(&mut self.modified);
            filter.apply(&mut self.added);
        }
    }

    /// What was modified or added.
    pub fn changed(&self) -> FieldSet {
        self.modified.union(&self.added)
    }
}

/// Compares `left` with `right`, both of type `place`.
///
/// The error is that of a list element without key fields.
pub(crate) fn compare(place: Place<'_>, left: &Value, right: &Value) -> Result<Comparison, String> {
    let mut diff = Diff::default();
    walk(place, Some(left), Some(right), &mut diff)?;
    Ok(Comparison {
        removed: FieldSet::of_nodes(diff.removed.nodes),
        modified: FieldSet::of_nodes(diff.modified.nodes),
        added: FieldSet::of_nodes(diff.added.nodes),
    })
}

/// The three results below one path.
#[derive(Default)]
struct Diff {
    removed: Part,
    modified: Part,
    added: Part,
}

#[derive(Default)]
struct Part {
    /// Whether the path itself is in the set.
    member: bool,
    nodes: Vec<FieldNode>,
}

impl Part {
    fn is_empty(&self) -> bool {
        !self.member && self.nodes.is_empty()
    }

    fn push(&mut self, element: &PathElement, below: Part) {
        if !below.is_empty() {
            let children = FieldSet::of_nodes(below.nodes);
            self.nodes.push(FieldNode { element: element.clone(), member: below.member, children });
        }
    }
}

impl Diff {
    fn is_empty(&self) -> bool {
        self.removed.is_empty() && self.modified.is_empty() && self.added.is_empty()
    }

    fn push(&mut self, element: &PathElement, below: Diff) {
        self.removed.push(element, below.removed);
        self.modified.push(element, below.modified);
        self.added.push(element, below.added);
    }

    fn leaf(&mut self, left: Option<&Value>, right: Option<&Value>) {
        match (left, right) {
            (None, _) => self.added.member = true,
            (_, None) => self.removed.member = true,
            (Some(left), Some(right)) => self.modified.member |= !same_value(left, right),
        }
    }
}

fn walk(place: Place<'_>, left: Option<&Value>, right: Option<&Value>, diff: &mut Diff) -> Result<(), String> {
    if left == right {
        return Ok(());
    }
    let (left_atom, left_deduced) = place.atom(left);
    let leaf = match (left, right) {
        (Some(_), None) => visit(left_atom, left, right, diff)?,
        (Some(_), Some(_)) => {
            let (right_atom, right_deduced) = place.atom(right);
            if left_deduced != right_deduced && left_deduced != Deduction::Fixed {
                visit(left_atom, left, right, diff)?;
            }
            visit(right_atom, left, right, diff)?
        }
        (None, _) => visit(place.atom(right).0, left, right, diff)?,
    };
    if !leaf {
        diff.added.member |= left.is_none();
        diff.removed.member |= right.is_none();
    }
    Ok(())
}

/// Answers whether the value was compared as a whole.
fn visit(atom: Atom<'_>, left: Option<&Value>, right: Option<&Value>, diff: &mut Diff) -> Result<bool, String> {
    match atom {
        Atom::Scalar(_) => {}
        Atom::List(list) => {
            let items = |value: Option<&'_ Value>| value.and_then(Value::as_array).map_or(0, Vec::len);
            if !list.is_atomic() && items(left) + items(right) > 0 {
                visit_items(list, left, right, diff)?;
                return Ok(false);
            }
        }
        Atom::Map(members) => {
            let size = |value: Option<&Value>| value.and_then(Value::as_object).map_or(0, |map| map.len());
            if !members.atomic && size(left) + size(right) > 0 {
                visit_members(members, left, right, diff)?;
                return Ok(false);
            }
        }
    }
    diff.leaf(left, right);
    Ok(true)
}

fn visit_members(
    members: Members<'_>,
    left: Option<&Value>,
    right: Option<&Value>,
    diff: &mut Diff,
) -> Result<(), String> {
    let mut lefts = left.and_then(Value::as_object).into_iter().flatten().peekable();
    let mut rights = right.and_then(Value::as_object).into_iter().flatten().peekable();
    loop {
        let order = match (lefts.peek(), rights.peek()) {
            (None, None) => return Ok(()),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some((left, _)), Some((right, _))) => left.cmp(right),
        };
        let left = if order.is_le() { lefts.next() } else { None };
        let right = if order.is_ge() { rights.next() } else { None };
        let Some(name) = left.or(right).map(|(name, _)| name) else { return Ok(()) };
        let (left, right) = (left.map(|(_, value)| value), right.map(|(_, value)| value));
        if left == right {
            continue;
        }
        let mut below = Diff::default();
        walk(members.place(name), left, right, &mut below)?;
        if !below.is_empty() {
            diff.push(&PathElement::field(name), below);
        }
    }
}

fn visit_items(list: List<'_>, left: Option<&Value>, right: Option<&Value>, diff: &mut Diff) -> Result<(), String> {
    // All items of either side by element; more than one of a side are duplicates.
    let mut pairs: BTreeMap<PathElement, (Vec<&Value>, Vec<&Value>)> = BTreeMap::new();
    for (at, item) in left.and_then(Value::as_array).into_iter().flatten().enumerate() {
        let element = list.element_of(item).map_err(|cause| format!("element {at}: {cause}"))?;
        pairs.entry(element).or_default().0.push(item);
    }
    for (at, item) in right.and_then(Value::as_array).into_iter().flatten().enumerate() {
        let element = list.element_of(item).map_err(|cause| format!("element {at}: {cause}"))?;
        pairs.entry(element).or_default().1.push(item);
    }
    for (element, (lefts, rights)) in &pairs {
        let mut below = Diff::default();
        match (lefts.as_slice(), rights.as_slice()) {
            (left @ ([] | [_]), right @ ([] | [_])) => {
                walk(list.element, left.first().copied(), right.first().copied(), &mut below)?;
            }
            // Duplicates on both sides are compared as one atomic value.
            ([_, _, ..], [_, _, ..]) => {
                let same = lefts.len() == rights.len()
                    && lefts.iter().zip(rights).all(|(left, right)| same_value(left, right));
                below.modified.member = !same;
            }
            // Duplicates are owned as a whole; once they are gone what is left is owned in detail.
            ([_, _, ..], right) => {
                if let Some(right) = right.first() {
                    walk(list.element, None, Some(right), &mut below)?;
                }
                below.removed.member = true;
            }
            (left, _) => {
                if let Some(left) = left.first() {
                    walk(list.element, Some(left), None, &mut below)?;
                }
                below.added.member = true;
            }
        }
        if !below.is_empty() {
            diff.push(element, below);
        }
    }
    Ok(())
}
