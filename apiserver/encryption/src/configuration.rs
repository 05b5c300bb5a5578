//! The file that says what is encrypted, and how.
//!
//! Source: apiserver `pkg/apis/apiserver/v1/types_encryption.go`, `pkg/apis/apiserver/validation/validation_encryption.go`.

mod kms;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use self::kms::{KmsFile, KmsProviders};
use crate::cipher::Cipher;
use crate::keys::{Means, Provider};
use crate::kms::Kms;
use crate::metrics::{Metrics, hashed};

/// What is encrypted, and how: keys by group and resource, either of which may be a star.
#[derive(Debug, Default)]
pub struct Configuration {
    resources: BTreeMap<(String, String), Vec<Arc<Provider>>>,
    /// Of the file: it is not kept itself, since it has the keys.
    pub(crate) hash: String,
    /// In the order in which they are named.
    pub(crate) kms: Vec<Arc<Kms>>,
}

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigurationError {
    #[error("error decoding encryption provider configuration: {0}")]
    Syntax(String),
    #[error("got unexpected config type: {0}")]
    Kind(String),
    #[error("{0}")]
    Invalid(String),
    #[error(
        "KMSv1 is deprecated and will only receive security updates going forward. Use KMSv2 instead.  Set --feature-gates=KMSv1=true to use the deprecated KMSv1 feature."
    )]
    KmsV1,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct File {
    #[serde(default)]
    api_version: String,
    #[serde(default)]
    kind: String,
    #[serde(default)]
    resources: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    #[serde(default)]
    resources: Vec<String>,
    #[serde(default)]
    providers: Vec<ProviderFile>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct ProviderFile {
    aesgcm: Option<KeysFile>,
    aescbc: Option<KeysFile>,
    secretbox: Option<KeysFile>,
    identity: Option<IdentityFile>,
    kms: Option<KmsFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct IdentityFile {}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeysFile {
    #[serde(default)]
    keys: Vec<KeyFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyFile {
    #[serde(default)]
    name: String,
    #[serde(default)]
    secret: String,
}

impl Configuration {
    /// Reads an `apiserver.config.k8s.io/v1` `EncryptionConfiguration`, YAML or JSON. KMS providers begin when it is
    /// started, and count in these metrics.
    ///
    /// # Errors
    /// What is wrong with it, in upstream's words.
    pub fn parse(text: &str, metrics: &Metrics) -> Result<Configuration, ConfigurationError> {
        let file: File = serde_saphyr::from_str(text)
            .map_err(|error| ConfigurationError::Syntax(error.to_string().replace('\n', " ")))?;
        if file.api_version != "apiserver.config.k8s.io/v1" || file.kind != "EncryptionConfiguration" {
            return Err(ConfigurationError::Kind(format!("{}, Kind={}", file.api_version, file.kind)));
        }
        let mut problems = Vec::new();
        if file.resources.is_empty() {
            problems.push("resources: Required value: at least one resources is required".to_owned());
        }
        let mut resources: BTreeMap<(String, String), Vec<Arc<Provider>>> = BTreeMap::new();
        let mut kms = KmsProviders::new(metrics);
        for (index, entry) in file.resources.iter().enumerate() {
            let path = format!("resources[{index}]");
            check_resources(&entry.resources, &path, &mut problems);
            let providers = providers(&entry.providers, &path, &mut kms, &mut problems)?;
            for name in &entry.resources {
                let (resource, group) = split(name);
                for earlier in [("*", "*"), (group, "*")] {
                    let is_itself = (group, resource) == earlier;
                    if !is_itself && resources.contains_key(&(earlier.0.to_owned(), earlier.1.to_owned())) {
                        let rule = format!("{}.{}", earlier.1, earlier.0);
                        problems.push(format!("resource {name:?} is masked by earlier rule {rule:?}"));
                    }
                }
                resources.entry((group.to_owned(), resource.to_owned())).or_default().extend(providers.iter().cloned());
            }
        }
        match problems.as_slice() {
            [] if kms.has_v1 => Err(ConfigurationError::KmsV1),
            [] => Ok(Configuration { resources, hash: hashed(text), kms: kms.made }),
            [one] => Err(ConfigurationError::Invalid(one.clone())),
            many => Err(ConfigurationError::Invalid(format!("[{}]", many.join(", ")))),
        }
    }

    /// The providers of a resource, the one that writes in front; none for what is stored as it is.
    pub(crate) fn of(&self, group: &str, resource: &str) -> Option<Vec<Arc<Provider>>> {
        let places = [(group, resource), (group, "*"), ("*", "*")];
        places
            .iter()
            .find_map(|(group, resource)| self.resources.get(&((*group).to_owned(), (*resource).to_owned())).cloned())
    }
}

/// `secrets` is of the core group, `deployments.apps` of another; `*.` is all of the core group.
fn split(name: &str) -> (&str, &str) {
    name.split_once('.').unwrap_or((name, ""))
}

fn check_resources(names: &[String], path: &str, problems: &mut Vec<String>) {
    if names.is_empty() {
        problems.push(format!("{path}.resources: Required value: at least one {path}.resources is required"));
    }
    let mut seen = BTreeSet::new();
    for (index, name) in names.iter().enumerate() {
        let (resource, group) = split(name);
        let mut invalid =
            |why: &str| problems.push(format!("{path}.resources[{index}]: Invalid value: {name:?}: {why}"));
        if name == "*" {
            invalid("use '*.' to encrypt all the resources from core API group or *.* to encrypt all resources");
        }
        if matches!(name.as_str(), "apiserveripinfo" | "serviceipallocations" | "servicenodeportallocations") {
            invalid("resources which do not have REST API/s cannot be encrypted");
        }
        if name.chars().any(char::is_uppercase) {
            invalid("resource name should not contain capital letters");
        }
        if group == "events.k8s.io" {
            invalid(
                "'*.events.k8s.io' objects are stored using the 'events' API group in etcd. Use 'events' instead in the config file",
            );
        }
        if group == "extensions" {
            invalid("'extensions' group has been removed and cannot be used for encryption");
        }
        if group == "*" && resource != "*" {
            invalid("encrypting the same resource across groups is not supported");
        }
        if !seen.insert(name) {
            invalid("the same resource cannot be specified multiple times");
        }
    }
    let stars = names.iter().filter(|name| split(name).0 == "*").count();
    let overlaps = names.iter().any(|name| {
        let (resource, group) = split(name);
        names.iter().any(|other| {
            let (other_resource, other_group) = split(other);
            name != other && other_resource == "*" && (other_group == "*" || (other_group == group && resource != "*"))
        })
    });
    if stars > 0 && overlaps {
        problems.push(format!(
            "{path}.resources: Invalid value: {names:?}: using overlapping resources such as 'secrets' and '*.' in the same resource list is not allowed as they will be masked"
        ));
    }
}

fn providers(
    files: &[ProviderFile],
    path: &str,
    kms: &mut KmsProviders<'_>,
    problems: &mut Vec<String>,
) -> Result<Vec<Arc<Provider>>, ConfigurationError> {
    if files.is_empty() {
        problems.push(format!("{path}.providers: Required value: at least one {path}.providers is required"));
    }
    let mut providers = Vec::new();
    for (index, file) in files.iter().enumerate() {
        let path = format!("{path}.providers[{index}]");
        let named = [
            file.aesgcm.is_some(),
            file.aescbc.is_some(),
            file.secretbox.is_some(),
            file.identity.is_some(),
            file.kms.is_some(),
        ];
        match named.iter().filter(|is_named| **is_named).count() {
            0 => problems.push(format!("{path}: Required value: at least one provider is required")),
            1 => {}
            _ => problems.push(format!(
                "{path}: Invalid value: more than one provider specified in a single element, should split into different list elements"
            )),
        }
        if let Some(file) = &file.kms {
            providers.extend(kms.provider(file, &format!("{path}.kms"), problems)?.map(Arc::new));
        }
        if file.identity.is_some() {
            providers.push(Arc::new(Provider { prefix: Vec::new(), means: Means::Cipher(Cipher::Identity) }));
        }
        type Make = fn(&[u8]) -> Option<Cipher>;
        let with_keys: [(&Option<KeysFile>, &str, Make, &str); 3] = [
            (&file.aesgcm, "aesgcm", Cipher::aes_gcm, "[16 24 32]"),
            (&file.aescbc, "aescbc", Cipher::aes_cbc, "[16 24 32]"),
            (&file.secretbox, "secretbox", Cipher::secretbox, "[32]"),
        ];
        for (keys, kind, make, sizes) in with_keys {
            let Some(keys) = keys else { continue };
            if keys.keys.is_empty() {
                problems
                    .push(format!("{path}.{kind}.keys: Required value: at least one {path}.{kind}.keys is required"));
            }
            for (index, key) in keys.keys.iter().enumerate() {
                let path = format!("{path}.{kind}.keys[{index}]");
                if key.name.is_empty() {
                    problems.push(format!("{path}.name: Required value: name is a mandatory field for a key"));
                }
                if key.secret.is_empty() {
                    problems.push(format!("{path}.secret: Required value: secret is a mandatory field for a key"));
                    continue;
                }
                // What is wrong with a secret is said without showing it.
                let Ok(secret) = STANDARD.decode(&key.secret) else {
                    problems
                        .push(format!("{path}.secret: Invalid value: \"REDACTED\": secrets must be base64 encoded"));
                    continue;
                };
                match make(&secret) {
                    Some(cipher) => {
                        let prefix = format!("k8s:enc:{kind}:v1:{}:", key.name).into_bytes();
                        providers.push(Arc::new(Provider { prefix, means: Means::Cipher(cipher) }));
                    }
                    None => problems.push(format!(
                        "{path}.secret: Invalid value: \"REDACTED\": secret is not of the expected length, got {}, expected one of {sizes}",
                        secret.len()
                    )),
                }
            }
        }
    }
    Ok(providers)
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use super::*;

    static METRICS: LazyLock<Metrics> = LazyLock::new(|| Metrics::new(&prometheus::Registry::new(), "").unwrap());
    const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

    fn parse(resources: &str) -> Result<Configuration, String> {
        let head = "apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:";
        Configuration::parse(&format!("{head} {resources}"), &METRICS).map_err(|error| error.to_string())
    }

    #[test]
    fn the_nearest_rule_counts() {
        let configuration = parse(&format!(
            "\n- {{resources: [secrets], providers: [{{aescbc: {{keys: [{{name: a, secret: {KEY}}}, {{name: b, secret: {KEY}}}]}}}}, {{identity: {{}}}}]}}\n- {{resources: [\"*.apps\"], providers: [{{secretbox: {{keys: [{{name: c, secret: {KEY}}}]}}}}]}}\n- {{resources: [\"*.*\"], providers: [{{identity: {{}}}}, {{aesgcm: {{keys: [{{name: d, secret: {KEY}}}]}}}}]}}"
        ))
        .unwrap();
        let prefixes = |group: &str, resource: &str| -> Vec<String> {
            let providers = configuration.of(group, resource).unwrap();
            providers.iter().map(|provider| String::from_utf8(provider.prefix.clone()).unwrap()).collect()
        };
        assert_eq!(prefixes("", "secrets"), ["k8s:enc:aescbc:v1:a:", "k8s:enc:aescbc:v1:b:", ""]);
        assert_eq!(prefixes("apps", "deployments"), ["k8s:enc:secretbox:v1:c:"]);
        assert_eq!(prefixes("", "configmaps"), ["", "k8s:enc:aesgcm:v1:d:"]);
    }

    #[test]
    fn wrong_files_are_refused_and_secrets_not_shown() {
        let refused = |text: &str| parse(text).unwrap_err();
        assert!(refused("[]").contains("Required value"));
        let short = refused("[{resources: [secrets], providers: [{aescbc: {keys: [{name: a, secret: c2hvcnQ=}]}}]}]");
        assert!(short.contains("got 5, expected one of [16 24 32]") && !short.contains("c2hvcnQ"), "{short}");
        let plain =
            refused("[{resources: [secrets], providers: [{secretbox: {keys: [{name: a, secret: plain-text}]}}]}]");
        assert!(plain.contains("secrets must be base64 encoded") && !plain.contains("plain-text"), "{plain}");
        assert!(refused("[{resources: [\"*\"], providers: [{identity: {}}]}]").contains("use '*.'"));
        assert!(refused("[{resources: [secrets, \"*.\"], providers: [{identity: {}}]}]").contains("overlapping"));
        assert!(refused("[{resources: [secrets], providers: [{identity: {}, aescbc: {}}]}]").contains("more than one"));
        assert!(refused("[{resources: [secrets], providers: [{nonsense: {}}]}]").contains("nonsense"));
        let masked = "[{resources: [\"*.*\"], providers: [{identity: {}}]}, {resources: [secrets], providers: [{identity: {}}]}]";
        assert_eq!(refused(masked), "resource \"secrets\" is masked by earlier rule \"*.*\"");
        assert!(Configuration::parse("kind: EncryptionConfiguration", &METRICS).is_err());
    }

    proptest::proptest! {
        #[test]
        fn no_file_makes_it_panic(text in ".{0,200}", tail in "[a-z:*/\\[\\]{}, -]{0,80}") {
            let _ = Configuration::parse(&text, &METRICS);
            let _ = parse(&format!("[{{resources: [secrets], {tail}}}]"));
        }
    }
}
