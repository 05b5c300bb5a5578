//! Which owned fields may stay in a set: the `resetFields` of a resource.

use super::element::PathElement;
use super::set::{FieldNode, FieldSet};

/// What may stay in a set of owned fields.
#[derive(Clone, Debug)]
pub enum Filter {
    /// All but these paths and everything below them.
    Exclude(FieldSet),
    /// Only paths that begin as one of these patterns, or lead to one.
    Include(Vec<Vec<Pattern>>),
}

/// One step of an include pattern.
#[derive(Clone, Debug)]
pub enum Pattern {
    Any,
    Element(PathElement),
}

impl Pattern {
    /// The step into the field with this name.
    pub fn field(name: &str) -> Pattern {
        Pattern::Element(PathElement::field(name))
    }

    fn matches(&self, element: &PathElement) -> bool {
        match self {
            Pattern::Any => true,
            Pattern::Element(wanted) => wanted == element,
        }
    }
}

impl Filter {
    /// Drops from `set` what may not stay.
    pub fn apply(&self, set: &mut FieldSet) {
        match self {
            Filter::Exclude(excluded) => set.subtract_recursively(excluded),
            Filter::Include(patterns) => {
                let patterns: Vec<&[Pattern]> = patterns.iter().map(Vec::as_slice).collect();
                *set = include(set, &patterns);
            }
        }
    }
}

/// A member on the way to a pattern stays too, as upstream: owning `spec` comes with owning `spec.x`.
fn include(set: &FieldSet, patterns: &[&[Pattern]]) -> FieldSet {
    if patterns.iter().any(|pattern| pattern.is_empty()) {
        return set.clone();
    }
    let nodes = set.nodes().iter().filter_map(|node| {
        let below: Vec<&[Pattern]> = patterns
            .iter()
            .filter_map(|pattern| pattern.split_first())
            .filter(|(first, _)| first.matches(&node.element))
            .map(|(_, rest)| rest)
            .collect();
        (!below.is_empty()).then(|| FieldNode {
            element: node.element.clone(),
            member: node.member,
            children: include(&node.children, &below),
        })
    });
    FieldSet::of_nodes(nodes.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn excludes_with_all_below() {
        let mut set = FieldSet::of_fields(&[&["spec", "a"], &["status"], &["status", "b"], &["status", "b", "c"]]);
        Filter::Exclude(FieldSet::of_fields(&[&["status"]])).apply(&mut set);
        assert_eq!(set, FieldSet::of_fields(&[&["spec", "a"]]));
    }

    #[test]
    fn includes_prefixes_with_wildcards() {
        let text = r#"{"f:metadata":{"f:labels":{}},"f:spec":{"f:containers":{"k:{\"name\":\"a\"}":{".":{},"f:image":{},"f:resources":{"f:limits":{}}}},"f:nodeName":{}}}"#;
        let mut set = FieldSet::parse(text).expect("a set");
        let resources = ["spec", "containers"].map(Pattern::field).into_iter();
        let resources = resources.chain([Pattern::Any, Pattern::field("resources")]).collect();
        Filter::Include(vec![resources]).apply(&mut set);
        let kept = r#"{"f:spec":{"f:containers":{"k:{\"name\":\"a\"}":{".":{},"f:resources":{"f:limits":{}}}}}}"#;
        assert_eq!(set.to_json(), kept);
    }
}
