//! Which objects of a resource a request is about: namespace, label selector, field selector.

use std::sync::Arc;

use apiserver_watch_cache::{Filter, Object, Scope};

use crate::context::{Context, Target};
use crate::selector::{FieldSelector, LabelSelector};
use crate::status::{Result, Status};

/// A parsed selection, split into what the cache has an index for and what is checked object by object.
pub struct Selection {
    pub scope: Scope,
    labels: Arc<LabelSelector>,
    fields: Arc<FieldSelector>,
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
        Ok(Selection { scope, labels: Arc::new(labels), fields: Arc::new(renamed) })
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
        self.labels.is_empty() && self.fields.is_empty()
    }

    /// What the cache cannot decide by its indexes.
    pub fn filter(&self) -> Option<Filter> {
        if self.is_everything() {
            return None;
        }
        let (labels, fields) = (Arc::clone(&self.labels), Arc::clone(&self.fields));
        Some(Arc::new(move |object: &Object| matches(&labels, &fields, object)))
    }
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
