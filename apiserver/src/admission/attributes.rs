//! What is about to be done, as every admission plugin sees it.

use std::fmt::Display;

use serde_json::{Value, json};

use super::Reinvocation;
use crate::authn::User;
use crate::context::{Context, Target};
use crate::object;
use crate::resources::api_version;
use crate::server::Server;
use crate::status::Status;
use crate::verbs::delete::DeleteOptions;

/// What is about to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    Create,
    Update,
    Delete,
    Connect,
}

impl Operation {
    /// As the API writes it.
    pub fn name(self) -> &'static str {
        match self {
            Operation::Create => "CREATE",
            Operation::Update => "UPDATE",
            Operation::Delete => "DELETE",
            Operation::Connect => "CONNECT",
        }
    }
}

/// What the object of a request is: for a subresource often another kind than its resource's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind<'a> {
    pub group: &'a str,
    pub version: &'a str,
    pub kind: &'a str,
}

impl Kind<'_> {
    pub fn api_version(&self) -> String {
        api_version(self.group, self.version)
    }
}

/// A request on its way to the store, or to what runs in a pod.
#[derive(Clone, Copy)]
pub struct Attributes<'a> {
    pub context: &'a Context,
    /// The resource; for a subresource the one that it belongs to.
    pub target: &'a Target,
    pub operation: Operation,
    /// Empty for what is in no namespace.
    pub namespace: &'a str,
    /// Empty where the server is still to make one up.
    pub name: &'a str,
    pub subresource: &'a str,
    /// What the object and the old one are, as the client sent it.
    pub kind: Kind<'a>,
    /// The object before; absent on create and connect.
    pub old: Option<&'a Value>,
    /// Whether the trees are in the version that is stored, not in the request's.
    pub stored: bool,
    pub dry_run: bool,
    pub delete_options: Option<&'a DeleteOptions>,
    /// While plugins may change the object: which of them have to see it again.
    pub reinvocation: Option<&'a Reinvocation>,
}

impl<'a> Attributes<'a> {
    /// A request about the resource itself, its trees in the request's version.
    pub fn new(
        context: &'a Context,
        target: &'a Target,
        operation: Operation,
        namespace: &'a str,
        name: &'a str,
        dry_run: bool,
    ) -> Self {
        let resource = target.resource();
        // A namespace is in itself.
        let is_namespace = resource.group.is_empty() && resource.plural == "namespaces";
        Attributes {
            context,
            target,
            operation,
            namespace: if is_namespace { name } else { namespace },
            name,
            subresource: "",
            kind: Kind { group: &resource.group, version: &target.version.name, kind: &resource.kind },
            old: None,
            stored: false,
            dry_run,
            delete_options: None,
            reinvocation: None,
        }
    }

    /// The same about a subresource.
    pub fn subresource(self, subresource: &'a str) -> Self {
        Attributes { subresource, ..self }
    }

    /// The same with an object of another kind.
    pub fn kind(self, kind: Kind<'a>) -> Self {
        Attributes { kind, ..self }
    }

    /// The same with the object as it was.
    pub fn old(self, old: &'a Value) -> Self {
        Attributes { old: Some(old), ..self }
    }

    /// The same with trees in the version that is stored.
    pub fn stored(self) -> Self {
        Attributes { stored: true, ..self }
    }

    pub fn server(&self) -> &'a Server {
        &self.context.server
    }

    pub fn user(&self) -> &'a User {
        &self.context.user
    }

    /// Whether the request is about this resource itself, not about a subresource.
    pub fn is(&self, group: &str, resource: &str) -> bool {
        self.subresource.is_empty() && self.is_of(group, resource)
    }

    /// Whether the request is about this resource or one of its subresources.
    pub fn is_of(&self, group: &str, resource: &str) -> bool {
        let served = self.target.resource();
        served.group == group && served.plural == resource
    }

    /// Whether a pod is created or changed, subresources aside.
    pub fn writes_pod(&self) -> bool {
        self.is("", "pods") && matches!(self.operation, Operation::Create | Operation::Update)
    }

    /// The `apiVersion` in which the trees are. Custom resources stay in the request's until they are written.
    pub fn trees_api_version(&self) -> String {
        match &self.target.resource().storage {
            _ if self.target.custom().is_some() => self.kind.api_version(),
            Some(storage) if self.stored && self.kind.kind == self.target.resource().kind => {
                storage.api_version.to_string()
            }
            _ => self.kind.api_version(),
        }
    }

    /// The refusal of a plugin. An object that has no name yet is called by what its name will begin with.
    pub fn forbidden(&self, object: &Value, why: impl Display) -> Status {
        let name = [self.name, object::meta(object, "name"), object::meta(object, "generateName"), "Unknown"]
            .into_iter()
            .find(|name| !name.is_empty())
            .unwrap_or_default();
        Status::forbidden(self.target.group_resource(), name, why)
    }

    /// The options of the request as webhooks and policies see them; null for a connection.
    pub fn options(&self) -> Value {
        let kind = match self.operation {
            Operation::Create => "CreateOptions",
            Operation::Update => "UpdateOptions",
            Operation::Delete => "DeleteOptions",
            Operation::Connect => return Value::Null,
        };
        let mut options = json!({"kind": kind, "apiVersion": "meta.k8s.io/v1"});
        if let Some(delete) = self.delete_options {
            if let Some(seconds) = delete.grace_period_seconds {
                options["gracePeriodSeconds"] = seconds.into();
            }
            for (field, value) in [("uid", &delete.uid), ("resourceVersion", &delete.resource_version)] {
                if let Some(value) = value {
                    options["preconditions"][field] = value.as_str().into();
                }
            }
            if let Some(propagation) = delete.propagation {
                options["propagationPolicy"] = format!("{propagation:?}").into();
            }
        } else {
            for field in ["fieldManager", "fieldValidation"] {
                if let Some(value) = self.context.query.get(field).filter(|value| !value.is_empty()) {
                    options[field] = value.into();
                }
            }
        }
        if self.dry_run {
            options["dryRun"] = json!(["All"]);
        }
        options
    }
}
