//! Role bindings.

use jiff::Timestamp;
use serde_json::Value;

use super::Printer;
use super::cells::{age, cells, list, name, text};
use super::column::{AGE, Column, NAME};

pub static CLUSTER_ROLE_BINDING: Printer = Printer::new(
    &[
        NAME,
        Column::string(
            "Role",
            "RoleRef can only reference a ClusterRole in the global namespace. If the RoleRef cannot be resolved, the Authorizer must return an error.",
        ),
        AGE,
        Column::string("Users", "Users in the clusterRoleBinding").wide(),
        Column::string("Groups", "Groups in the clusterRoleBinding").wide(),
        Column::string("ServiceAccounts", "ServiceAccounts in the clusterRoleBinding").wide(),
    ],
    binding,
);

pub static ROLE_BINDING: Printer = Printer::new(
    &[
        NAME,
        Column::string(
            "Role",
            "RoleRef can reference a Role in the current namespace or a ClusterRole in the global namespace. If the RoleRef cannot be resolved, the Authorizer must return an error.",
        ),
        AGE,
        Column::string("Users", "Users in the roleBinding").wide(),
        Column::string("Groups", "Groups in the roleBinding").wide(),
        Column::string("ServiceAccounts", "ServiceAccounts in the roleBinding").wide(),
    ],
    binding,
);

fn binding(object: &Value, now: Timestamp) -> Vec<Value> {
    let role = &object["roleRef"];
    let subjects = |kind: &str, show: fn(&Value) -> String| {
        let subjects = list(&object["subjects"]).iter().filter(|subject| subject["kind"] == kind);
        subjects.map(show).collect::<Vec<_>>().join(", ")
    };
    let named = |subject: &Value| text(&subject["name"]).to_owned();
    cells![
        name(object),
        format!("{}/{}", text(&role["kind"]), text(&role["name"])),
        age(object, now),
        subjects("User", named),
        subjects("Group", named),
        subjects("ServiceAccount", |subject| format!("{}/{}", text(&subject["namespace"]), text(&subject["name"]))),
    ]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::printers::cells::testing::shows;

    #[test]
    fn bindings() {
        let object = json!({
            "roleRef": {"kind": "Role", "name": "r"},
            "subjects": [
                {"kind": "User", "name": "u"}, {"kind": "Group", "name": "g"}, {"kind": "User", "name": "v"},
                {"kind": "ServiceAccount", "namespace": "ns", "name": "sa"},
            ],
        });
        shows(&ROLE_BINDING, object.clone(), json!(["x", "Role/r", "60s", "u, v", "g", "ns/sa"]));
        shows(&CLUSTER_ROLE_BINDING, object, json!(["x", "Role/r", "60s", "u, v", "g", "ns/sa"]));
    }
}
