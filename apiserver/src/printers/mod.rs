//! Tables: what `kubectl get` shows of a kind.
//!
//! [`printer`] is the list. Source: `pkg/printers/internalversion/printers.go`; columns and cells are those that
//! kube-apiserver 1.36 answers. To add one: a [`Printer`] in the file of its group, with a test of a small object,
//! and a row in [`printer`].

use std::cmp::Ordering;

use apiserver_schema::json;
use bytes::Bytes;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::apiextensions::PrinterColumn;
use crate::partial_metadata::{self, Metadata};
use crate::request::Query;
use crate::resources::{Resource, split_api_version};
use crate::status::{Result, Status};

mod admissionregistration;
pub mod age;
mod apiregistration;
mod apps;
mod autoscaling;
mod batch;
mod cells;
mod certificates;
mod column;
mod coordination;
mod core;
mod discovery;
mod events;
mod flowcontrol;
mod networking;
mod node;
mod pods;
mod policy;
mod rbac;
mod resource;
mod row;
pub mod scale;
mod scheduling;
mod storage;

use column::{CREATED_AT, NAME};
pub use column::{CREATION, Column};
use row::Row;

/// The type of a column's definition.
const COLUMN: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.TableColumnDefinition";

/// How one kind is shown.
pub struct Printer {
    pub columns: &'static [Column],
    /// The cells of an object in any served version, at a time.
    pub cells: fn(&Value, Timestamp) -> Vec<Value>,
    /// Reason and message of an object that has completed.
    pub completed: fn(&Value) -> Option<(&'static str, &'static str)>,
    /// The order of a list's rows, where it is not that of the objects.
    pub order: Option<fn(&Value, &Value) -> Ordering>,
    /// What of an object is read for all this, as dotted paths that lead through lists; empty for whatever there is.
    pub reads: &'static [&'static str],
}

impl Printer {
    const fn new(columns: &'static [Column], cells: fn(&Value, Timestamp) -> Vec<Value>) -> Self {
        Printer { columns, cells, completed: |_| None, order: None, reads: &[] }
    }
}

/// Kinds without a table of their own show name and time of creation.
static PLAIN: Printer = Printer::new(&[NAME, CREATED_AT], |object, _| {
    vec![object["metadata"]["name"].clone(), object["metadata"]["creationTimestamp"].clone()]
});

