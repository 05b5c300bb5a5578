//! The paths of a resource and the operations on them.
//!
//! Source: apiserver `pkg/endpoints/installer.go`, which registers the routes that upstream's documents show.

use crate::definitions::META;
use crate::irregular;
use crate::operation::{Answer, Body, MediaTypes, Operation};
use crate::parameters::{Parameter, Parameters};
use crate::resource::{Resource, Subresource};

/// Resources whose `delete` answers with the object rather than a `Status`.
const DELETE_RETURNS_OBJECT: [(&str, &[&str]); 3] = [
    (
        "",
        &[
            "persistentvolumeclaims",
            "persistentvolumes",
            "pods",
            "podtemplates",
            "resourcequotas",
            "serviceaccounts",
            "services",
        ],
    ),
    ("resource.k8s.io", &["deviceclasses", "resourceclaims", "resourceclaimtemplates", "resourceslices"]),
    ("storage.k8s.io", &["csidrivers", "csinodes", "storageclasses", "volumeattachments", "volumeattributesclasses"]),
];

const DEPRECATED: &str = "deprecated: use the 'watch' parameter with a list operation instead";

/// The paths of a resource, each with its operations.
pub fn of_resource(resource: &Resource, parameters: &Parameters<'_>) -> Vec<(String, Vec<Operation>)> {
    let paths = Paths { resource, parameters };
    let mut found = vec![(paths.collection(""), paths.collection_operations())];
    if resource.namespaced && resource.has("list") {
        let everywhere = format!("{}/{}", resource.root(), resource.plural);
        found.push((everywhere, vec![paths.list(Scope::AllNamespaces)]));
    }
    let item = format!("{}/{{name}}", paths.collection(""));
    found.push((item.clone(), paths.item_operations()));
    for subresource in &resource.subresources {
        let path = format!("{item}/{}", subresource.name);
        if let Some(operations) = paths.connect(subresource, false) {
            if subresource.name == "proxy" {
                let rest = paths.connect(subresource, true).unwrap_or_default();
                found.push((format!("{path}/{{path}}"), rest));
            }
            found.push((path, operations));
        } else {
            found.push((path, paths.subresource_operations(subresource)));
        }
    }
    if resource.has("watch") {
        found.push((paths.collection("/watch"), vec![paths.watch_list(paths.own_scope())]));
        found.push((format!("{}/{{name}}", paths.collection("/watch")), vec![paths.watch_item()]));
        if resource.namespaced {
            let everywhere = format!("{}/watch/{}", resource.root(), resource.plural);
            found.push((everywhere, vec![paths.watch_list(Scope::AllNamespaces)]));
        }
    }
    found.retain(|(_, operations)| !operations.is_empty());
    found
}

/// The paths that tell what is served: `/apis/apps/` or `/apis/apps/v1/`, `/api/` and `/apis/`.
pub fn of_discovery(path: &str, definition: &str) -> (String, Vec<Operation>) {
    let mut segments = path.trim_matches('/').split('/');
    let (group, version) = match (segments.next(), segments.next(), segments.next()) {
        (Some("api"), version, None) => ("core", version),
        (_, Some(group), version) => (group, version),
        _ => ("", None),
    };
    let (what, description) = match definition {
        "APIResourceList" => ("APIResources", "get available resources"),
        "APIGroup" => ("APIGroup", "get information of a group"),
        _ => ("APIVersions", "get available API versions"),
    };
    let tag = if group.is_empty() { "apis".into() } else { tag(group, version.unwrap_or_default()) };
    let operation = Operation {
        method: "get",
        id: format!("get{}{}{what}", capitalised(group), title(version.unwrap_or_default())),
        tag,
        description: description.into(),
        action: "",
        kind: None,
        parameters: Vec::new(),
        body: None,
        media_types: MediaTypes::Object,
        responses: &[200],
        answer: Answer::Definition(format!("{META}{definition}")),
    };
    (format!("{path}/"), vec![operation])
}

