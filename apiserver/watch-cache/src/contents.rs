//! The objects of one resource in key order, and their indexes. A copy is cheap and never changes.

use std::cmp::Ordering;
use std::sync::Arc;

use smol_str::SmolStr;

use crate::object::{Meta, Object};
use crate::scope::Scope;
use crate::tree::{Cursor, Entry, Tree};

#[derive(Clone)]
pub(crate) struct Contents {
    /// `/registry/pods/`; every key begins with it.
    prefix: SmolStr,
    /// The fields that are indexed. Labels always are.
    indexed: Arc<[SmolStr]>,
    objects: Tree<Arc<Object>>,
    index: Tree<Posting>,
}

impl Entry for Arc<Object> {
    fn order(&self, other: &Self) -> Ordering {
        self.key().cmp(other.key())
    }
}

/// One object under one of its labels or indexed fields. It names the object and does not hold a state of it, so that a
/// write that changes no label and no field leaves the index alone.
#[derive(Clone)]
pub(crate) struct Posting {
    meta: Arc<Meta>,
    slot: Slot,
}

#[derive(Clone, Copy)]
enum Slot {
    /// The position in `Contents::indexed`, and in the object's fields if it has the field.
    Field(u16, Option<u16>),
    Label(u16),
}

/// What postings are sorted by, ahead of the object's key: all with one label and value are neighbours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Term<'a> {
    Field(u16, &'a str),
    Label(&'a str, &'a str),
}

impl Posting {
    pub(crate) fn key(&self) -> &SmolStr {
        &self.meta.key
    }

    fn term(&self) -> Term<'_> {
        match self.slot {
            Slot::Field(field, at) => {
                let value = at.and_then(|at| self.meta.fields.get(usize::from(at)));
                Term::Field(field, value.map_or("", |(_, value)| value))
            }
            Slot::Label(at) => self
                .meta
                .labels
                .get(usize::from(at))
                .map_or(Term::Label("", ""), |(key, value)| Term::Label(key, value)),
        }
    }

    fn cmp_to(&self, term: Term<'_>, key: &str) -> Ordering {
        self.term().cmp(&term).then_with(|| self.meta.key.as_str().cmp(key))
    }
}

impl Entry for Posting {
    fn order(&self, other: &Self) -> Ordering {
        self.cmp_to(other.term(), &other.meta.key)
    }
}

impl Contents {
    pub(crate) fn new(prefix: SmolStr, indexed: Arc<[SmolStr]>) -> Self {
        Contents { prefix, indexed, objects: Tree::default(), index: Tree::default() }
    }

    /// The same resource without its objects.
    pub(crate) fn emptied(&self) -> Self {
        Contents::new(self.prefix.clone(), self.indexed.clone())
    }

    pub(crate) fn len(&self) -> usize {
        self.objects.len()
    }

    pub(crate) fn get(&self, key: &str) -> Option<&Arc<Object>> {
        self.objects.get(|object| object.key().as_str().cmp(key))
    }

    /// Whether there is an object that may decode another time.
    pub(crate) fn has_unavailable(&self) -> bool {
        self.cursor().any(|object| object.is_unavailable())
    }

    /// Puts the object in and returns the state it replaces.
    pub(crate) fn insert(&mut self, object: Arc<Object>) -> Option<Arc<Object>> {
        let meta = object.meta().clone();
        let previous = self.objects.insert(object);
        let same = previous.as_ref().is_some_and(|previous| Arc::ptr_eq(previous.meta(), &meta));
        if !same {
            if let Some(previous) = &previous {
                self.unindex(previous.meta());
            }
            for slot in slots(&self.indexed, &meta) {
                self.index.insert(Posting { meta: meta.clone(), slot });
            }
        }
        previous
    }

    pub(crate) fn remove(&mut self, key: &str) -> Option<Arc<Object>> {
        let removed = self.objects.remove(|object| object.key().as_str().cmp(key))?;
        self.unindex(removed.meta());
        Some(removed)
    }

    fn unindex(&mut self, meta: &Arc<Meta>) {
        for slot in slots(&self.indexed, meta) {
            let gone = Posting { meta: meta.clone(), slot };
            self.index.remove(|posting| posting.order(&gone));
        }
    }

