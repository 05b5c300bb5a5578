//! Node: a node may read what the pods bound to it need, and nothing of another node's pods.
//!
//! Source: `plugin/pkg/auth/authorizer/node`, `NodeRules` of `plugin/pkg/auth/authorizer/rbac/bootstrappolicy`.
//! What a node writes is looked at by the admission plugin NodeRestriction: here nobody knows what is in it.

use super::{Attributes, Decision};
use crate::authn::User;
use crate::server::Server;

mod relations;

const NODES: &str = "system:nodes";
const PREFIX: &str = "system:node:";
const READ: &[&str] = &["get", "list", "watch"];

/// What every node may do whatever runs on it: groups, resources, verbs.
const RULES: &[(&[&str], &[&str], &[&str])] = &[
    (&["authentication.k8s.io"], &["tokenreviews"], &["create"]),
    (&["authorization.k8s.io"], &["subjectaccessreviews", "localsubjectaccessreviews"], &["create"]),
    (&[""], &["services"], READ),
    (&["", "events.k8s.io"], &["events"], &["create", "update", "patch"]),
    (&[""], &["endpoints"], &["get"]),
    (&["certificates.k8s.io"], &["certificatesigningrequests"], &["create", "get", "list", "watch"]),
    (&["storage.k8s.io"], &["csidrivers"], READ),
    (&["node.k8s.io"], &["runtimeclasses"], READ),
];

/// Whether a user is a node's own.
pub fn is_node(user: &User) -> bool {
    name_of(user).is_some()
}

fn name_of(user: &User) -> Option<&str> {
    user.name.strip_prefix(PREFIX).filter(|_| user.is_in(NODES))
}

pub fn decide(server: &Server, attributes: &Attributes<'_>) -> Decision {
    let Some(node) = name_of(attributes.user) else { return no("") };
    if node.is_empty() {
        return no(format!("unknown node for user {:?}", attributes.user.name));
    }
    if !attributes.is_resource {
        return no("");
    }
    let question = Question { server, node, asked: attributes };
    match (attributes.group, attributes.resource) {
        ("", "secrets" | "configmaps") => question.read(),
        ("", "persistentvolumeclaims") if attributes.subresource == "status" => match attributes.verb {
            "update" | "patch" => question.related(),
            _ => no("can only get/update/patch this type"),
        },
        ("", "persistentvolumeclaims" | "persistentvolumes")
        | ("resource.k8s.io", "resourceclaims")
        | ("storage.k8s.io", "volumeattachments") => question.get(),
        ("", "serviceaccounts") => question.service_account(),
        ("coordination.k8s.io", "leases") => question.lease(),
        ("storage.k8s.io", "csinodes") => question.csi_node(),
        ("resource.k8s.io", "resourceslices") => question.resource_slice(),
        ("", "nodes") => question.of_nodes(),
        ("", "pods") => question.of_pods(),
        // These are read for volumes that no node is given.
        ("certificates.k8s.io", "podcertificaterequests") => no(""),
        _ => question.ruled(),
    }
}

fn no(reason: impl Into<String>) -> Decision {
    Decision::NoOpinion(reason.into())
}

fn yes() -> Decision {
    Decision::Allow(String::new())
}

/// What a node asks.
struct Question<'a> {
    server: &'a Server,
    node: &'a str,
    asked: &'a Attributes<'a>,
}

