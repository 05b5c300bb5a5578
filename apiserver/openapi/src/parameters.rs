//! The parameters of operations.

use apiserver_schema::{Shape, Type};
use serde_json::{Map, Value, json};

use crate::definitions::{Flavour, META};
use crate::descriptions::Descriptions;

/// A path or query parameter.
#[derive(Clone, PartialEq, Eq)]
pub struct Parameter {
    pub name: String,
    /// `path` or `query`.
    pub place: &'static str,
    pub description: String,
    /// `string`, `boolean` or `integer`.
    pub ty: &'static str,
}

impl Parameter {
    pub fn render(&self, flavour: Flavour) -> Value {
        let mut rendered = Map::new();
        rendered.insert("name".into(), self.name.as_str().into());
        rendered.insert("in".into(), self.place.into());
        if !self.description.is_empty() {
            rendered.insert("description".into(), self.description.as_str().into());
        }
        if self.place == "path" {
            rendered.insert("required".into(), true.into());
        }
        match flavour {
            Flavour::V2 => {
                rendered.insert("type".into(), self.ty.into());
                rendered.insert("uniqueItems".into(), true.into());
            }
            Flavour::V3 => {
                rendered.insert("schema".into(), json!({"type": self.ty, "uniqueItems": true}));
            }
        }
        Value::Object(rendered)
    }
}

/// Makes the parameters of one document.
pub struct Parameters<'a> {
    pub descriptions: &'a Descriptions,
}

/// Name, type and meaning of the options of listing and watching.
const LIST: [(&str, &str, &str); 12] = [
    (
        "allowWatchBookmarks",
        "boolean",
        "Whether a watch may send events of type BOOKMARK, which only tell how far it has come. Ignored where nothing is watched.",
    ),
    (
        "continue",
        "string",
        "Where the previous part of a list ended, as its metadata.continue says; asks for the next part of a list that is read in parts with limit. The other parameters have to be the same.",
    ),
    ("fieldSelector", "string", "Restricts the answer to objects whose fields match. Everything matches by default."),
    ("labelSelector", "string", "Restricts the answer to objects whose labels match. Everything matches by default."),
    (
        "limit",
        "integer",
        "How many objects to answer with at most. If there are more, metadata.continue of the answer asks for the rest, as of the same moment. Not for watches.",
    ),
    ("pretty", "string", PRETTY),
    (
        "resourceVersion",
        "string",
        "How recent the answer has to be, or where a watch starts. See https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions for details.",
    ),
    (
        "resourceVersionMatch",
        "string",
        "How resourceVersion applies to a list: Exact or NotOlderThan. See https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions for details.",
    ),
    (
        "sendInitialEvents",
        "boolean",
        "Whether a watch begins with an event for each object that exists, then a bookmark with the annotation k8s.io/initial-events-end. Needs watch and resourceVersionMatch=NotOlderThan.",
    ),
    (
        "shardSelector",
        "string",
        "Restricts the answer to objects in a range of hashes. Needs the feature gate ShardedListAndWatch.",
    ),
    (
        "timeoutSeconds",
        "integer",
        "How long the call may last in seconds, whether or not there is something to answer.",
    ),
    ("watch", "boolean", "Whether to answer with a stream of changes instead of a list, from resourceVersion on."),
];

const PRETTY: &str =
    "Whether to indent the answer: true or false. By default it is indented for browsers, curl and wget.";

const DELETE: [(&str, &str); 5] = [
    ("dryRun", "string"),
    ("gracePeriodSeconds", "integer"),
    ("ignoreStoreReadErrorWithClusterBreakingPotential", "boolean"),
    ("orphanDependents", "boolean"),
    ("propagationPolicy", "string"),
];

