//! What is stored of a value that a plugin's key protects.
//!
//! Source: apiserver `pkg/storage/value/encrypt/envelope/kmsv2/envelope.go`, `kmsv2/v2/api.proto`.

use std::collections::BTreeMap;

use aws_lc_rs::digest::{Context, SHA256};
use bytes::Bytes;
use prost::Message;

use super::dek::Dek;

/// Bytes that a plugin may add to each value at most.
const ANNOTATIONS_MAX_SIZE: usize = 32 * 1024;
const KEY_ID_MAX_SIZE: usize = 1024;
const SOURCE_MAX_SIZE: usize = 1024;

/// What the decrypted `encrypted_dek_source` is.
pub const AES_GCM_KEY: i32 = 0;
pub const HKDF_SHA256_XNONCE_AES_GCM_SEED: i32 = 1;

/// A value with the key that it is encrypted with, itself encrypted.
#[derive(Clone, PartialEq, prost::Message)]
#[prost(skip_debug)]
pub struct EncryptedObject {
    #[prost(bytes = "bytes", tag = "1")]
    pub encrypted_data: Bytes,
    /// The plugin's key.
    #[prost(string, tag = "2")]
    pub key_id: String,
    #[prost(bytes = "bytes", tag = "3")]
    pub encrypted_dek_source: Bytes,
    /// What the plugin wants to be told again.
    #[prost(btree_map = "string, bytes", tag = "4")]
    pub annotations: BTreeMap<String, Vec<u8>>,
    #[prost(int32, tag = "5")]
    pub encrypted_dek_source_type: i32,
}

/// A DEK as values name it: a hash over what the plugin is asked to decrypt.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct DekId([u8; 32]);

impl EncryptedObject {
    /// # Errors
    /// These are not the bytes of one, or it breaks a rule.
    pub fn read(stored: Bytes) -> Result<EncryptedObject, String> {
        let object =
            EncryptedObject::decode(stored).map_err(|_| "proto: cannot parse invalid wire-format data".to_owned())?;
        if object.encrypted_data.is_empty() {
            return Err("encrypted data is empty".to_owned());
        }
        object.check_key()?;
        Ok(object)
    }

    /// Checks everything but the data.
    ///
    /// # Errors
    /// The rule that is broken.
    pub fn check_key(&self) -> Result<(), String> {
        if !matches!(self.encrypted_dek_source_type, AES_GCM_KEY | HKDF_SHA256_XNONCE_AES_GCM_SEED) {
            return Err(format!("unknown encryptedDEKSourceType: {}", self.encrypted_dek_source_type));
        }
        let source = match self.encrypted_dek_source.len() {
            0 => Err("encrypted DEK source is empty".to_owned()),
            size @ ..=SOURCE_MAX_SIZE => Ok(size),
            size => {
                Err(format!("encrypted DEK source is {size} bytes, which exceeds the max size of {SOURCE_MAX_SIZE}"))
            }
        };
        source.map_err(|why| format!("failed to validate encrypted DEK source: {why}"))?;
        check_key_id(&self.key_id).map_err(|(_, why)| format!("failed to validate key id: {why}"))?;
        check_annotations(&self.annotations).map_err(|why| format!("failed to validate annotations: {why}"))
    }

    /// Two values of one DEK have the same.
    pub fn dek_id(&self) -> DekId {
        let mut hash = Context::new(&SHA256);
        hash.update(&self.encrypted_dek_source_type.to_be_bytes());
        let mut add = |part: &[u8]| {
            hash.update(&(part.len() as u64).to_be_bytes());
            hash.update(part);
        };
        add(&self.encrypted_dek_source);
        add(self.key_id.as_bytes());
        for (name, value) in &self.annotations {
            add(name.as_bytes());
            add(value);
        }
        let mut id = [0; 32];
        id.copy_from_slice(hash.finish().as_ref());
        DekId(id)
    }

    /// The DEK, of what the plugin decrypted.
    ///
    /// # Errors
    /// The plugin cannot have encrypted that.
    pub fn dek(&self, source: &[u8]) -> Result<Dek, String> {
        match self.encrypted_dek_source_type {
            HKDF_SHA256_XNONCE_AES_GCM_SEED => Dek::seed(source),
            _ => Dek::key(source),
        }
    }
}

/// # Errors
/// The rule that is broken: its name in metrics, and in words.
pub fn check_key_id(id: &str) -> Result<(), (&'static str, String)> {
    match id.len() {
        0 => Err(("empty", "keyID is empty".to_owned())),
        1..=KEY_ID_MAX_SIZE => Ok(()),
        size => Err(("too_long", format!("keyID is {size} bytes, which exceeds the max size of {KEY_ID_MAX_SIZE}"))),
    }
}