/// The printer of a kind.
pub fn printer(group: &str, kind: &str) -> &'static Printer {
    match (group, kind) {
        ("", "ComponentStatus") => &core::COMPONENT_STATUS,
        ("", "ConfigMap") => &core::CONFIG_MAP,
        ("", "Endpoints") => &discovery::ENDPOINTS,
        ("", "Event") => &events::EVENT,
        ("", "Namespace") => &core::NAMESPACE,
        ("", "Node") => &node::NODE,
        ("", "PersistentVolume") => &storage::PERSISTENT_VOLUME,
        ("", "PersistentVolumeClaim") => &storage::PERSISTENT_VOLUME_CLAIM,
        ("", "Pod") => &pods::POD,
        ("", "PodTemplate") => &pods::POD_TEMPLATE,
        ("", "ReplicationController") => &apps::REPLICATION_CONTROLLER,
        ("", "ResourceQuota") => &core::RESOURCE_QUOTA,
        ("", "Secret") => &core::SECRET,
        ("", "Service") => &networking::SERVICE,
        ("", "ServiceAccount") => &core::SERVICE_ACCOUNT,
        ("admissionregistration.k8s.io", "MutatingAdmissionPolicy") => &admissionregistration::MUTATING_POLICY,
        ("admissionregistration.k8s.io", "MutatingAdmissionPolicyBinding") => &admissionregistration::BINDING,
        ("admissionregistration.k8s.io", "MutatingWebhookConfiguration") => &admissionregistration::WEBHOOKS,
        ("admissionregistration.k8s.io", "ValidatingAdmissionPolicy") => &admissionregistration::VALIDATING_POLICY,
        ("admissionregistration.k8s.io", "ValidatingAdmissionPolicyBinding") => &admissionregistration::BINDING,
        ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration") => &admissionregistration::WEBHOOKS,
        ("apiregistration.k8s.io", "APIService") => &apiregistration::API_SERVICE,
        ("apps", "ControllerRevision") => &apps::CONTROLLER_REVISION,
        ("apps", "DaemonSet") => &apps::DAEMON_SET,
        ("apps", "Deployment") => &apps::DEPLOYMENT,
        ("apps", "ReplicaSet") => &apps::REPLICA_SET,
        ("apps", "StatefulSet") => &apps::STATEFUL_SET,
        ("autoscaling", "HorizontalPodAutoscaler") => &autoscaling::HORIZONTAL_POD_AUTOSCALER,
        ("batch", "CronJob") => &batch::CRON_JOB,
        ("batch", "Job") => &batch::JOB,
        ("certificates.k8s.io", "CertificateSigningRequest") => &certificates::SIGNING_REQUEST,
        ("coordination.k8s.io", "Lease") => &coordination::LEASE,
        ("discovery.k8s.io", "EndpointSlice") => &discovery::ENDPOINT_SLICE,
        ("events.k8s.io", "Event") => &events::EVENT,
        ("flowcontrol.apiserver.k8s.io", "FlowSchema") => &flowcontrol::FLOW_SCHEMA,
        ("flowcontrol.apiserver.k8s.io", "PriorityLevelConfiguration") => &flowcontrol::PRIORITY_LEVEL,
        ("networking.k8s.io", "Ingress") => &networking::INGRESS,
        ("networking.k8s.io", "IngressClass") => &networking::INGRESS_CLASS,
        ("networking.k8s.io", "IPAddress") => &networking::IP_ADDRESS,
        ("networking.k8s.io", "NetworkPolicy") => &networking::NETWORK_POLICY,
        ("networking.k8s.io", "ServiceCIDR") => &networking::SERVICE_CIDR,
        ("node.k8s.io", "RuntimeClass") => &node::RUNTIME_CLASS,
        ("policy", "PodDisruptionBudget") => &policy::POD_DISRUPTION_BUDGET,
        ("rbac.authorization.k8s.io", "ClusterRoleBinding") => &rbac::CLUSTER_ROLE_BINDING,
        ("rbac.authorization.k8s.io", "RoleBinding") => &rbac::ROLE_BINDING,
        ("resource.k8s.io", "DeviceClass") => &resource::NAME_AND_AGE,
        ("resource.k8s.io", "ResourceClaim") => &resource::CLAIM,
        ("resource.k8s.io", "ResourceClaimTemplate") => &resource::NAME_AND_AGE,
        ("resource.k8s.io", "ResourceSlice") => &resource::SLICE,
        ("scheduling.k8s.io", "PriorityClass") => &scheduling::PRIORITY_CLASS,
        ("storage.k8s.io", "CSIDriver") => &storage::CSI_DRIVER,
        ("storage.k8s.io", "CSINode") => &storage::CSI_NODE,
        ("storage.k8s.io", "StorageClass") => &storage::STORAGE_CLASS,
        ("storage.k8s.io", "VolumeAttachment") => &storage::VOLUME_ATTACHMENT,
        ("storage.k8s.io", "VolumeAttributesClass") => &storage::VOLUME_ATTRIBUTES_CLASS,
        _ => &PLAIN,
    }
}

/// `includeObject`: what of the object each row carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IncludeObject {
    None,
    Metadata,
    Object,
}

impl IncludeObject {
    pub fn read(query: &Query) -> Result<Self> {
        match query.get("includeObject").unwrap_or_default() {
            "" | "Metadata" => Ok(IncludeObject::Metadata),
            "None" => Ok(IncludeObject::None),
            "Object" => Ok(IncludeObject::Object),
            other => Err(Status::bad_request(format!(
                "Unable to convert to Table as requested: includeObject: Invalid value: {other:?}: must be 'Metadata', 'Object', 'None', or empty"
            ))),
        }
    }
}

/// The metadata of the table of something that is no list.
fn meta(revision: &str) -> String {
    if revision.is_empty() { "{}".to_owned() } else { json!({"resourceVersion": revision}).to_string() }
}

/// How objects of one resource are shown.
pub struct Table<'a> {
    resource: &'a Resource,
    include: IncludeObject,
    v1beta1: bool,
    /// Only the first event of a watch has columns.
    pub columns: bool,
    now: Timestamp,
}

