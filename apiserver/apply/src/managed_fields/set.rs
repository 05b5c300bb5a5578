//! A set of paths to fields, as a tree.

use std::cmp::Ordering;

use serde_json::{Map, Value};

use super::element::{ElementError, PathElement};

/// A set of paths: who owns what. Nodes are sorted; a node is a member, has nodes below it, or both.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldSet {
    nodes: Vec<FieldNode>,
}

/// One step of some paths in a set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldNode {
    pub element: PathElement,
    /// Whether the path that ends here is in the set.
    pub member: bool,
    /// The paths in the set that go on from here.
    pub children: FieldSet,
}

impl FieldNode {
    fn is_empty(&self) -> bool {
        !self.member && self.children.is_empty()
    }
}

impl FieldSet {
    /// The set without paths.
    pub const fn new() -> FieldSet {
        FieldSet { nodes: Vec::new() }
    }

    /// The set of these paths of field names, for example `[&["spec", "replicas"]]`.
    pub fn of_fields(paths: &[&[&str]]) -> FieldSet {
        let mut set = FieldSet::new();
        for path in paths {
            set.insert(path.iter().map(|name| PathElement::field(name)));
        }
        set
    }

    /// A set of nodes that are in any order but distinct; empty ones are dropped.
    pub(crate) fn of_nodes(mut nodes: Vec<FieldNode>) -> FieldSet {
        nodes.retain(|node| !node.is_empty());
        if !nodes.is_sorted_by(|left, right| left.element < right.element) {
            nodes.sort_by(|left, right| left.element.cmp(&right.element));
        }
        FieldSet { nodes }
    }

    /// The nodes at the top, sorted.
    pub fn nodes(&self) -> &[FieldNode] {
        &self.nodes
    }

    /// Whether there is no path.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// How many paths there are.
    pub fn len(&self) -> usize {
        self.nodes.iter().map(|node| usize::from(node.member) + node.children.len()).sum()
    }

    /// Adds a path; the empty path, the whole object, is owned by no one.
    pub fn insert(&mut self, path: impl IntoIterator<Item = PathElement>) {
        let mut path = path.into_iter().peekable();
        let mut set = self;
        while let Some(element) = path.next() {
            let node = set.descend(element);
            if path.peek().is_none() {
                node.member = true;
                return;
            }
            set = &mut node.children;
        }
    }

    fn descend(&mut self, element: PathElement) -> &mut FieldNode {
        let at = match self.position(&element) {
            Ok(at) => at,
            Err(at) => {
                self.nodes.insert(at, FieldNode { element, member: false, children: FieldSet::new() });
                at
            }
        };
        &mut self.nodes[at]
    }

    fn position(&self, element: &PathElement) -> Result<usize, usize> {
        self.nodes.binary_search_by(|node| node.element.cmp(element))
    }

    /// The node of `element`.
    pub fn get(&self, element: &PathElement) -> Option<&FieldNode> {
        self.position(element).ok().map(|at| &self.nodes[at])
    }

    /// The node of the field with this name.
    pub fn get_field(&self, name: &str) -> Option<&FieldNode> {
        let found = self.nodes.binary_search_by(|node| match &node.element {
            PathElement::Field(field) => field.as_str().cmp(name),
            _ => Ordering::Greater,
        });
        found.ok().map(|at| &self.nodes[at])
    }

    /// Whether the path is in the set.
    pub fn contains(&self, path: &[PathElement]) -> bool {
        let Some((last, parents)) = path.split_last() else { return false };
        let mut set = self;
        for element in parents {
            match set.get(element) {
                Some(node) => set = &node.children,
                None => return false,
            }
        }
        set.get(last).is_some_and(|node| node.member)
    }