    pub(crate) fn cursor(&self) -> Cursor<Arc<Object>> {
        self.objects.seek(|_| false)
    }

    /// How to find the objects of the scope from key `from` on with the least looking.
    pub(crate) fn plan(&self, scope: &Scope, from: Option<&str>) -> Plan {
        if let Some(key) = self.only_key(scope) {
            return if from.is_none_or(|from| from <= key.as_str()) { Plan::One(key) } else { Plan::Nothing };
        }
        let area = match &scope.namespace {
            Some(namespace) => format!("{}{namespace}/", self.prefix),
            None => self.prefix.to_string(),
        };
        let start = from.filter(|from| *from > area.as_str()).unwrap_or(&area);
        let end = self.objects.rank(|object| object.key().as_str() < past(&area, object.key()));
        let objects = end.saturating_sub(self.objects.rank(|object| object.key().as_str() < start));
        let narrowest = terms(&self.indexed, scope)
            .map(|term| (self.postings(term, &area, start), term))
            .min_by_key(|(postings, _)| *postings);
        match narrowest {
            // A posting costs a look-up, an object in order a step.
            Some((postings, term)) if postings * 4 <= objects => {
                let postings_from = self.index.seek(|posting| posting.cmp_to(term, start) == Ordering::Less);
                let exact = scope.fields.len() + scope.labels.len() == 1 && scope.name.is_none();
                Plan::Index { cursor: postings_from, count: postings, exact }
            }
            _ => {
                let cursor = self.objects.seek(|object| object.key().as_str() < start);
                let exact = scope.fields.is_empty() && scope.labels.is_empty() && scope.name.is_none();
                Plan::Range { cursor, count: objects, exact }
            }
        }
    }

    fn postings(&self, term: Term<'_>, area: &str, start: &str) -> usize {
        let end = self.index.rank(|posting| match posting.term().cmp(&term) {
            Ordering::Equal => posting.key().as_str() < past(area, posting.key()),
            order => order == Ordering::Less,
        });
        end.saturating_sub(self.index.rank(|posting| posting.cmp_to(term, start) == Ordering::Less))
    }

    /// The one key that can be in the scope, where the scope says so.
    fn only_key(&self, scope: &Scope) -> Option<SmolStr> {
        let name = scope.name.as_ref()?;
        match &scope.namespace {
            Some(namespace) => Some(smol_str::format_smolstr!("{}{namespace}/{name}", self.prefix)),
            None => {
                let cluster_scoped = self.objects.first().is_none_or(|object| object.namespace().is_empty());
                cluster_scoped.then(|| smol_str::format_smolstr!("{}{name}", self.prefix))
            }
        }
    }
}

/// A bound for "before the end of the area" that compares as needed: a key in the area is before it.
fn past<'a>(area: &'a str, key: &str) -> &'a str {
    if key.starts_with(area) { "\u{10ffff}" } else { area }
}

fn slots<'a>(indexed: &'a [SmolStr], meta: &'a Meta) -> impl Iterator<Item = Slot> + use<'a> {
    let small = |n: usize| u16::try_from(n).ok();
    let fields = indexed.iter().enumerate().filter_map(move |(n, field)| {
        let at = meta.fields.iter().position(|(other, _)| other == field);
        Some(Slot::Field(small(n)?, at.and_then(small)))
    });
    fields.chain((0..meta.labels.len()).filter_map(move |n| Some(Slot::Label(small(n)?))))
}

/// The parts of the scope that the index knows.
pub(crate) fn terms<'a>(indexed: &'a [SmolStr], scope: &'a Scope) -> impl Iterator<Item = Term<'a>> + use<'a> {
    let fields = scope.fields.iter().filter_map(|(field, value)| {
        let at = indexed.iter().position(|other| other == field)?;
        Some(Term::Field(u16::try_from(at).ok()?, value.as_str()))
    });
    fields.chain(scope.labels.iter().map(|(key, value)| Term::Label(key, value)))
}

/// Where to look. `count` is how many the cursor passes inside its area, `exact` whether they all are in the scope.
pub(crate) enum Plan {
    Nothing,
    One(SmolStr),
    Range { cursor: Cursor<Arc<Object>>, count: usize, exact: bool },
    Index { cursor: Cursor<Posting>, count: usize, exact: bool },
}