fn check_annotations(annotations: &BTreeMap<String, Vec<u8>>) -> Result<(), String> {
    let mut problems: Vec<String> = annotations.keys().filter_map(|name| check_domain(name).err()).collect();
    let total: usize = annotations.iter().map(|(name, value)| name.len() + value.len()).sum();
    if total > ANNOTATIONS_MAX_SIZE {
        problems.push(format!(
            "total size of annotations is {total}, which exceeds the max size of {ANNOTATIONS_MAX_SIZE}"
        ));
    }
    match problems.as_slice() {
        [] => Ok(()),
        problems => Err(joined(problems)),
    }
}

/// Errors as upstream puts several into one.
pub fn joined(problems: &[String]) -> String {
    match problems {
        [one] => one.clone(),
        many => format!("[{}]", many.join(", ")),
    }
}

/// A name of two labels or more, as of DNS.
fn check_domain(name: &str) -> Result<(), String> {
    const SUBDOMAIN: &str = r"a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
    if name.is_empty() {
        return Err("annotations: Required value".to_owned());
    }
    let name = name.strip_suffix('.').unwrap_or(name);
    let invalid = |value: &str, why: &str| Err(format!("annotations: Invalid value: {value:?}: {why}"));
    let is_label = |label: &str| {
        let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let bytes = label.as_bytes();
        bytes.iter().all(|byte| is_plain(*byte) || *byte == b'-')
            && bytes.first().is_some_and(|byte| is_plain(*byte))
            && bytes.last().is_some_and(|byte| is_plain(*byte))
    };
    let mut whys = Vec::new();
    if name.len() > 253 {
        whys.push("must be no more than 253 bytes");
    }
    if !name.split('.').all(is_label) {
        whys.push(SUBDOMAIN);
    }
    if !whys.is_empty() {
        return invalid(name, &whys.join(","));
    }
    if !name.contains('.') {
        return invalid(name, "should be a domain with at least two segments separated by dots");
    }
    match name.split('.').find(|label| label.len() > 63) {
        Some(label) => invalid(label, "must be no more than 63 bytes"),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object() -> EncryptedObject {
        EncryptedObject {
            encrypted_data: Bytes::from_static(b"data"),
            key_id: "1".to_owned(),
            encrypted_dek_source: Bytes::from_static(b"source"),
            annotations: BTreeMap::from([("version.example.com".to_owned(), b"1".to_vec())]),
            encrypted_dek_source_type: HKDF_SHA256_XNONCE_AES_GCM_SEED,
        }
    }

    #[test]
    fn rules_are_those_of_upstream() {
        assert_eq!(object().check_key(), Ok(()));
        let refused = |change: fn(&mut EncryptedObject)| {
            let mut object = object();
            change(&mut object);
            EncryptedObject::read(object.encode_to_vec().into()).err().unwrap()
        };
        assert_eq!(refused(|o| o.encrypted_data = Bytes::new()), "encrypted data is empty");
        assert_eq!(refused(|o| o.encrypted_dek_source_type = 2), "unknown encryptedDEKSourceType: 2");
        assert_eq!(refused(|o| o.key_id.clear()), "failed to validate key id: keyID is empty");
        assert_eq!(
            refused(|o| o.key_id = "x".repeat(1025)),
            "failed to validate key id: keyID is 1025 bytes, which exceeds the max size of 1024"
        );
        assert_eq!(
            refused(|o| o.encrypted_dek_source = Bytes::new()),
            "failed to validate encrypted DEK source: encrypted DEK source is empty"
        );
        assert_eq!(
            refused(|o| o.encrypted_dek_source = vec![0; 1025].into()),
            "failed to validate encrypted DEK source: encrypted DEK source is 1025 bytes, which exceeds the max size of 1024"
        );
        let annotations = refused(|o| o.annotations = BTreeMap::from([("local".to_owned(), vec![0; 32 * 1024])]));
        assert_eq!(
            annotations,
            "failed to validate annotations: [annotations: Invalid value: \"local\": should be a domain with at least two segments separated by dots, total size of annotations is 32773, which exceeds the max size of 32768]"
        );
        assert!(
            refused(|o| o.annotations = BTreeMap::from([("A.b".to_owned(), vec![])])).contains("RFC 1123 subdomain")
        );
        assert!(EncryptedObject::read(Bytes::from_static(b"\xff")).is_err());
    }

    #[test]
    fn each_dek_has_an_id_of_its_own() {
        let all = [
            object(),
            EncryptedObject { key_id: "2".to_owned(), ..object() },
            EncryptedObject { encrypted_dek_source_type: AES_GCM_KEY, ..object() },
            EncryptedObject { encrypted_dek_source: Bytes::from_static(b"source1"), key_id: String::new(), ..object() },
            EncryptedObject { annotations: BTreeMap::new(), ..object() },
        ];
        for (index, one) in all.iter().enumerate() {
            let same = EncryptedObject { encrypted_data: Bytes::new(), ..one.clone() };
            assert!(one.dek_id() == same.dek_id());
            assert!(all[..index].iter().all(|other| other.dek_id() != one.dek_id()));
        }
    }
}