impl Parameters<'_> {
    pub fn namespace(&self) -> Parameter {
        path("namespace", "The namespace of the object.")
    }

    pub fn name(&self, kind: &str) -> Parameter {
        path("name", &format!("name of the {kind}"))
    }

    /// The rest of the path of a proxied request.
    pub fn rest(&self) -> Parameter {
        path("path", "path to the resource")
    }

    pub fn pretty(&self) -> Parameter {
        query("pretty", "string", PRETTY)
    }

    /// Of lists and watches.
    pub fn list(&self) -> Vec<Parameter> {
        LIST.iter().map(|(name, ty, description)| query(name, ty, description)).collect()
    }

    pub fn delete(&self) -> Vec<Parameter> {
        let delete_options = format!("{META}DeleteOptions");
        let describe = |name| self.descriptions.field(&delete_options, name).unwrap_or_default();
        DELETE.iter().map(|(name, ty)| query(name, ty, describe(name))).collect()
    }

    pub fn delete_collection(&self) -> Vec<Parameter> {
        let mut parameters = self.list();
        parameters.retain(|parameter| !matches!(&*parameter.name, "allowWatchBookmarks" | "watch"));
        parameters.extend(self.delete());
        parameters
    }

    /// Of creating, updating and patching.
    pub fn write(&self) -> Vec<Parameter> {
        let mut parameters = self.delete();
        parameters.retain(|parameter| parameter.name == "dryRun");
        parameters.push(query(
            "fieldManager",
            "string",
            "Who makes the change, as managedFields records it: at most 128 printable characters. Server-side apply needs it.",
        ));
        parameters.push(query(
            "fieldValidation",
            "string",
            "What to do about unknown and duplicate fields: Ignore them, Warn (the default), or refuse them when Strict.",
        ));
        parameters.push(self.pretty());
        parameters
    }

    pub fn patch(&self) -> Vec<Parameter> {
        let mut parameters = self.write();
        parameters.push(query(
            "force",
            "boolean",
            "Whether server-side apply takes over fields that other managers own. Not for other patches.",
        ));
        parameters
    }

    /// The fields of an options type such as `PodExecOptions`.
    pub fn options(&self, ty: &Type) -> Vec<Parameter> {
        let parameter = |name: &str, ty| query(name, ty, option_description(name));
        let fields = ty.fields.iter().filter(|field| !matches!(&*field.name, "kind" | "apiVersion"));
        fields.filter_map(|field| Some(parameter(&field.name, query_type(&field.shape)?))).collect()
    }
}

fn query_type(shape: &Shape) -> Option<&'static str> {
    match shape {
        Shape::String => Some("string"),
        Shape::Bool => Some("boolean"),
        Shape::Int32 | Shape::Int64 => Some("integer"),
        Shape::List(element) => query_type(element),
        _ => None,
    }
}

fn path(name: &str, description: &str) -> Parameter {
    Parameter { name: name.into(), place: "path", description: description.into(), ty: "string" }
}

fn query(name: &str, ty: &'static str, description: &str) -> Parameter {
    Parameter { name: name.into(), place: "query", description: description.into(), ty }
}

/// What the options of a Pod's and a proxy's subresources mean.
fn option_description(name: &str) -> &'static str {
    match name {
        "command" => "The command to run, one parameter per argument. No shell is involved.",
        "container" => "The container; needed where the Pod has more than one and no default.",
        "follow" => "Whether to go on with new lines as they are written.",
        "insecureSkipTLSVerifyBackend" => "Whether to do without a check of the node's serving certificate.",
        "limitBytes" => "How many bytes to answer with at most.",
        "path" => "The path of the proxied request.",
        "ports" => "The ports to forward; needed over WebSockets.",
        "previous" => "Whether to read the log of the container's previous run.",
        "sinceSeconds" => "How many seconds ago the first line was written at most.",
        "stderr" => "Whether to connect the standard error stream.",
        "stdin" => "Whether to connect the standard input stream.",
        "stdout" => "Whether to connect the standard output stream.",
        "stream" => "Which stream to read: All, Stdout or Stderr.",
        "tailLines" => "How many lines from the end to start with.",
        "timestamps" => "Whether each line begins with the time at which it was written.",
        "tty" => "Whether to use a terminal.",
        _ => "",
    }
}
