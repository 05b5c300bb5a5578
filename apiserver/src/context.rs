//! One request on its way through the chain: who asks, for what, and what is to be told besides the answer.

use std::sync::Arc;

use apiserver_audit::Record;
use http::HeaderMap;
use parking_lot::Mutex;
use serde_json::Value;

use crate::apiextensions::{CustomResource, LazyStore};
use crate::audit;
use crate::authn::User;
use crate::body::{self, Expected, FieldValidation};
use crate::request::{Query, RequestInfo};
use crate::resources::hooks::Request;
use crate::resources::{Resource, Version};
use crate::server::Server;
use crate::status::{GroupResource, Result, Status};
use crate::storage::ObjectStore;

/// A request that has been authenticated.
pub struct Context {
    pub server: Arc<Server>,
    pub info: RequestInfo,
    pub query: Query,
    pub headers: HeaderMap,
    pub user: User,
    /// Told to the client in `Warning` headers.
    pub warnings: Mutex<Vec<String>>,
    /// What is on record of it.
    pub audit: Arc<Record>,
}

/// A request for one resource that is served.
pub struct Target {
    pub served: Arc<Served>,
    pub version: Version,
}

/// A resource and, if it is stored, its objects.
pub struct Served {
    pub resource: Resource,
    pub objects: Stored,
}

/// Where the objects of a resource are.
pub enum Stored {
    /// Nowhere: the resource only answers.
    Not,
    /// In a cache that is kept from the start. Shared by the groups that serve one kind from one place (events).
    Open(Arc<ObjectStore>),
    /// In a cache that is made when it is first asked for. Shared by the versions of a custom resource.
    Lazy(Arc<LazyStore>),
}

impl Served {
    /// The stored objects; resources that only answer have none.
    pub fn objects(&self) -> Option<&ObjectStore> {
        match &self.objects {
            Stored::Not => None,
            Stored::Open(objects) => Some(objects),
            Stored::Lazy(objects) => Some(objects.get()),
        }
    }
}

impl Target {
    pub fn resource(&self) -> &Resource {
        &self.served.resource
    }

    pub fn group_resource(&self) -> GroupResource<'_> {
        self.served.resource.group_resource()
    }

    /// The stored objects; resources that only answer have none.
    pub fn objects(&self) -> Result<&ObjectStore> {
        self.served.objects().ok_or_else(Status::method_not_allowed)
    }

    /// The custom resource that this is, if it is one.
    pub fn custom(&self) -> Option<&CustomResource> {
        self.served.resource.hooks.custom()
    }

    /// Whether requests are in the version in which objects are stored and cached.
    pub fn is_storage_version(&self) -> bool {
        if self.custom().is_some_and(|custom| !custom.definition.uniform) {
            return false;
        }
        // Asked for every frame of every watch: nothing is allocated.
        let (group, version) = (self.resource().group.as_str(), self.version.name.as_str());
        self.resource().storage.as_ref().is_some_and(|storage| match storage.api_version.split_once('/') {
            Some(stored) => stored == (group, version),
            None => group.is_empty() && storage.api_version == version,
        })
    }

    /// What hooks may know of a request.
    pub fn request<'a>(&'a self, context: &'a Context) -> Request<'a> {
        Request {
            user: &context.user,
            subresource: &context.info.subresource,
            group: &self.resource().group,
            warnings: &context.warnings,
        }
    }

    pub fn api_version(&self) -> String {
        self.resource().api_version(&self.version.name)
    }
}

/// The options of a write, from its query.
#[derive(Clone, Debug)]
pub struct WriteOptions {
    pub dry_run: bool,
    pub field_validation: FieldValidation,
    /// Who the written fields will belong to.
    pub manager: String,
    pub force: bool,
}

impl Context {
    pub fn warn(&self, warning: impl Into<String>) {
        self.warnings.lock().push(warning.into());
    }

    /// Notes something beside the request in the audit log; what was noted first stays.
    pub fn annotate(&self, key: impl Into<String>, value: impl Into<String>) {
        self.audit.annotate(key, value);
    }

    /// Decodes the object that the request brings, and puts it on record.
    pub fn decode(
        &self,
        bytes: &[u8],
        expected: &Expected<'_>,
        validation: FieldValidation,
        warnings: &mut Vec<String>,
    ) -> Result<Value> {
        let object = body::decode(bytes, &self.headers, expected, validation, warnings)?;
        audit::request_object(&self.audit, expected, &object);
        Ok(object)
    }

    /// Reads the options of a create, update or patch.
    pub fn write_options(&self) -> Result<WriteOptions> {
        let kind = match self.info.verb {
            "update" => "UpdateOptions",
            "patch" => "PatchOptions",
            _ => "CreateOptions",
        };
        let unsupported =
            |field, detail: String| Status::invalid_options(kind, "FieldValueNotSupported", field, &detail);
        let dry_runs: Vec<&str> = self.query.all("dryRun").filter(|value| !value.is_empty()).collect();
        if dry_runs.iter().any(|value| *value != "All") {
            let shown = serde_json::json!(dry_runs);
            return Err(unsupported("dryRun", format!("Unsupported value: {shown}: supported values: \"All\"")));
        }
        let field_validation = match self.query.get("fieldValidation").unwrap_or_default() {
            "" | "Warn" => FieldValidation::Warn,
            "Ignore" => FieldValidation::Ignore,
            "Strict" => FieldValidation::Strict,
            other => {
                let detail =
                    format!("Unsupported value: {other:?}: supported values: \"\", \"Ignore\", \"Strict\", \"Warn\"");
                return Err(unsupported("fieldValidation", detail));
            }
        };
        let manager = match self.query.get("fieldManager").unwrap_or_default() {
            "" => self.default_manager(),
            name if name.len() > 128 => {
                let detail = "Too long: may not be more than 128 bytes";
                return Err(Status::invalid_options(kind, "FieldValueTooLong", "fieldManager", detail));
            }
            name => match name.char_indices().find(|(_, c)| !is_printable(*c)) {
                Some((at, c)) => {
                    let detail =
                        format!("Invalid value: {name:?}: invalid character U+{:04X} (at position {at})", u32::from(c));
                    return Err(Status::invalid_options(kind, "FieldValueInvalid", "fieldManager", &detail));
                }
                None => name.to_owned(),
            },
        };
        Ok(WriteOptions { dry_run: !dry_runs.is_empty(), field_validation, manager, force: self.query.flag("force") })
    }

    /// The first word of the user agent, as upstream names writers that do not name themselves.
    fn default_manager(&self) -> String {
        let agent =
            self.headers.get(http::header::USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
        agent.split('/').next().unwrap_or_default().chars().filter(|c| !c.is_control()).take(128).collect()
    }
}

/// Whether Go prints a character: what is seen, and the plain space.
fn is_printable(c: char) -> bool {
    !c.is_control() && (c == ' ' || !c.is_whitespace())
}