/// The paths of the server itself: each path's name in the index, its path and its operation.
pub fn of_server() -> [(&'static str, &'static str, Operation); 3] {
    let get = |id: &str, tag: &str, description: &str, media_types, answer| Operation {
        method: "get",
        id: id.into(),
        tag: tag.into(),
        description: description.into(),
        action: "",
        kind: None,
        parameters: Vec::new(),
        body: None,
        media_types,
        responses: &[200],
        answer,
    };
    let issuer = get(
        "getServiceAccountIssuerOpenIDConfiguration",
        "WellKnown",
        "get the OpenID discovery document of the issuer of service account tokens",
        MediaTypes::Json,
        Answer::Text,
    );
    let keys = get(
        "getServiceAccountIssuerOpenIDKeyset",
        "openid",
        "get the public keys that verify service account tokens",
        MediaTypes::KeySet,
        Answer::Text,
    );
    let version = get(
        "getCodeVersion",
        "version",
        "get the version information for this server",
        MediaTypes::Json,
        Answer::Definition(irregular::VERSION_INFO.into()),
    );
    [
        (".well-known/openid-configuration", "/.well-known/openid-configuration/", issuer),
        ("openid/v1/jwks", "/openid/v1/jwks/", keys),
        ("version", "/version/", version),
    ]
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Scope {
    Cluster,
    Namespace,
    AllNamespaces,
}

struct Paths<'a> {
    resource: &'a Resource,
    parameters: &'a Parameters<'a>,
}

