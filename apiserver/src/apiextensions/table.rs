//! The part of the table of resources that comes from definitions.
//!
//! It is replaced as a whole when definitions change; readers see either the old one or the new one. A change costs
//! a copy of the pointers of the group it is in; what is made from the table is made again when it is asked for.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use apiserver_schema::structural::Pool;
use arc_swap::ArcSwap;
use bytes::Bytes;
use parking_lot::Mutex;
use smol_str::SmolStr;
use tokio::sync::Notify;

use super::{CustomResource, Definition, LazyStore};
use crate::client_config::Clients;
use crate::context::{Served, Stored};
use crate::resources::{Resource, Storage, Subresource, Verbs, Version, Written};

/// The custom resources that are served now.
#[derive(Default)]
pub struct CustomResources {
    groups: ArcSwap<Groups>,
    /// Told of every change.
    pub changed: Notify,
    /// The parts of all schemas.
    pub pool: Pool,
    /// The connections to the webhooks that convert.
    pub webhooks: Clients,
    /// The aggregated discovery document, and the generations of this table and of that of other servers which it shows.
    pub aggregated: Mutex<Option<((u64, u64), Bytes)>>,
}

/// Groups by name.
#[derive(Clone, Default)]
pub struct Groups {
    pub groups: BTreeMap<SmolStr, Arc<Group>>,
    /// Changes with every change.
    pub generation: u64,
}

/// The custom resources of one group.
#[derive(Default)]
pub struct Group {
    /// By plural name.
    pub resources: HashMap<SmolStr, Arc<Installed>>,
}

/// A definition and the rows that it adds to the table, one for each served version.
pub struct Installed {
    pub definition: Arc<Definition>,
    pub rows: Vec<Arc<Served>>,
    /// The version in which objects are stored, served or not.
    pub storage: Arc<Served>,
    store: Arc<LazyStore>,
}

impl CustomResources {
    /// All groups as they are now.
    pub fn now(&self) -> Arc<Groups> {
        self.groups.load_full()
    }

    /// The row of a resource in a version.
    pub fn find(&self, group: &str, version: &str, resource: &str) -> Option<Arc<Served>> {
        let groups = self.groups.load();
        let installed = groups.groups.get(group)?.resources.get(resource)?;
        installed.rows.iter().find(|row| row.resource.version(version).is_some()).cloned()
    }

    /// The row of a kind in a version.
    pub fn of_kind(&self, group: &str, version: &str, kind: &str) -> Option<Arc<Served>> {
        let groups = self.groups.load();
        let mut rows = groups.groups.get(group)?.resources.values().flat_map(|installed| &installed.rows);
        rows.find(|row| row.resource.kind == kind && row.resource.version(version).is_some()).cloned()
    }

    /// What is installed for a definition.
    pub fn installed(&self, group: &str, resource: &str) -> Option<Arc<Installed>> {
        self.groups.load().groups.get(group)?.resources.get(resource).cloned()
    }

    pub fn has_group(&self, group: &str) -> bool {
        self.groups.load().groups.contains_key(group)
    }

    /// Puts resources in the place of those of the same names, or removes them.
    pub fn change(&self, changes: Vec<(SmolStr, SmolStr, Option<Arc<Installed>>)>) {
        if changes.is_empty() {
            return;
        }
        let mut next = Groups::clone(&self.groups.load());
        let mut touched: HashMap<SmolStr, Group> = HashMap::new();
        let mut replaced = Vec::new();
        for (group, plural, installed) in changes {
            let of_group = touched.entry(group.clone()).or_insert_with(|| {
                let resources = next.groups.get(&group).map(|group| group.resources.clone()).unwrap_or_default();
                Group { resources }
            });
            replaced.extend(match installed {
                Some(installed) => of_group
                    .resources
                    .insert(plural, Arc::clone(&installed))
                    .filter(|before| !Arc::ptr_eq(&before.store, &installed.store)),
                None => of_group.resources.remove(&plural),
            });
        }
        for (name, group) in touched {
            if group.resources.is_empty() {
                next.groups.remove(&name);
            } else {
                next.groups.insert(name, Arc::new(group));
            }
        }
        next.generation += 1;
        self.groups.store(Arc::new(next));
        self.changed.notify_one();
        // Requests see the new table before the old caches end.
        for installed in replaced {
            installed.store.stop();
        }
    }
}

impl Group {
    /// Its versions, the preferred one first.
    pub fn versions(&self) -> Vec<SmolStr> {
        let rows = self.resources.values().filter(|installed| installed.definition.established);
        let mut versions: Vec<SmolStr> =
            rows.flat_map(|installed| &installed.rows).map(|row| row.resource.versions[0].name.clone()).collect();
        versions.sort_by(|a, b| version_order(a, b));
        versions.dedup();
        versions
    }

