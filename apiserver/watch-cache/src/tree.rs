//! An ordered set whose copies are cheap: a B-tree of shared nodes, copied only where a copy is still held.
//!
//! A snapshot is one pointer. A write beside an open snapshot copies one node per level, at most [`WIDTH`] entries each.

use std::cmp::Ordering;
use std::mem;
use std::sync::Arc;

/// The most entries in a leaf and the most children of an inner node.
const WIDTH: usize = 64;

/// What a tree holds. The order must be total, and must not change while the entry is in a tree.
pub(crate) trait Entry: Clone {
    fn order(&self, other: &Self) -> Ordering;
}

#[derive(Clone)]
pub(crate) struct Tree<T> {
    root: Arc<Node<T>>,
}

/// All leaves are at the same depth, and no node but the root is empty.
#[derive(Clone)]
enum Node<T> {
    Leaf(Vec<T>),
    Inner { len: usize, children: Vec<Arc<Node<T>>> },
}

impl<T> Default for Tree<T> {
    fn default() -> Self {
        Tree { root: Arc::new(Node::Leaf(Vec::new())) }
    }
}

impl<T: Entry> Tree<T> {
    pub(crate) fn len(&self) -> usize {
        self.root.len()
    }

    pub(crate) fn first(&self) -> Option<&T> {
        self.root.first()
    }

    /// The entry for which `order` (of the entry, relative to what is sought) is `Equal`.
    pub(crate) fn get(&self, order: impl Fn(&T) -> Ordering) -> Option<&T> {
        let mut node = &*self.root;
        loop {
            match node {
                Node::Leaf(items) => return items.get(items.binary_search_by(order).ok()?),
                Node::Inner { children, .. } => node = children.get(child_of(children, &order)?)?,
            }
        }
    }

    /// How many entries come first for which `before` holds; it must hold for a prefix of the tree.
    pub(crate) fn rank(&self, before: impl Fn(&T) -> bool) -> usize {
        let (mut node, mut rank) = (&*self.root, 0);
        loop {
            match node {
                Node::Leaf(items) => return rank + items.partition_point(before),
                Node::Inner { children, .. } => {
                    let Some(last) = starts_before(children, &before).checked_sub(1) else { return rank };
                    rank += children[..last].iter().map(|child| child.len()).sum::<usize>();
                    node = &children[last];
                }
            }
        }
    }

    /// Iterates from the first entry for which `before` does not hold. The cursor owns what it walks over.
    pub(crate) fn seek(&self, before: impl Fn(&T) -> bool) -> Cursor<T> {
        let mut stack = Vec::with_capacity(4);
        let mut node = self.root.clone();
        loop {
            let next = match &*node {
                Node::Leaf(items) => {
                    let at = items.partition_point(&before);
                    stack.push((node, at));
                    return Cursor { stack };
                }
                Node::Inner { children, .. } => {
                    let at = starts_before(children, &before).saturating_sub(1);
                    let Some(child) = children.get(at).cloned() else { return Cursor { stack } };
                    (child, at + 1)
                }
            };
            stack.push((mem::replace(&mut node, next.0), next.1));
        }
    }

    /// Puts the entry in, in the place of its equal if there is one, which is returned.
    pub(crate) fn insert(&mut self, item: T) -> Option<T> {
        let (replaced, split) = Arc::make_mut(&mut self.root).insert(item);
        if let Some(right) = split {
            let left = self.root.clone();
            self.root = Arc::new(Node::Inner { len: left.len() + right.len(), children: vec![left, right] });
        }
        replaced
    }

    /// Takes out the entry for which `order` is `Equal`.
    pub(crate) fn remove(&mut self, order: impl Fn(&T) -> Ordering) -> Option<T> {
        // Look first, so that a miss copies nothing.
        self.get(&order)?;
        let removed = Arc::make_mut(&mut self.root).remove(&order);
        loop {
            let only = match &*self.root {
                Node::Inner { children, .. } if children.len() == 1 => children[0].clone(),
                Node::Inner { children, .. } if children.is_empty() => Arc::new(Node::Leaf(Vec::new())),
                _ => return removed,
            };
            self.root = only;
        }
    }
}

impl<T: Entry> Node<T> {
    fn insert(&mut self, item: T) -> (Option<T>, Option<Arc<Node<T>>>) {
        match self {
            Node::Leaf(items) => match items.binary_search_by(|entry| entry.order(&item)) {
                Ok(at) => (Some(mem::replace(&mut items[at], item)), None),
                Err(at) if items.len() < WIDTH => {
                    items.insert(at, item);
                    (None, None)
                }
                Err(at) => {
                    // Keys often arrive in order: leave the left leaf full then, not half empty for ever.
                    let middle = if at == items.len() { WIDTH - 4 } else { WIDTH / 2 };
                    let mut right = items.split_off(middle);
                    if at < middle {
                        items.insert(at, item);
                    } else {
                        right.insert(at - middle, item);
                    }
                    (None, Some(Arc::new(Node::Leaf(right))))
                }
            },
            Node::Inner { len, children } => {
                let at = child_of(children, &|entry: &T| entry.order(&item)).unwrap_or(0);
                let (replaced, split) = Arc::make_mut(&mut children[at]).insert(item);
                if replaced.is_none() {
                    *len += 1;
                }
                let Some(split) = split else { return (replaced, None) };
                children.insert(at + 1, split);
                if children.len() <= WIDTH {
                    return (replaced, None);
                }
                let middle = if at + 2 == children.len() { WIDTH - 4 } else { WIDTH / 2 };
                let right = children.split_off(middle);
                let moved = right.iter().map(|child| child.len()).sum();
                *len -= moved;
                (replaced, Some(Arc::new(Node::Inner { len: moved, children: right })))
            }
        }
    }

