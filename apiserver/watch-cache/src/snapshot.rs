//! The state of one resource at one revision.

use std::sync::Arc;

use apiserver_storage::Revision;

use crate::contents::{Contents, Plan, Posting};
use crate::object::Object;
use crate::scope::Scope;
use crate::tree::Cursor;

/// Exactly what the store held under the resource's prefix at one revision. Taking and cloning one costs a pointer; it
/// keeps the objects it shows in memory, so drop it when the answer is written.
#[derive(Clone)]
pub struct Snapshot {
    contents: Arc<Contents>,
    revision: Revision,
}

impl Snapshot {
    pub(crate) fn new(contents: Arc<Contents>, revision: Revision) -> Self {
        Snapshot { contents, revision }
    }

    /// The revision to give as a list's resourceVersion.
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// How many objects there are.
    pub fn len(&self) -> usize {
        self.contents.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn get(&self, key: &str) -> Option<&Arc<Object>> {
        self.contents.get(key)
    }

    /// The objects of the scope in key order, from key `from` (inclusive) on. The key of a continue token plus `"\0"`
    /// continues after it.
    pub fn list(&self, scope: &Scope, from: Option<&str>) -> Objects {
        let (walk, exact) = match self.contents.plan(scope, from) {
            Plan::Nothing => (Walk::One(None), true),
            Plan::One(key) => (Walk::One(self.get(&key).cloned()), false),
            Plan::Range { cursor, count, exact } => (Walk::Range { cursor, left: count }, exact),
            Plan::Index { cursor, count, exact } => {
                (Walk::Index { cursor, left: count, contents: self.contents.clone() }, exact)
            }
        };
        Objects { walk, scope: (!exact).then(|| scope.clone()) }
    }

    /// How many objects [`Snapshot::list`] would give; does not look at each where an index can tell.
    pub fn count(&self, scope: &Scope, from: Option<&str>) -> usize {
        match self.contents.plan(scope, from) {
            Plan::Range { count, exact: true, .. } | Plan::Index { count, exact: true, .. } => count,
            _ => self.list(scope, from).count(),
        }
    }
}

/// The objects of a [`Snapshot`] in a scope, in key order. It owns what it walks over.
pub struct Objects {
    walk: Walk,
    /// What is still to be checked of each object.
    scope: Option<Scope>,
}

enum Walk {
    One(Option<Arc<Object>>),
    Range { cursor: Cursor<Arc<Object>>, left: usize },
    Index { cursor: Cursor<Posting>, left: usize, contents: Arc<Contents> },
}

impl Iterator for Objects {
    type Item = Arc<Object>;

    fn next(&mut self) -> Option<Arc<Object>> {
        loop {
            let object = self.walk.next()?;
            if self.scope.as_ref().is_none_or(|scope| scope.matches(&object)) {
                return Some(object);
            }
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let most = match &self.walk {
            Walk::One(object) => usize::from(object.is_some()),
            Walk::Range { left, .. } | Walk::Index { left, .. } => *left,
        };
        (if self.scope.is_none() { most } else { 0 }, Some(most))
    }
}

impl Iterator for Walk {
    type Item = Arc<Object>;

    fn next(&mut self) -> Option<Arc<Object>> {
        match self {
            Walk::One(object) => object.take(),
            Walk::Range { cursor, left } => {
                *left = left.checked_sub(1)?;
                cursor.next()
            }
            Walk::Index { cursor, left, contents } => {
                *left = left.checked_sub(1)?;
                let posting = cursor.next()?;
                contents.get(posting.key()).cloned()
            }
        }
    }
}