impl<'a> Table<'a> {
    pub fn new(resource: &'a Resource, include: IncludeObject, v1beta1: bool) -> Table<'a> {
        Table { resource, include, v1beta1, columns: true, now: Timestamp::now() }
    }

    /// The table of one object, which was last written at this revision.
    pub fn of(&self, object: &Value, revision: &str) -> Vec<u8> {
        self.make(&[Row::whole(object)], &meta(revision))
    }

    /// The table of a list whose metadata is given as JSON.
    pub fn of_list(&self, objects: &[Value], meta: &str) -> Vec<u8> {
        self.make(&objects.iter().map(Row::whole).collect::<Vec<_>>(), meta)
    }

    /// [`Table::of_list`] of objects in canonical JSON.
    pub fn of_json(&self, objects: &[Bytes], meta: &str) -> Result<Vec<u8>> {
        if self.resource.hooks.custom().is_some() || self.include == IncludeObject::Object {
            let trees: serde_json::Result<Vec<Value>> =
                objects.iter().map(|object| serde_json::from_slice(object)).collect();
            return Ok(self.of_list(&trees.map_err(Status::internal)?, meta));
        }
        let paths = printer(&self.resource.group, &self.resource.kind).reads;
        let rows: serde_json::Result<Vec<Row<'_>>> = objects.iter().map(|object| Row::read(object, paths)).collect();
        Ok(self.make(&rows.map_err(Status::internal)?, meta))
    }

    fn make(&self, rows: &[Row<'_>], meta: &str) -> Vec<u8> {
        if let Some(custom) = self.resource.hooks.custom() {
            return self.custom(&custom.version().columns, rows, meta);
        }
        let printer = printer(&self.resource.group, &self.resource.kind);
        let mut out = Vec::with_capacity(4096);
        out.extend_from_slice(br#"{"kind":"Table","apiVersion":""#);
        out.extend_from_slice(self.api_version().as_bytes());
        out.extend_from_slice(br#"","metadata":"#);
        out.extend_from_slice(meta.as_bytes());
        out.extend_from_slice(br#","columnDefinitions":"#);
        if self.columns {
            column::encode(printer.columns, &mut out);
        } else {
            out.extend_from_slice(b"null");
        }
        out.extend_from_slice(br#","rows":["#);
        let mut rows: Vec<&Row<'_>> = rows.iter().collect();
        if let Some(order) = printer.order {
            rows.sort_by(|left, right| order(&left.object, &right.object));
        }
        for (index, row) in rows.into_iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            self.row(printer, row, &mut out);
        }
        out.extend_from_slice(b"]}");
        out
    }

    /// The table of a custom resource: its name, and the columns of its definition.
    fn custom(&self, columns: &[PrinterColumn], rows: &[Row<'_>], meta: &str) -> Vec<u8> {
        let definitions: Vec<Value> = std::iter::once(json!({
            "name": "Name", "type": "string", "format": "name", "description": NAME.description, "priority": 0,
        }))
        .chain(columns.iter().map(|column| column.definition()))
        .collect();
        let mut out =
            format!(r#"{{"kind":"Table","apiVersion":"{}","metadata":{meta},"columnDefinitions":"#, self.api_version())
                .into_bytes();
        if self.columns {
            out.push(b'[');
            for (index, definition) in definitions.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                match apiserver_schema::builtin_by_name(COLUMN) {
                    Some(ty) => json::encode(ty, definition, &mut out),
                    None => json::encode_untyped(definition, &mut out),
                }
            }
            out.push(b']');
        } else {
            out.extend_from_slice(b"null");
        }
        out.extend_from_slice(br#","rows":["#);
        for (index, row) in rows.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            let object = &*row.object;
            let name = std::iter::once(object["metadata"]["name"].clone());
            let cells = name.chain(columns.iter().map(|column| column.cell(object, self.now))).collect();
            out.extend_from_slice(br#"{"cells":"#);
            json::encode_untyped(&Value::Array(cells), &mut out);
            out.extend_from_slice(br#","object":"#);
            self.object(row, &mut out);
            out.push(b'}');
        }
        out.extend_from_slice(b"]}");
        out
    }

    fn row(&self, printer: &Printer, row: &Row<'_>, out: &mut Vec<u8>) {
        let object = &*row.object;
        out.extend_from_slice(br#"{"cells":"#);
        json::encode_untyped(&Value::Array((printer.cells)(object, self.now)), out);
        if let Some((reason, message)) = (printer.completed)(object) {
            let condition = format!(
                r#","conditions":[{{"type":"Completed","status":"True","reason":"{reason}","message":"{message}"}}]"#
            );
            out.extend_from_slice(condition.as_bytes());
        }
        out.extend_from_slice(br#","object":"#);
        self.object(row, out);
        out.push(b'}');
    }

    fn object(&self, row: &Row<'_>, out: &mut Vec<u8>) {
        let resource = self.resource;
        let object = &*row.object;
        match self.include {
            IncludeObject::None => out.extend_from_slice(b"null"),
            IncludeObject::Object => {
                let (_, version) = split_api_version(cells::text(&object["apiVersion"]));
                match resource.version(version) {
                    Some(version) => json::encode(&version.ty, object, out),
                    None => json::encode_untyped(object, out),
                }
            }
            IncludeObject::Metadata => {
                let metadata = match row.metadata {
                    Some(text) => Metadata::Canonical(text),
                    None => Metadata::Tree(object["metadata"].clone()),
                };
                partial_metadata::write(resource, metadata, self.v1beta1, out);
            }
        }
    }

    fn api_version(&self) -> &'static str {
        partial_metadata::api_version(self.v1beta1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(plural: &str, columns: bool, include: IncludeObject, objects: &[Value]) -> String {
        let resources = crate::resources::builtin::resources();
        let resource = resources.iter().find(|resource| resource.plural == plural).expect("a built-in resource");
        let now = cells::testing::now();
        let table = Table { resource, include, v1beta1: false, columns, now };
        String::from_utf8(table.of_list(objects, &meta("7"))).expect("text")
    }

    #[test]
    fn a_row_is_written_as_go_writes_it() {
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod",
            "status": {"phase": "Succeeded"},
            "spec": {"containers": [{"name": "a"}]},
            "metadata": {"creationTimestamp": "2026-01-01T00:00:00Z", "name": "p"},
        });
        assert_eq!(
            of("pods", false, IncludeObject::Metadata, &[pod]),
            concat!(
                r#"{"kind":"Table","apiVersion":"meta.k8s.io/v1","metadata":{"resourceVersion":"7"},"#,
                r#""columnDefinitions":null,"rows":[{"cells":["p","0/1","Succeeded","0","60s","\u003cnone\u003e","#,
                r#""\u003cnone\u003e","\u003cnone\u003e","\u003cnone\u003e"],"conditions":[{"type":"Completed","#,
                r#""status":"True","reason":"Succeeded","message":"The pod has completed successfully."}],"#,
                r#""object":{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1","metadata":{"name":"p","#,
                r#""creationTimestamp":"2026-01-01T00:00:00Z"}}}]}"#
            )
        );
    }

    #[test]
    fn flow_schemas_are_listed_by_precedence() {
        let schema = |name: &str, precedence: i64| json!({"metadata": {"name": name}, "spec": {"matchingPrecedence": precedence}});
        let table = of("flowschemas", false, IncludeObject::None, &[schema("a", 9), schema("c", 1), schema("b", 1)]);
        let at = |name: &str| table.find(&format!(r#"["{name}""#)).expect("a row");
        assert!(at("b") < at("c") && at("c") < at("a"));
    }

    #[test]
    fn kinds_without_a_printer_show_their_creation() {
        let table = of("limitranges", true, IncludeObject::None, &[]);
        assert!(table.contains(r#"{"name":"Created At","type":"date","format":"","#));
    }

    /// IP addresses have a cell without a column upstream too.
    #[test]
    fn every_row_has_a_cell_per_column() {
        for resource in crate::resources::builtin::resources() {
            let printer = printer(&resource.group, &resource.kind);
            let cells = (printer.cells)(&json!({}), cells::testing::now()).len();
            let extra = usize::from(resource.kind == "IPAddress");
            assert_eq!(cells, printer.columns.len() + extra, "{}", resource.kind);
        }
    }
}
