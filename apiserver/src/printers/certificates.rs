//! Certificate signing requests.

use jiff::Timestamp;
use serde_json::Value;

use super::cells::{age, cells, condition, name, text, text_or};
use super::column::{AGE, Column, NAME};
use super::{Printer, age};

pub static SIGNING_REQUEST: Printer = Printer::new(
    &[
        NAME,
        AGE,
        Column::string(
            "SignerName",
            "Requested signer for the request. It is a qualified name in the form: `scope-hostname.io/name`. If empty, it will be defaulted:\n 1. If it's a kubelet client certificate, it is assigned\n    \"kubernetes.io/kube-apiserver-client-kubelet\".\n 2. If it's a kubelet serving certificate, it is assigned\n    \"kubernetes.io/kubelet-serving\".\n 3. Otherwise, it is assigned \"kubernetes.io/legacy-unknown\".\nDistribution of trust for signers happens out of band. You can select on this field using `spec.signerName`.",
        ),
        Column::string("Requestor", "Base64-encoded PKCS#10 CSR data"),
        Column::string(
            "RequestedDuration",
            "expirationSeconds is the requested duration of validity of the issued certificate. The certificate signer may issue a certificate with a different validity duration so a client must check the delta between the notBefore and and notAfter fields in the issued certificate to determine the actual duration.\n\nThe v1.22+ in-tree implementations of the well-known Kubernetes signers will honor this field as long as the requested duration is not greater than the maximum duration they will honor per the --cluster-signing-duration CLI flag to the Kubernetes controller manager.\n\nCertificate signers may not honor this field for various reasons:\n\n  1. Old signer that is unaware of the field (such as the in-tree\n     implementations prior to v1.22)\n  2. Signer whose configured maximum is shorter than the requested duration\n  3. Signer whose configured minimum is longer than the requested duration\n\nThe minimum valid value for expirationSeconds is 600, i.e. 10 minutes.",
        ),
        Column::string("Condition", "Conditions applied to the request, such as approval or denial."),
    ],
    signing_request,
);

fn signing_request(object: &Value, now: Timestamp) -> Vec<Value> {
    let spec = &object["spec"];
    cells![
        name(object),
        age(object, now),
        text_or(&spec["signerName"], "<none>"),
        text(&spec["username"]),
        spec["expirationSeconds"].as_i64().map_or_else(|| "<none>".to_owned(), age::human),
        state(object),
    ]
}

/// A denial goes before an approval, whatever the conditions' statuses are.
fn state(object: &Value) -> String {
    let has = |kind: &str| condition(object, kind).is_some();
    let decision = match (has("Denied"), has("Approved")) {
        (true, _) => "Denied",
        (_, true) => "Approved",
        _ => "Pending",
    };
    let failed = if has("Failed") { ",Failed" } else { "" };
    let issued = if text(&object["status"]["certificate"]).is_empty() { "" } else { ",Issued" };
    format!("{decision}{failed}{issued}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::printers::cells::testing::shows;

    #[test]
    fn signing_requests() {
        let object = json!({
            "spec": {"signerName": "example.com/s", "username": "u", "expirationSeconds": 86400},
            "status": {"conditions": [{"type": "Approved"}], "certificate": "Y2VydA=="},
        });
        shows(&SIGNING_REQUEST, object, json!(["x", "60s", "example.com/s", "u", "24h", "Approved,Issued"]));
        let object = json!({"status": {"conditions": [{"type": "Approved"}, {"type": "Failed"}, {"type": "Denied"}]}});
        shows(&SIGNING_REQUEST, object, json!(["x", "60s", "<none>", "", "<none>", "Denied,Failed"]));
        shows(&SIGNING_REQUEST, json!({}), json!(["x", "60s", "<none>", "", "<none>", "Pending"]));
    }
}
