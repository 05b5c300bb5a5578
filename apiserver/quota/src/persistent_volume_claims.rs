//! PersistentVolumeClaims: counted, with the storage they ask for, in all and by storage class.

use apiserver_schema::quantity::Quantity;
use serde_json::Value;

use crate::resources::{Resources, count};
use crate::scopes;

const OBJECT_COUNT: &str = "count/persistentvolumeclaims";
const CLAIMS: &str = "persistentvolumeclaims";
const STORAGE: &str = "requests.storage";
const BY_CLASS: &str = ".storageclass.storage.k8s.io/";

pub fn matches(name: &str) -> bool {
    matches!(name, OBJECT_COUNT | CLAIMS | STORAGE)
        || name.strip_suffix(CLAIMS).or_else(|| name.strip_suffix(STORAGE)).is_some_and(|name| name.ends_with(BY_CLASS))
}

/// Whether a change of the status may change what the claim counts for.
pub fn status_counts(claim: &Value, old: &Value) -> bool {
    claim["status"]["allocatedResources"]["storage"] != old["status"]["allocatedResources"]["storage"]
        || scopes::attribute_classes(claim) != scopes::attribute_classes(old)
}

pub fn usage(claim: &Value) -> Resources {
    let mut used = Resources::from_iter([(CLAIMS.to_owned(), count(1)), (OBJECT_COUNT.to_owned(), count(1))]);
    let beta = claim["metadata"]["annotations"]["volume.beta.kubernetes.io/storage-class"].as_str();
    let class = beta.or_else(|| claim["spec"]["storageClassName"].as_str()).unwrap_or_default();
    if !class.is_empty() {
        used.insert(format!("{class}{BY_CLASS}{CLAIMS}"), count(1));
    }
    if let Some(storage) = storage(claim) {
        if !class.is_empty() {
            used.insert(format!("{class}{BY_CLASS}{STORAGE}"), storage.clone());
        }
        used.insert(STORAGE.to_owned(), storage);
    }
    used
}

/// The storage asked for in whole bytes; while a volume shrinks back after a failed expansion, what it still has.
fn storage(claim: &Value) -> Option<Quantity> {
    let rounded = |mut amount: Quantity| {
        amount.round_up(0);
        amount
    };
    let requests = Resources::read(&claim["spec"]["resources"]["requests"]);
    let asked = rounded(requests.get("storage")?.clone());
    let allocated = Resources::read(&claim["status"]["allocatedResources"]);
    match allocated.get("storage") {
        Some(allocated) if *allocated > asked => Some(rounded(allocated.clone())),
        _ => Some(asked),
    }
}