impl Paths<'_> {
    /// The path of the collection below `{root}{below}`.
    fn collection(&self, below: &str) -> String {
        let namespace = if self.resource.namespaced { "/namespaces/{namespace}" } else { "" };
        format!("{}{below}{namespace}/{}", self.resource.root(), self.resource.plural)
    }

    fn own_scope(&self) -> Scope {
        if self.resource.namespaced { Scope::Namespace } else { Scope::Cluster }
    }

    fn collection_operations(&self) -> Vec<Operation> {
        let kind = &self.resource.kind;
        let mut operations = Vec::new();
        if self.resource.has("list") {
            operations.push(self.list(self.own_scope()));
        }
        if self.resource.has("create") {
            let mut operation = self.operation("post", "post", self.id("create", "", kind));
            operation.description = format!("create {}{kind}", article(kind));
            operation.parameters = self.placed(self.parameters.write(), None);
            operation.body = Some(body(self.resource.ty.name.to_string()));
            operation.responses = &[200, 201, 202];
            operations.push(operation);
        }
        if self.resource.has("deletecollection") {
            let mut operation = self.operation("delete", "deletecollection", self.id("delete", "Collection", kind));
            operation.description = format!("delete collection of {kind}");
            operation.parameters = self.placed(self.parameters.delete_collection(), None);
            operation.body = Some(Body { required: false, ..body(format!("{META}DeleteOptions")) });
            operation.answer = Answer::Definition(format!("{META}Status"));
            operations.push(operation);
        }
        operations
    }

    fn item_operations(&self) -> Vec<Operation> {
        let kind = &self.resource.kind;
        let mut operations = Vec::new();
        if self.resource.has("get") {
            let mut operation = self.operation("get", "get", self.id("read", "", kind));
            operation.description = format!("read the specified {kind}");
            operation.parameters = self.placed(vec![self.parameters.pretty()], Some(kind));
            operations.push(operation);
        }
        if self.resource.has("update") {
            let mut operation = self.operation("put", "put", self.id("replace", "", kind));
            operation.description = format!("replace the specified {kind}");
            operation.parameters = self.placed(self.parameters.write(), Some(kind));
            operation.body = Some(body(self.resource.ty.name.to_string()));
            operation.responses = &[200, 201];
            operations.push(operation);
        }
        if self.resource.has("patch") {
            let mut operation = self.operation("patch", "patch", self.id("patch", "", kind));
            operation.description = format!("partially update the specified {kind}");
            operation.parameters = self.placed(self.parameters.patch(), Some(kind));
            operation.body = Some(Body { patch: true, ..body(format!("{META}Patch")) });
            operation.responses = &[200, 201];
            operations.push(operation);
        }
        if self.resource.has("delete") {
            let mut operation = self.operation("delete", "delete", self.id("delete", "", kind));
            operation.description = format!("delete {}{kind}", article(kind));
            let mut parameters = self.parameters.delete();
            parameters.push(self.parameters.pretty());
            operation.parameters = self.placed(parameters, Some(kind));
            operation.body = Some(Body { required: false, ..body(format!("{META}DeleteOptions")) });
            operation.responses = &[200, 202];
            let (group, plural) = (&self.resource.group, &self.resource.plural);
            let returns_object =
                DELETE_RETURNS_OBJECT.iter().any(|(of, plurals)| of == group && plurals.contains(&plural.as_str()));
            if !returns_object {
                operation.answer = Answer::Definition(format!("{META}Status"));
            }
            operations.push(operation);
        }
        operations
    }

    fn list(&self, scope: Scope) -> Operation {
        let kind = &self.resource.kind;
        let (namespaced, suffix) = scope_names(scope);
        let mut operation = self.operation("get", "list", self.raw_id("list", &format!("{namespaced}{kind}{suffix}")));
        let or_watch = if self.resource.has("watch") { "list or watch" } else { "list" };
        operation.description = format!("{or_watch} objects of kind {kind}");
        operation.parameters = match scope {
            Scope::AllNamespaces => self.parameters.list(),
            _ => self.placed(self.parameters.list(), None),
        };
        operation.media_types = MediaTypes::Watchable;
        operation.answer = Answer::Definition(self.resource.list_definition());
        operation
    }

    fn watch_list(&self, scope: Scope) -> Operation {
        let kind = &self.resource.kind;
        let (namespaced, suffix) = scope_names(scope);
        let id = self.raw_id("watch", &format!("{namespaced}{kind}List{suffix}"));
        let mut operation = self.operation("get", "watchlist", id);
        operation.description = format!("watch individual changes to a list of {kind}. {DEPRECATED}.");
        operation.parameters = match scope {
            Scope::AllNamespaces => self.parameters.list(),
            _ => self.placed(self.parameters.list(), None),
        };
        operation.media_types = MediaTypes::Watchable;
        operation.answer = Answer::Definition(format!("{META}WatchEvent"));
        operation
    }

    fn watch_item(&self) -> Operation {
        let kind = &self.resource.kind;
        let mut operation = self.operation("get", "watch", self.id("watch", "", kind));
        operation.description = format!(
            "watch changes to an object of kind {kind}. {DEPRECATED}, filtered to a single item with the 'fieldSelector' parameter."
        );
        operation.parameters = self.placed(self.parameters.list(), Some(kind));
        operation.media_types = MediaTypes::Watchable;
        operation.answer = Answer::Definition(format!("{META}WatchEvent"));
        operation
    }

    fn subresource_operations(&self, subresource: &Subresource) -> Vec<Operation> {
        let kind = &self.resource.kind;
        let name = &subresource.name;
        let about = self.kind_of(subresource);
        let definition = self.definition_of(subresource);
        let mut operations = Vec::new();
        for verb in &subresource.verbs {
            let (method, action, prefix, description) = match *verb {
                "get" => ("get", "get", "read", format!("read {name} of the specified {kind}")),
                "create" => ("post", "post", "create", format!("create {name} of{}{kind}", padded_article(kind))),
                "update" => ("put", "put", "replace", format!("replace {name} of the specified {kind}")),
                "patch" => ("patch", "patch", "patch", format!("partially update {name} of the specified {kind}")),
                _ => continue,
            };
            let mut operation = self.operation(method, action, self.id(prefix, "", &format!("{kind}{}", title(name))));
            operation.description = description;
            operation.parameters = match *verb {
                "get" => vec![self.parameters.pretty()],
                "patch" => self.parameters.patch(),
                _ => self.parameters.write(),
            };
            operation.answer = Answer::Definition(definition.clone());
            operation.body = match *verb {
                "get" => None,
                "patch" => Some(Body { patch: true, ..body(format!("{META}Patch")) }),
                _ => Some(body(definition.clone())),
            };
            operation.responses = match *verb {
                "get" => &[200],
                "create" => &[200, 201, 202],
                _ => &[200, 201],
            };
            // An object that stands for another (a Binding of a Pod) names it.
            let named = if about.2 == *kind || *verb == "get" && name == "log" { kind } else { &about.2 };
            if name == "log" {
                if let Some(options) = apiserver_schema::builtin("", "v1", "PodLogOptions") {
                    operation.parameters.extend(self.parameters.options(options));
                }
                operation.answer = Answer::Text;
                operation.media_types = MediaTypes::Log;
            }
            operation.parameters = self.placed(operation.parameters, Some(named));
            operation.kind = Some(about.clone());
            operations.push(operation);
        }
        operations
    }

    /// The operations of a subresource that connects to something; `None` for other subresources.
    fn connect(&self, subresource: &Subresource, with_path: bool) -> Option<Vec<Operation>> {
        let (group, version, options) = self.kind_of(subresource);
        if !options.ends_with("Options") {
            return None;
        }
        let options_type = apiserver_schema::builtin(&group, &version, &options)?;
        let kind = &self.resource.kind;
        let name = &subresource.name;
        let methods: &[&str] = match name.as_str() {
            "proxy" => &["get", "put", "post", "delete", "options", "head", "patch"],
            _ => &["get", "post"],
        };
        let operation = |method: &&'static str| {
            let suffix = if with_path { "WithPath" } else { "" };
            let id = self.id("connect", &title(method), &format!("{kind}{}{suffix}", title(name)));
            let mut operation = self.operation(method, "connect", id);
            operation.description = format!("connect {} requests to {name} of {kind}", method.to_uppercase());
            operation.parameters = self.placed(self.parameters.options(options_type), Some(&options));
            if with_path {
                operation.parameters.push(self.parameters.rest());
            }
            operation.media_types = MediaTypes::Any;
            operation.answer = Answer::Text;
            operation.kind = Some((group.clone(), version.clone(), options.clone()));
            operation
        };
        Some(methods.iter().map(operation).collect())
    }

    /// An operation on the resource itself.
    fn operation(&self, method: &'static str, action: &'static str, id: String) -> Operation {
        let resource = self.resource;
        Operation {
            method,
            id,
            tag: tag(if resource.group.is_empty() { "core" } else { &resource.group }, &resource.version),
            description: String::new(),
            action,
            kind: Some((resource.group.clone(), resource.version.clone(), resource.kind.clone())),
            parameters: Vec::new(),
            body: None,
            media_types: MediaTypes::Object,
            responses: &[200],
            answer: Answer::Definition(resource.ty.name.to_string()),
        }
    }

    /// Adds the parameters in the path; `named` is the kind that `{name}` names.
    fn placed(&self, mut parameters: Vec<Parameter>, named: Option<&str>) -> Vec<Parameter> {
        if self.resource.namespaced {
            parameters.push(self.parameters.namespace());
        }
        if let Some(kind) = named {
            parameters.push(self.parameters.name(kind));
        }
        parameters
    }

    /// `verb`, group and version, `before`, whether namespaced, `what`.
    fn id(&self, verb: &str, before: &str, what: &str) -> String {
        let namespaced = if self.resource.namespaced { "Namespaced" } else { "" };
        self.raw_id(verb, &format!("{before}{namespaced}{what}"))
    }

    fn raw_id(&self, verb: &str, what: &str) -> String {
        let group = if self.resource.group.is_empty() { "core" } else { &self.resource.group };
        format!("{verb}{}{}{what}", capitalised(group), title(&self.resource.version))
    }

    fn kind_of(&self, subresource: &Subresource) -> (String, String, String) {
        let kind = if subresource.kind.is_empty() { &self.resource.kind } else { &subresource.kind };
        if subresource.version.is_empty() {
            (self.resource.group.clone(), self.resource.version.clone(), kind.clone())
        } else {
            (subresource.group.clone(), subresource.version.clone(), kind.clone())
        }
    }

    fn definition_of(&self, subresource: &Subresource) -> String {
        let (group, version, kind) = self.kind_of(subresource);
        match apiserver_schema::builtin(&group, &version, &kind) {
            Some(ty) if kind != self.resource.kind => ty.name.to_string(),
            _ => self.resource.ty.name.to_string(),
        }
    }
}

