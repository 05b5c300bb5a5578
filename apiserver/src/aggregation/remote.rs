//! One APIService that names a service, as requests need it.

use std::sync::Arc;

use rustls::ClientConfig;
use serde_json::Value;

use super::client::Identity;
use crate::conditions;
use crate::object::{self, int, text};

/// The port that a service is asked at unless its APIService says otherwise.
const HTTPS: u16 = 443;

/// A server behind this one.
#[derive(Debug)]
pub struct Remote {
    /// The name of the APIService.
    pub name: String,
    /// When the APIService was last written.
    pub revision: i64,
    pub group: String,
    pub version: String,
    /// Where its group and its version stand among others.
    pub group_priority: i64,
    pub version_priority: i64,
    pub service: Service,
    /// How to speak to it, or why that is not possible.
    pub tls: Result<Arc<ClientConfig>, String>,
    /// Whether its APIService says that it is available.
    pub available: bool,
}

/// A reference to a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    pub namespace: String,
    pub name: String,
    pub port: u16,
}

impl Service {
    /// The name in its certificate.
    pub fn host(&self) -> String {
        format!("{}.{}.svc", self.name, self.namespace)
    }
}

impl Remote {
    /// Reads an APIService; none if it is about this server itself.
    pub fn read(api_service: &Value, revision: i64, identity: &Identity) -> Option<Remote> {
        let spec = &api_service["spec"];
        let service = &spec["service"];
        if !service.is_object() {
            return None;
        }
        let port = service["port"].as_u64().and_then(|port| u16::try_from(port).ok()).unwrap_or(HTTPS);
        let insecure = spec["insecureSkipTLSVerify"] == true;
        Some(Remote {
            name: object::meta(api_service, "name").to_owned(),
            revision,
            group: text(&spec["group"]).to_owned(),
            version: text(&spec["version"]).to_owned(),
            group_priority: int(&spec["groupPriorityMinimum"]),
            version_priority: int(&spec["versionPriority"]),
            service: Service {
                namespace: text(&service["namespace"]).to_owned(),
                name: text(&service["name"]).to_owned(),
                port,
            },
            tls: identity.tls(text(&spec["caBundle"]), insecure).map_err(|error| error.to_string()),
            available: available(api_service).is_some_and(|condition| condition["status"] == "True"),
        })
    }

    /// The path below which it serves.
    pub fn path(&self) -> String {
        match self.group.as_str() {
            "" => format!("/api/{}", self.version),
            group => format!("/apis/{group}/{}", self.version),
        }
    }
}

/// The condition that says whether an APIService can be used.
pub fn available(api_service: &Value) -> Option<&Value> {
    conditions::find(api_service, "Available")
}
