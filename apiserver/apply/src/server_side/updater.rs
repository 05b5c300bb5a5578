//! The core of tracking: what an update or apply does to the sets of all managers.

use std::borrow::Cow;
use std::collections::BTreeMap;

use apiserver_schema::Ref;
use serde_json::Value;

use super::conflict::{Clash, Clashes};
use super::{Refusal, Resource};
use crate::managed_fields::{Entry, FieldSet, Filter, Managed, Manager, same_value};
use crate::typed::{self, Comparison, Place};

/// The objects of a request, compared in each version in which somebody owns fields.
pub(super) struct Updater<'a> {
    resource: &'a Resource<'a>,
}

impl<'a> Updater<'a> {
    pub fn new(resource: &'a Resource<'a>) -> Updater<'a> {
        Updater { resource }
    }

    /// Takes from all managers what a write from `live` to `new` changes, and answers the set of the writer.
    pub fn update(&self, live: &Value, new: &Value, managed: &mut Managed) -> Result<FieldSet, String> {
        self.reconcile(managed)?;
        let comparison = self.take(live, new, managed, None, true).map_err(|refusal| match refusal {
            Refusal::Other(cause) => cause,
            Refusal::Clashes(_) => "conflict in a forced write".to_owned(),
        })?;
        Ok(comparison.changed())
    }

    /// Applies `config` over `live` for `manager`; the merged object, `None` when nothing changed.
    pub fn apply(
        &self,
        live: &Value,
        config: &Value,
        managed: &mut Managed,
        manager: &Manager,
        force: bool,
    ) -> Result<Option<Value>, Refusal> {
        let version = self.resource.api_version;
        self.reconcile(managed)?;
        let place = Place::Type(self.resource.schema);
        let merged = typed::merge(place, live, config).unwrap_or(Value::Null);
        let last = managed.get(manager).map(|entry| (entry.api_version.clone(), entry.set.clone(), entry.time.clone()));
        let mut set = typed::fields_of(place, config);
        if let Some(filter) = self.filter(version) {
            filter.apply(&mut set);
        }
        let mut entry = Entry::new(manager.clone(), version, set);
        entry.time = last.as_ref().and_then(|(_, _, time)| time.clone());
        managed.put(entry);
        let new = match &last {
            Some((last_version, last_set, _)) if !last_set.is_empty() => {
                self.prune(merged, managed, manager, last_version, last_set)?
            }
            _ => merged,
        };
        self.take(live, &new, managed, Some(manager), force)?;
        Ok((!same_value(live, &new)).then_some(new))
    }

    fn filter(&self, version: &str) -> Option<&'a Filter> {
        self.resource.versions.reset_fields(version)
    }

    fn in_version<'v>(&self, object: &'v Value, version: &str) -> Result<Cow<'v, Value>, String> {
        if version == self.resource.api_version {
            return Ok(Cow::Borrowed(object));
        }
        self.converted(object, version)
    }

    /// What a conversion gave. It may give fields of a custom resource that the other version does not have.
    fn converted<'v>(&self, object: &'v Value, version: &str) -> Result<Cow<'v, Value>, String> {
        let converted = self.resource.versions.convert(object, version)?;
        if self.resource.custom
            && let Some(schema) = self.resource.versions.schema(version)
        {
            typed::validate(Place::Type(&schema), &converted, true)?;
        }
        Ok(converted)
    }

    /// Brings sets up to the present schema and forgets managers of versions that are not served.
    fn reconcile(&self, managed: &mut Managed) -> Result<(), String> {
        let mut kept = Vec::with_capacity(managed.entries.len());
        for mut entry in std::mem::take(&mut managed.entries) {
            let changed = if entry.api_version == self.resource.api_version {
                typed::reconcile(Place::Type(self.resource.schema), &entry.set)
            } else {
                match self.resource.versions.schema(&entry.api_version) {
                    Some(schema) => typed::reconcile(Place::Type(&schema), &entry.set),
                    None => continue,
                }
            };
            if let Some(changed) = changed {
                *entry.set_mut() = changed;
            }
            kept.push(entry);
        }
        managed.entries = kept;
        Ok(())
    }

    fn compare(&self, live: &Value, new: &Value, version: &str) -> Result<Comparison, String> {
        let failed = |cause| format!("failed to compare objects: {cause}");
        let mut comparison = if version == self.resource.api_version {
            typed::compare(Place::Type(self.resource.schema), live, new).map_err(failed)?
        } else {
            let Some(schema) = self.resource.versions.schema(version) else { return Ok(Comparison::default()) };
            let live =
                self.in_version(live, version).map_err(|cause| format!("failed to convert old object: {cause}"))?;
            let new =
                self.in_version(new, version).map_err(|cause| format!("failed to convert new object: {cause}"))?;
            typed::compare(Place::Type(&schema), &live, &new).map_err(failed)?
        };
        comparison.filter(self.filter(version));
        Ok(comparison)
    }

    /// Takes what changed between `live` and `new` from all managers but the writer.
    fn take(
        &self,
        live: &Value,
        new: &Value,
        managed: &mut Managed,
        writer: Option<&Manager>,
        force: bool,
    ) -> Result<Comparison, Refusal> {
        let own = self.compare(live, new, self.resource.api_version)?;
        let mut others: BTreeMap<String, Comparison> = BTreeMap::new();
        let mut clashes = Clashes::default();
        let mut taken: Vec<FieldSet> = Vec::with_capacity(managed.entries.len());
        for entry in &managed.entries {
            if Some(&entry.manager) == writer {
                taken.push(FieldSet::new());
                continue;
            }
            let comparison = if entry.api_version == self.resource.api_version {
                &own
            } else {
                if !others.contains_key(&entry.api_version) {
                    let comparison = self.compare(live, new, &entry.api_version)?;
                    others.insert(entry.api_version.clone(), comparison);
                }
                &others[&entry.api_version]
            };
            // Modified and added are disjoint, so are their parts in any set.
            let mut clash = entry.set.intersection(&comparison.modified);
            clash.unite(entry.set.intersection(&comparison.added));
            if !force && !clash.is_empty() {
                clashes.add(Clash { manager: entry.manager.clone(), set: clash.clone() });
            }
            clash.unite(entry.set.intersection(&comparison.removed));
            taken.push(clash);
        }
        if !clashes.is_empty() {
            return Err(Refusal::Clashes(clashes));
        }
        for (entry, taken) in managed.entries.iter_mut().zip(&taken) {
            entry.subtract(taken);
        }
        managed.entries.retain(|entry| !entry.set.is_empty());
        Ok(own)
    }

    /// `merged` without what the applier owned, owns no more, and nobody else owns.
    fn prune(
        &self,
        merged: Value,
        managed: &Managed,
        manager: &Manager,
        last_version: &str,
        last: &FieldSet,
    ) -> Result<Value, String> {
        let same_version = last_version == self.resource.api_version;
        if same_version && managed.get(manager).is_some_and(|entry| last.difference(&entry.set).is_empty()) {
            return Ok(merged);
        }
        let Some(last_schema) = self.schema_or_own(last_version) else { return Ok(merged) };
        let place = Place::Type(&last_schema);
        let in_last = self.in_version(&merged, last_version).map_err(|cause| {
            format!("failed to prune fields: failed to convert merged object to last applied version: {cause}")
        })?;

        let pruned = typed::remove(place, &in_last, &typed::with_named_fields(Some(place), last));
        let pruned = self.add_back_owned(&in_last, pruned, last_version, managed)?;

        // What went although it was not in the last set hangs below something that went: it comes back.
        let pruned_set = typed::with_named_fields(Some(place), &typed::fields_of(place, &pruned));
        let merged_set = typed::with_named_fields(Some(place), &typed::fields_of(place, &in_last));
        let gone = merged_set.difference(&pruned_set).intersection(&typed::with_named_fields(Some(place), last));
        let pruned = typed::remove(place, &in_last, &gone);
        if same_version {
            return Ok(pruned);
        }
        let back = self.converted(&pruned, self.resource.api_version);
        back.map(Cow::into_owned).map_err(|cause| format!("failed to prune fields: {cause}"))
    }

    /// `pruned` with the parts of `merged` that any manager owns, in whatever version. Both are in `version`.
    fn add_back_owned(&self, merged: &Value, pruned: Value, version: &str, managed: &Managed) -> Result<Value, String> {
        let mut owned: BTreeMap<&str, FieldSet> = BTreeMap::new();
        for entry in &managed.entries {
            owned.entry(&entry.api_version).or_default().unite(entry.set.clone());
        }
        let failed = |cause| format!("failed to prune fields: failed add back owned items: {cause}");
        let mut pruned = pruned;
        let here = owned.remove_entry(version);
        for (other, owned) in here.into_iter().chain(owned) {
            let Some(schema) = self.schema_or_own(other) else { continue };
            let place = Place::Type(&schema);
            let convert = |object: &Value| -> Result<Value, String> {
                if other == version {
                    return Ok(object.clone());
                }
                self.converted(object, other).map(Cow::into_owned).map_err(failed)
            };
            let (merged, narrowed) = (convert(merged)?, convert(&pruned)?);
            let named = |set: &FieldSet| typed::with_named_fields(Some(place), set);
            let mut gone = named(&typed::fields_of(place, &merged));
            gone.subtract(&named(&typed::fields_of(place, &narrowed)));
            gone.subtract(&named(&owned));
            let kept = typed::remove(place, &merged, &gone);
            pruned = if other == version {
                kept
            } else {
                self.converted(&kept, version).map(Cow::into_owned).map_err(failed)?
            };
        }
        Ok(pruned)
    }

    fn schema_or_own(&self, version: &str) -> Option<SchemaRef<'a>> {
        if version == self.resource.api_version {
            return Some(SchemaRef::Own(self.resource.schema));
        }
        self.resource.versions.schema(version).map(SchemaRef::Other)
    }
}

/// A type in the version of the request or another one.
enum SchemaRef<'a> {
    Own(&'a apiserver_schema::Type),
    Other(Ref<apiserver_schema::Type>),
}

impl std::ops::Deref for SchemaRef<'_> {
    type Target = apiserver_schema::Type;
    fn deref(&self) -> &apiserver_schema::Type {
        match self {
            SchemaRef::Own(schema) => schema,
            SchemaRef::Other(schema) => schema,
        }
    }
}