    /// Calls `visit` with every path, parents before children.
    pub fn for_each<'s>(&'s self, visit: &mut dyn FnMut(&[&'s PathElement])) {
        fn walk<'s>(set: &'s FieldSet, path: &mut Vec<&'s PathElement>, visit: &mut dyn FnMut(&[&'s PathElement])) {
            // Upstream names all members of a level before it goes down.
            for node in set.nodes.iter().filter(|node| node.member) {
                path.push(&node.element);
                visit(path);
                path.pop();
            }
            for node in set.nodes.iter().filter(|node| !node.children.is_empty()) {
                path.push(&node.element);
                walk(&node.children, path, visit);
                path.pop();
            }
        }
        walk(self, &mut Vec::new(), visit);
    }

    /// Adds all paths of `other`.
    pub fn unite(&mut self, other: FieldSet) {
        if self.is_empty() {
            *self = other;
            return;
        }
        for node in other.nodes {
            match self.position(&node.element) {
                Ok(at) => {
                    self.nodes[at].member |= node.member;
                    self.nodes[at].children.unite(node.children);
                }
                Err(at) => self.nodes.insert(at, node),
            }
        }
    }

    /// The paths in either set.
    pub fn union(&self, other: &FieldSet) -> FieldSet {
        let mut out = self.clone();
        out.unite(other.clone());
        out
    }

    /// Removes the paths of `other`; answers whether anything went.
    pub fn subtract(&mut self, other: &FieldSet) -> bool {
        let mut changed = false;
        for gone in &other.nodes {
            let Ok(at) = self.position(&gone.element) else { continue };
            let node = &mut self.nodes[at];
            if node.member && gone.member {
                node.member = false;
                changed = true;
            }
            changed |= node.children.subtract(&gone.children);
            if node.is_empty() {
                self.nodes.remove(at);
            }
        }
        changed
    }

    /// The paths in this set only.
    pub fn difference(&self, other: &FieldSet) -> FieldSet {
        let mut out = self.clone();
        out.subtract(other);
        out
    }

    /// Removes the paths of `other` and all paths below them.
    pub fn subtract_recursively(&mut self, other: &FieldSet) {
        for gone in &other.nodes {
            let Ok(at) = self.position(&gone.element) else { continue };
            let node = &mut self.nodes[at];
            if !gone.member {
                node.children.subtract_recursively(&gone.children);
            }
            if gone.member || node.is_empty() {
                self.nodes.remove(at);
            }
        }
    }

    /// The paths in both sets.
    pub fn intersection(&self, other: &FieldSet) -> FieldSet {
        let (small, large) = if self.nodes.len() <= other.nodes.len() { (self, other) } else { (other, self) };
        let mut nodes = Vec::new();
        for node in &small.nodes {
            let Some(partner) = large.get(&node.element) else { continue };
            let shared = FieldNode {
                element: node.element.clone(),
                member: node.member && partner.member,
                children: node.children.intersection(&partner.children),
            };
            if !shared.is_empty() {
                nodes.push(shared);
            }
        }
        FieldSet { nodes }
    }

    /// The members that have no paths below them.
    pub fn leaves(&self) -> FieldSet {
        let leaf = |node: &FieldNode| FieldNode {
            element: node.element.clone(),
            member: node.member && node.children.is_empty(),
            children: node.children.leaves(),
        };
        FieldSet { nodes: self.nodes.iter().map(leaf).collect() }
    }

    /// Reads `fieldsV1`. Elements of an unknown type are skipped.
    pub fn from_value(fields: &Value) -> Result<FieldSet, String> {
        Ok(Self::read(fields)?.0)
    }

    /// The paths below a node and whether the node itself is a member.
    fn read(fields: &Value) -> Result<(FieldSet, bool), String> {
        let map = match fields {
            Value::Object(map) => map,
            Value::Null => return Ok((FieldSet::new(), true)),
            _ => return Err("expect { or n".to_owned()),
        };
        let mut member = false;
        let mut nodes: Vec<FieldNode> = Vec::with_capacity(map.len());
        for (key, below) in map {
            if key == "." {
                member = true;
                continue;
            }
            let element = match PathElement::parse(key) {
                Ok(element) => element,
                Err(ElementError::Unknown) => continue,
                Err(ElementError::Malformed(cause)) => return Err(format!("parsing key as path element: {cause}")),
            };
            let (children, member) = Self::read(below)?;
            nodes.push(FieldNode { element, member, children });
        }
        member |= nodes.is_empty();
        let mut set = Self::of_nodes(nodes);
        // Two spellings of one element (`v:1`, `v:1.0`) are one.
        set.nodes.dedup_by(|later, earlier| {
            let same = later.element == earlier.element;
            if same {
                earlier.member |= later.member;
                earlier.children.unite(std::mem::take(&mut later.children));
            }
            same
        });
        Ok((set, member))
    }

    /// Reads the text of `fieldsV1`.
    pub fn parse(text: &str) -> Result<FieldSet, String> {
        let value: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
        Self::from_value(&value)
    }

    /// The value of `fieldsV1`. A JSON object of `Value` sorts its members by name, which for list elements
    /// with numbers in their keys is not upstream's order; [`FieldSet::to_json`] has that.
    pub fn to_value(&self) -> Value {
        Value::Object(self.write(false))
    }

    fn write(&self, with_self: bool) -> Map<String, Value> {
        let mut map = Map::new();
        if with_self {
            map.insert(".".to_owned(), Value::Object(Map::new()));
        }
        for node in &self.nodes {
            let below = node.children.write(node.member && !node.children.is_empty());
            map.insert(node.element.serialize(), Value::Object(below));
        }
        map
    }

    /// The text of `fieldsV1`, byte for byte as upstream writes it.
    pub fn to_json(&self) -> String {
        let mut out = String::new();
        self.push_json(false, &mut out);
        out
    }

    fn push_json(&self, with_self: bool, out: &mut String) {
        out.push('{');
        if with_self {
            out.push_str("\".\":{}");
        }
        for (at, node) in self.nodes.iter().enumerate() {
            if at > 0 || with_self {
                out.push(',');
            }
            out.push_str(&Value::String(node.element.serialize()).to_string());
            out.push(':');
            node.children.push_json(node.member && !node.children.is_empty(), out);
        }
        out.push('}');
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn set(text: &str) -> FieldSet {
        FieldSet::parse(text).expect(text)
    }

    const POD: &str = r#"{"f:metadata":{"f:labels":{".":{},"f:app":{}}},"f:spec":{"f:containers":{"k:{\"name\":\"a\"}":{".":{},"f:image":{},"f:ports":{".":{},"k:{\"containerPort\":80,\"protocol\":\"TCP\"}":{".":{},"f:containerPort":{}},"k:{\"containerPort\":443,\"protocol\":\"TCP\"}":{".":{}}}}}}}"#;

    #[test]
    fn writes_what_it_reads() {
        for text in ["{}", r#"{"f:a":{}}"#, r#"{"f:a":{".":{},"f:b":{}},"v:1":{},"i:3":{}}"#] {
            assert_eq!(set(text).to_json(), text);
        }
        // A lone dot is the node itself.
        assert_eq!(set(POD).to_json(), POD.replace(r#":{".":{}}}}"#, ":{}}}"));
        assert_eq!(FieldSet::from_value(&set(POD).to_value()), Ok(set(POD)));
    }

    #[test]
    fn skips_unknown_elements_and_refuses_garbage() {
        assert_eq!(set(r#"{"f:a":{"q:x":{}}}"#), set(r#"{"f:a":{}}"#));
        for text in [r#"{"f:a":1}"#, r#"{"a":{}}"#, "[]", r#"{"f:a":{"k:x":{}}}"#, "1"] {
            assert!(FieldSet::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn set_algebra() {
        let left = set(r#"{"f:a":{".":{},"f:b":{},"f:c":{}},"f:d":{}}"#);
        let right = set(r#"{"f:a":{"f:b":{},"f:x":{}},"f:e":{}}"#);
        assert_eq!(left.union(&right), set(r#"{"f:a":{".":{},"f:b":{},"f:c":{},"f:x":{}},"f:d":{},"f:e":{}}"#));
        assert_eq!(left.intersection(&right), set(r#"{"f:a":{"f:b":{}}}"#));
        assert_eq!(left.difference(&right), set(r#"{"f:a":{".":{},"f:c":{}},"f:d":{}}"#));
        assert_eq!(left.leaves(), set(r#"{"f:a":{"f:b":{},"f:c":{}},"f:d":{}}"#));
        let mut cut = left.clone();
        cut.subtract_recursively(&set(r#"{"f:a":{}}"#));
        assert_eq!(cut, set(r#"{"f:d":{}}"#));
        assert_eq!(left.len(), 4);
        assert!(left.contains(&[PathElement::field("a"), PathElement::field("b")]));
        assert!(!left.contains(&[PathElement::field("x")]));
        assert!(!left.contains(&[]));
    }

    #[test]
    fn names_members_before_going_down() {
        let mut paths = Vec::new();
        set(r#"{"f:a":{"f:b":{}},"f:z":{}}"#).for_each(&mut |path| {
            paths.push(path.iter().map(|element| element.to_string()).collect::<String>());
        });
        assert_eq!(paths, [".z", ".a.b"]);
    }

    fn any_element() -> impl Strategy<Value = PathElement> {
        prop_oneof![
            "[a-c]".prop_map(|name| PathElement::field(&name)),
            (0..3i64, "[a-b]").prop_map(|(port, name)| PathElement::key(vec![
                ("port".into(), port.into()),
                ("name".into(), name.into()),
            ])),
            "[a-c]".prop_map(|value| PathElement::Value(Box::new(value.into()))),
            (0..3i64).prop_map(PathElement::Index),
        ]
    }

    fn any_set() -> impl Strategy<Value = FieldSet> {
        prop::collection::vec(prop::collection::vec(any_element(), 1..4), 0..8).prop_map(|paths| {
            let mut set = FieldSet::new();
            paths.into_iter().for_each(|path| set.insert(path));
            set
        })
    }

    proptest! {
        #[test]
        fn round_trips(set in any_set()) {
            prop_assert_eq!(FieldSet::parse(&set.to_json()), Ok(set.clone()));
            prop_assert_eq!(FieldSet::from_value(&set.to_value()), Ok(set));
        }

        #[test]
        fn algebra_holds(left in any_set(), right in any_set()) {
            let both = left.intersection(&right);
            prop_assert_eq!(&both, &right.intersection(&left));
            prop_assert_eq!(left.difference(&right).union(&both), left.clone());
            prop_assert!(left.difference(&right).intersection(&right).is_empty());
            prop_assert_eq!(left.union(&right), right.union(&left));
            prop_assert_eq!(left.union(&right).len(), left.len() + right.len() - both.len());
            let mut cut = left.clone();
            cut.subtract_recursively(&right);
            prop_assert_eq!(cut.intersection(&right), FieldSet::new());
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC*") {
            let _ = FieldSet::parse(&text);
            let _ = PathElement::parse(&text);
        }

        #[test]
        fn no_keys_make_it_panic(keys in prop::collection::vec("[fkvi.é]:?(\\{\"a\":[0-9]\\}|[a-z0-9]{0,3}|\"x\")", 0..6)) {
            let map: Map<String, Value> = keys.into_iter().map(|key| (key, Value::Object(Map::new()))).collect();
            if let Ok(set) = FieldSet::from_value(&Value::Object(map)) {
                prop_assert_eq!(FieldSet::parse(&set.to_json()), Ok(set));
            }
        }
    }
}