impl Question<'_> {
    /// What is not divided among nodes.
    fn ruled(&self) -> Decision {
        let asked = self.asked;
        let is_ruled = asked.subresource.is_empty()
            && RULES.iter().any(|(groups, resources, verbs)| {
                groups.contains(&asked.group) && resources.contains(&asked.resource) && verbs.contains(&asked.verb)
            });
        if is_ruled { yes() } else { no("") }
    }

    fn related(&self) -> Decision {
        if self.asked.name.is_empty() {
            return no("No Object name found");
        }
        self.related_by_name()
    }

    fn related_by_name(&self) -> Decision {
        let asked = self.asked;
        if relations::has(self.server, self.node, asked.resource, asked.namespace, asked.name) {
            return yes();
        }
        no(format!("no relationship found between node '{}' and this object", self.node))
    }

    fn get(&self) -> Decision {
        if self.asked.verb != "get" {
            return no("can only get individual resources of this type");
        }
        if !self.asked.subresource.is_empty() {
            return no("cannot get subresource");
        }
        self.related()
    }

    fn read(&self) -> Decision {
        if !READ.contains(&self.asked.verb) {
            return no("can only read resources of this type");
        }
        if !self.asked.subresource.is_empty() {
            return no("cannot read subresource");
        }
        if self.asked.namespace.is_empty() {
            return no("can only read namespaced object of this type");
        }
        self.related()
    }

    fn service_account(&self) -> Decision {
        let asked = self.asked;
        if asked.verb == "get" && asked.subresource.is_empty() {
            return self.read();
        }
        if asked.verb != "create" || asked.name.is_empty() {
            return no("can only create tokens for individual service accounts");
        }
        if asked.subresource != "token" {
            return no("can only create token subresource of serviceaccount");
        }
        self.related_by_name()
    }

    fn lease(&self) -> Decision {
        let asked = self.asked;
        if !matches!(asked.verb, "get" | "create" | "update" | "patch" | "delete") {
            return no("can only get, create, update, patch, or delete a node lease");
        }
        if asked.namespace != "kube-node-lease" {
            return no("can only access leases in the \"kube-node-lease\" system namespace");
        }
        // The name of what is created is not known here.
        if asked.verb != "create" && asked.name != self.node {
            return no("can only access node lease with the same name as the requesting node");
        }
        yes()
    }

    fn csi_node(&self) -> Decision {
        let asked = self.asked;
        if !matches!(asked.verb, "get" | "create" | "update" | "patch" | "delete") {
            return no("can only get, create, update, patch, or delete a CSINode");
        }
        if !asked.subresource.is_empty() {
            return no("cannot authorize CSINode subresources");
        }
        if asked.verb != "create" && asked.name != self.node {
            return no("can only access CSINode with the same name as the requesting node");
        }
        yes()
    }

    fn resource_slice(&self) -> Decision {
        if !self.asked.subresource.is_empty() {
            return no("cannot authorize ResourceSlice subresources");
        }
        match self.asked.verb {
            "create" => yes(),
            "get" | "update" | "patch" | "delete" => self.related(),
            "watch" | "list" | "deletecollection" if self.asked.selectors.asks_for("spec.nodeName", self.node) => yes(),
            "watch" | "list" | "deletecollection" => {
                no("can only list/watch/deletecollection resourceslices with nodeName field selector")
            }
            _ => no(
                "only the following verbs are allowed for a ResourceSlice: get, watch, list, create, update, patch, delete, deletecollection",
            ),
        }
    }

    fn of_nodes(&self) -> Decision {
        let (node, name) = (self.node, self.asked.name);
        match (self.asked.subresource, self.asked.verb) {
            ("", "create" | "update" | "patch") | ("status", "update" | "patch") => yes(),
            // By its name alone: a node asks for its own object before it is there.
            ("", "get" | "list" | "watch") if name == node => yes(),
            ("", "get" | "list" | "watch") if name.is_empty() => {
                no(format!("node '{node}' cannot read all nodes, only its own Node object"))
            }
            ("", "get" | "list" | "watch") => {
                no(format!("node '{node}' cannot read '{name}', only its own Node object"))
            }
            _ => no(""),
        }
    }

    fn of_pods(&self) -> Decision {
        match (self.asked.subresource, self.asked.verb) {
            ("", "get") => self.get(),
            ("", "list" | "watch") if self.asked.selectors.asks_for("spec.nodeName", self.node) => yes(),
            ("", "list" | "watch") if !self.asked.name.is_empty() => self.related(),
            ("", "list" | "watch") => no("can only list/watch pods with spec.nodeName field selector"),
            ("", "create" | "delete") | ("status", "update" | "patch") | ("eviction", "create") => yes(),
            _ => no(""),
        }
    }
}
