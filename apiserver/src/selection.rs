//! Which objects of a resource a request is about: namespace, label selector, field selector.

use std::collections::HashSet;
use std::sync::Arc;

use apiserver_watch_cache::{Filter, Object, Scope};
use smol_str::SmolStr;

use crate::context::{Context, Target};
use crate::facts::{self, SelectableField};
use crate::selector::{FieldSelector, FieldTerm, LabelSelector};
use crate::server::Server;
use crate::status::{Result, Status};

/// A parsed selection, split into what the cache has an index for and what is checked object by object.
#[derive(Clone)]
pub struct Selection {
    pub scope: Scope,
    labels: Arc<LabelSelector>,
    fields: Arc<FieldSelector>,
    /// What is asked of fields of a custom resource in another version than the cached one.
    converted: Arc<FieldSelector>,
    /// Those fields.
    selectable: Arc<[SelectableField]>,
    /// The keys of the objects whose converted forms have what is asked.
    found: Option<Arc<HashSet<SmolStr>>>,
}

impl Selection {
    pub fn read(context: &Context, target: &Target) -> Result<Selection> {
        let labels = LabelSelector::parse(context.query.get("labelSelector").unwrap_or_default())
            .map_err(Status::bad_request)?;
        let fields = FieldSelector::parse(context.query.get("fieldSelector").unwrap_or_default())
            .map_err(Status::bad_request)?;
        let resource = target.resource();
        let selectable = resource.hooks.selectable_fields();
        let renamed = Selection::renamed(target, fields);
        for term in &renamed.0 {
            let known = term.field == "metadata.name"
                || (term.field == "metadata.namespace" && resource.namespaced)
                || selectable.iter().any(|field| term.field == *field.name);
            if !known {
                return Err(Status::bad_request(resource.hooks.unknown_field(&term.field)));
            }
        }
        let mut renamed = renamed;
        let mut converted = FieldSelector::default();
        if target.custom().is_some() && !target.is_storage_version() {
            let of_metadata = |term: &FieldTerm| term.field.starts_with("metadata.");
            (renamed.0, converted.0) = renamed.0.into_iter().partition(of_metadata);
        }
        let selectable = if converted.is_empty() { Arc::default() } else { selectable.into() };
        let mut scope = Scope::all();
        let namespace = if resource.namespaced { context.info.namespace.as_str() } else { "" };
        if !namespace.is_empty() {
            scope = scope.namespace(namespace);
        } else if let Some(namespace) = renamed.exact("metadata.namespace") {
            scope = scope.namespace(namespace.as_str());
        }
        if let Some(name) = renamed.exact("metadata.name") {
            scope = scope.name(name.as_str());
        }
        for field in resource.hooks.indexed_fields() {
            if let Some(value) = renamed.exact(field) {
                scope = scope.field(*field, value.as_str());
            }
        }
        for requirement in &labels.0 {
            if requirement.operator == crate::selector::Operator::In && requirement.values.len() == 1 {
                scope = scope.label(requirement.key.as_str(), requirement.values[0].as_str());
            }
        }
        let (labels, fields, converted) = (Arc::new(labels), Arc::new(renamed), Arc::new(converted));
        Ok(Selection { scope, labels, fields, converted, selectable, found: None })
    }

    /// Whether objects must be converted to see what is selected.
    pub fn converts(&self) -> bool {
        !self.converted.is_empty()
    }

    /// The same without what only converted objects show.
    pub fn candidates(&self) -> Selection {
        Selection { converted: Arc::default(), found: None, ..self.clone() }
    }

    /// Whether an object, given as JSON of the version that was asked for, has the fields that only such objects show.
    pub fn selects_converted(&self, json: &[u8]) -> bool {
        has_fields(&self.converted, &self.selectable, json)
    }

    /// Converts the candidates, and notes those that are selected.
    pub async fn convert(&mut self, server: &Server, target: &Target, objects: &[Arc<Object>]) -> Result<()> {
        let mut found = HashSet::new();
        for (object, json) in objects.iter().zip(target.converted(server, objects).await?) {
            if has_fields(&self.converted, &self.selectable, &json) {
                found.insert(object.key().clone());
            }
        }
        self.found = Some(Arc::new(found));
        Ok(())
    }

    /// The selector in the names of the storage version.
    fn renamed(target: &Target, mut fields: FieldSelector) -> FieldSelector {
        if target.resource().group == "events.k8s.io" {
            for term in &mut fields.0 {
                if let Some(rest) = term.field.strip_prefix("regarding.") {
                    term.field = format!("involvedObject.{rest}").into();
                } else if term.field == "reportingController" {
                    term.field = "reportingComponent".into();
                }
            }
        }
        fields
    }

    /// Whether everything in scope is selected.
    pub fn is_everything(&self) -> bool {
        self.labels.is_empty() && self.fields.is_empty() && self.converted.is_empty()
    }

    /// What the cache cannot decide by its indexes.
    pub fn filter(&self) -> Option<Filter> {
        if self.is_everything() {
            return None;
        }
        let (labels, fields, found) = (Arc::clone(&self.labels), Arc::clone(&self.fields), self.found.clone());
        let (converted, selectable) = (Arc::clone(&self.converted), Arc::clone(&self.selectable));
        Some(Arc::new(move |object: &Object| {
            matches(&labels, &fields, object)
                && match &found {
                    Some(found) => found.contains(object.key()),
                    // Without a webhook fields are where they were.
                    None if !converted.is_empty() => {
                        object.json().is_ok_and(|json| has_fields(&converted, &selectable, &json))
                    }
                    None => true,
                }
        }))
    }
}

/// Whether an object, given as JSON, has the fields that are asked for.
fn has_fields(wanted: &FieldSelector, selectable: &[SelectableField], json: &[u8]) -> bool {
    let Ok(found) = facts::read(json, selectable) else { return false };
    wanted.0.iter().all(|term| {
        let place = selectable.iter().position(|field| field.name == term.field.as_str());
        let actual = place.and_then(|place| found.fields.get(place)).map(SmolStr::as_str).unwrap_or_default();
        (actual == term.value) == term.equal
    })
}

fn matches(labels: &LabelSelector, fields: &FieldSelector, object: &Object) -> bool {
    labels.matches(|key| object.label(key).map(|value| value.as_ref()))
        && fields.0.iter().all(|term| {
            let actual: &str = match term.field.as_str() {
                "metadata.name" => object.name(),
                "metadata.namespace" => object.namespace(),
                field => object.field(field),
            };
            (actual == term.value) == term.equal
        })
}