fn scope_names(scope: Scope) -> (&'static str, &'static str) {
    match scope {
        Scope::Cluster => ("", ""),
        Scope::Namespace => ("Namespaced", ""),
        Scope::AllNamespaces => ("", "ForAllNamespaces"),
    }
}

fn body(definition: String) -> Body {
    Body { definition, required: true, patch: false }
}

/// `apps_v1`; just the group without a version.
fn tag(group: &str, version: &str) -> String {
    let group = joined(group);
    if version.is_empty() { group } else { format!("{group}_{version}") }
}

/// `rbacAuthorization` of `rbac.authorization.k8s.io`.
fn joined(group: &str) -> String {
    let mut words = group.strip_suffix(".k8s.io").unwrap_or(group).split(|c: char| !c.is_ascii_alphanumeric());
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |name, word| name + &title(word))
}

fn capitalised(group: &str) -> String {
    title(&joined(group))
}

/// With its first letter in upper case.
fn title(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// The indefinite article and a space; plurals (`Endpoints`) have none.
fn article(noun: &str) -> &'static str {
    padded_article(noun).trim_start()
}

fn padded_article(noun: &str) -> &'static str {
    if noun.ends_with('s') && !noun.ends_with("ss") {
        return " ";
    }
    if noun.starts_with(['A', 'E', 'I', 'O', 'U', 'a', 'e', 'i', 'o', 'u']) { " an " } else { " a " }
}