    /// The rows of a version that discovery shows, sorted by name.
    pub fn rows(&self, version: &str) -> Vec<&Arc<Served>> {
        let rows = self.resources.values().filter(|installed| installed.definition.established);
        let mut rows: Vec<&Arc<Served>> =
            rows.flat_map(|installed| &installed.rows).filter(|row| row.resource.versions[0].name == version).collect();
        rows.sort_by(|a, b| a.resource.plural.cmp(&b.resource.plural));
        rows
    }
}

impl Installed {
    /// The rows of a definition over a store of its objects: that of `before` while it is good.
    pub fn new(
        definition: Definition,
        before: Option<&Installed>,
        make: impl FnOnce(Resource, Storage) -> LazyStore,
    ) -> Installed {
        let definition = Arc::new(definition);
        let version = definition.storage();
        let storage = Storage {
            prefix: format!("{}/{}", definition.group, definition.plural).into(),
            api_version: version.api_version.clone(),
            ty: version.ty.clone(),
            written: Written::default(),
        };
        let kept = before.filter(|before| before.definition.contents == definition.contents);
        let stored_row = row(&definition, definition.storage_version, &storage);
        let store = match kept {
            Some(before) => Arc::clone(&before.store),
            None => Arc::new(make(stored_row.clone(), storage.clone())),
        };
        let rows = (0..definition.versions.len())
            .filter(|at| definition.versions[*at].served)
            .map(|at| {
                let resource = row(&definition, at, &storage);
                Arc::new(Served { resource, objects: Stored::Lazy(Arc::clone(&store)) })
            })
            .collect();
        let storage = Arc::new(Served { resource: stored_row, objects: Stored::Lazy(Arc::clone(&store)) });
        Installed { definition, rows, storage, store }
    }
}

/// One version of a definition as a row of the table.
fn row(definition: &Arc<Definition>, at: usize, storage: &Storage) -> Resource {
    let version = &definition.versions[at];
    let mut subresources = Vec::new();
    if version.status {
        let verbs = &["get", "patch", "update"];
        subresources.push(Subresource { name: "status", group: "", version: "", kind: "", verbs });
    }
    if version.scale.is_some() {
        let verbs = &["get", "patch", "update"];
        subresources.push(Subresource { name: "scale", group: "autoscaling", version: "v1", kind: "Scale", verbs });
    }
    Resource {
        group: definition.group.clone(),
        versions: vec![Version { name: version.name.clone(), ty: version.ty.clone() }],
        kind: definition.kind.clone(),
        plural: definition.plural.clone(),
        singular: definition.singular.clone(),
        short_names: definition.short_names.clone(),
        categories: definition.categories.clone(),
        namespaced: definition.namespaced,
        verbs: if definition.terminating { TERMINATING } else { ALL },
        subresources,
        storage: Some(storage.clone()),
        generation: true,
        create_on_update: false,
        unconditional_update: false,
        hooks: Arc::new(CustomResource { definition: Arc::clone(definition), version: at }),
    }
}

/// The verbs in the order in which upstream lists those of custom resources.
const ALL: Verbs = Verbs(&["delete", "deletecollection", "get", "list", "patch", "create", "update", "watch"]);
/// Those that discovery shows of one whose definition is being deleted.
const TERMINATING: Verbs = Verbs(&["delete", "deletecollection", "get", "list", "watch"]);

/// The order of versions, the most stable and newest first, others after them by name.
///
/// Source: apimachinery `pkg/version/helpers.go`.
pub fn version_order(a: &str, b: &str) -> Ordering {
    match (parsed(a), parsed(b)) {
        (Some(a), Some(b)) => b.cmp(&a),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => a.cmp(b),
    }
}

/// Stability (alpha 0, beta 1, stable 2), major and minor version of `v1beta2`.
fn parsed(version: &str) -> Option<(u8, u64, u64)> {
    let rest = version.strip_prefix('v')?;
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let number = |text: &str| text.parse().ok().filter(|_| !text.starts_with('0'));
    let major = number(&rest[..end])?;
    let rest = &rest[end..];
    if rest.is_empty() {
        return Some((2, major, 0));
    }
    let (stability, minor) = match (rest.strip_prefix("alpha"), rest.strip_prefix("beta")) {
        (Some(minor), _) => (0, minor),
        (_, Some(minor)) => (1, minor),
        _ => return None,
    };
    Some((stability, major, number(minor)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stable_versions_come_first() {
        let mut versions = ["v1alpha1", "foo1", "v10", "v2beta1", "v2", "foo10", "v1", "v11alpha2", "v3beta1"];
        versions.sort_by(|a, b| version_order(a, b));
        assert_eq!(versions, ["v10", "v2", "v1", "v3beta1", "v2beta1", "v11alpha2", "v1alpha1", "foo1", "foo10"]);
    }
}
