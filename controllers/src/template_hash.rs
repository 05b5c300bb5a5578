//! The `pod-template-hash` of a template.
//!
//! Upstream hashes Go's dump of the template, which only Go can produce; any stable hash serves, since a template's
//! ReplicaSet is found by comparing templates, never by hash. The alphabet and the length are upstream's.

use k8s_openapi::api::core::v1::PodTemplateSpec;

/// The label and selector key under which the hash stands.
pub const LABEL: &str = "pod-template-hash";

/// Characters that form no words.
const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

/// FNV-1a (32 bit) of the template's JSON and the number of collisions so far, in the safe alphabet.
pub fn template_hash(template: &PodTemplateSpec, collisions: Option<i32>) -> String {
    let json = serde_json::to_vec(template).unwrap_or_default();
    let mut hash: u32 = 0x811c_9dc5;
    let mut feed = |bytes: &[u8]| {
        for byte in bytes {
            hash = (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
        }
    };
    feed(&json);
    if let Some(collisions) = collisions {
        feed(&collisions.to_le_bytes());
    }
    hash.to_string().bytes().map(|digit| char::from(ALPHABET[usize::from(digit) % ALPHABET.len()])).collect()
}

/// `<deployment>-<hash>`, shortened to a valid name.
pub fn set_name(deployment: &str, hash: &str) -> String {
    let longest = 253 - 1 - hash.len();
    let deployment = deployment.get(..longest).unwrap_or(deployment);
    format!("{deployment}-{hash}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stable_and_sensitive_to_collisions() {
        let template = PodTemplateSpec::default();
        assert_eq!(template_hash(&template, None), template_hash(&template, None));
        assert_ne!(template_hash(&template, None), template_hash(&template, Some(1)));
        assert!(template_hash(&template, None).bytes().all(|byte| ALPHABET.contains(&byte)));
        assert_eq!(set_name("web", "abc"), "web-abc");
        assert_eq!(set_name(&"x".repeat(253), "abc").len(), 253);
    }
}