    fn remove(&mut self, order: &impl Fn(&T) -> Ordering) -> Option<T> {
        match self {
            Node::Leaf(items) => {
                let at = items.binary_search_by(order).ok()?;
                Some(items.remove(at))
            }
            Node::Inner { len, children } => {
                let at = child_of(children, order)?;
                let removed = Arc::make_mut(&mut children[at]).remove(order)?;
                *len -= 1;
                let width = children[at].width();
                if width == 0 {
                    children.remove(at);
                } else if width < WIDTH / 4 && children.len() > 1 {
                    let left = at.min(children.len() - 2);
                    if children[left].width() + children[left + 1].width() <= WIDTH * 3 / 4 {
                        let right = children.remove(left + 1);
                        Arc::make_mut(&mut children[left]).append(&right);
                    }
                }
                Some(removed)
            }
        }
    }

    fn append(&mut self, right: &Node<T>) {
        match (self, right) {
            (Node::Leaf(items), Node::Leaf(more)) => items.extend_from_slice(more),
            (Node::Inner { len, children }, Node::Inner { len: moved, children: more }) => {
                *len += moved;
                children.extend_from_slice(more);
            }
            _ => unreachable!("siblings have the same height"),
        }
    }
}

impl<T> Node<T> {
    fn len(&self) -> usize {
        match self {
            Node::Leaf(items) => items.len(),
            Node::Inner { len, .. } => *len,
        }
    }

    fn width(&self) -> usize {
        match self {
            Node::Leaf(items) => items.len(),
            Node::Inner { children, .. } => children.len(),
        }
    }

    fn first(&self) -> Option<&T> {
        let mut node = self;
        loop {
            match node {
                Node::Leaf(items) => return items.first(),
                Node::Inner { children, .. } => node = children.first()?,
            }
        }
    }
}

/// The only child that can hold what `order` seeks: the last that does not begin after it.
fn child_of<T>(children: &[Arc<Node<T>>], order: &impl Fn(&T) -> Ordering) -> Option<usize> {
    starts_before(children, &|entry: &T| order(entry) != Ordering::Greater).checked_sub(1)
}

fn starts_before<T>(children: &[Arc<Node<T>>], before: &impl Fn(&T) -> bool) -> usize {
    children.partition_point(|child| child.first().is_some_and(before))
}

/// A position in one state of a tree, whatever happens to the tree since.
pub(crate) struct Cursor<T> {
    stack: Vec<(Arc<Node<T>>, usize)>,
}

impl<T: Clone> Iterator for Cursor<T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        loop {
            let (node, at) = self.stack.last_mut()?;
            let child = match &**node {
                Node::Leaf(items) => match items.get(*at) {
                    Some(item) => {
                        *at += 1;
                        return Some(item.clone());
                    }
                    None => None,
                },
                Node::Inner { children, .. } => children.get(*at).cloned(),
            };
            *at += 1;
            match child {
                Some(child) => self.stack.push((child, 0)),
                None => drop(self.stack.pop()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    impl Entry for u16 {
        fn order(&self, other: &Self) -> Ordering {
            self.cmp(other)
        }
    }

    fn check(tree: &Tree<u16>, model: &BTreeSet<u16>, probe: u16) {
        assert_eq!(tree.len(), model.len());
        assert_eq!(tree.seek(|_| false).collect::<Vec<_>>(), model.iter().copied().collect::<Vec<_>>());
        assert_eq!(tree.rank(|n| *n < probe), model.range(..probe).count());
        assert!(tree.seek(|n| *n < probe).eq(model.range(probe..).copied()));
        assert_eq!(tree.get(|n| n.cmp(&probe)).copied(), model.get(&probe).copied());
        assert_eq!(tree.first().copied(), model.first().copied());
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]
        #[test]
        fn behaves_as_a_sorted_set_and_snapshots_never_change(
            steps in prop::collection::vec((any::<bool>(), 0u16..6000), 0..6000),
            grow in 0u16..6000,
            probe in 0u16..6000,
        ) {
            let (mut tree, mut model) = (Tree::default(), BTreeSet::new());
            for n in 0..grow {
                tree.insert(n);
                model.insert(n);
            }
            let (before, before_model) = (tree.clone(), model.clone());
            for (insert, n) in steps {
                if insert {
                    assert_eq!(tree.insert(n).is_none(), model.insert(n));
                } else {
                    assert_eq!(tree.remove(|e| e.cmp(&n)).is_some(), model.remove(&n));
                }
            }
            check(&tree, &model, probe);
            check(&before, &before_model, probe);
            while let Some(n) = model.pop_first() {
                assert_eq!(tree.remove(|e| e.cmp(&n)), Some(n));
            }
            check(&tree, &model, probe);
        }
    }
}
