//! What the file says of KMS providers.
//!
//! Source: apiserver `pkg/apis/apiserver/v1/defaults.go`, `pkg/apis/apiserver/validation/validation_encryption.go`.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use apiserver_schema::time::{format_duration, parse_duration};
use serde::Deserialize;

use super::ConfigurationError;
use crate::keys::{Means, Provider};
use crate::kms::Kms;
use crate::metrics::Metrics;

/// How many nanoseconds a KMS plugin may take, where the file does not say.
const DEFAULT_TIMEOUT: i64 = 3_000_000_000;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KmsFile {
    #[serde(default)]
    api_version: String,
    #[serde(default)]
    name: String,
    /// Of v1 only.
    cachesize: Option<i32>,
    #[serde(default)]
    endpoint: String,
    timeout: Option<String>,
}

/// The KMS providers of a file.
pub struct KmsProviders<'a> {
    metrics: &'a Metrics,
    /// Whether one is of v1, which is not served.
    pub has_v1: bool,
    names: BTreeSet<String>,
    pub made: Vec<Arc<Kms>>,
}

impl<'a> KmsProviders<'a> {
    pub fn new(metrics: &'a Metrics) -> Self {
        KmsProviders { metrics, has_v1: false, names: BTreeSet::new(), made: Vec::new() }
    }

    /// What one entry says; none where something is wrong with it.
    ///
    /// # Errors
    /// Its timeout is no duration.
    pub fn provider(
        &mut self,
        file: &KmsFile,
        path: &str,
        problems: &mut Vec<String>,
    ) -> Result<Option<Provider>, ConfigurationError> {
        let before = problems.len();
        let name = &file.name;
        let version = if file.api_version.is_empty() { "v1" } else { &file.api_version };
        if name.is_empty() {
            problems.push(format!("{path}.name: Required value: name is a mandatory field for a provider"));
        }
        let mut invalid = |field: &str, value: &dyn Debug, why: &str| {
            problems.push(format!("{path}.{field}: Invalid value: {value:?}: {why}"));
        };
        if version != "v1" {
            if name.contains(':') {
                invalid("name", name, &format!("invalid KMS provider name {name}, must not contain ':'"));
            }
            if self.names.contains(name) {
                invalid("name", name, &format!("duplicate KMS provider name {name}, names must be unique"));
            }
        }
        self.names.insert(name.clone());
        let timeout = match &file.timeout {
            None => DEFAULT_TIMEOUT,
            // A duration that is none is no valid file for a start.
            Some(text) => parse_duration(text).map_err(ConfigurationError::Syntax)?,
        };
        if timeout <= 0 {
            invalid("timeout", &format_duration(timeout), "timeout should be a positive value");
        }
        let socket = match endpoint(&file.endpoint) {
            Ok(socket) => socket,
            Err(why) => {
                invalid("endpoint", &file.endpoint, &why);
                PathBuf::new()
            }
        };
        match (version, file.cachesize) {
            ("v1", Some(0)) => {
                invalid("cachesize", &0, "cachesize should be a positive value, or negative to disable");
            }
            ("v1", _) | (_, None) => {}
            (_, Some(size)) => invalid("cachesize", &size, "cachesize is not supported in v2"),
        }
        if !matches!(version, "v1" | "v2") {
            let why = "unsupported apiVersion apiVersion for KMS provider, only v1 and v2 are supported";
            invalid("apiVersion", &version, why);
        }
        self.has_v1 |= version == "v1";
        if problems.len() > before || version == "v1" {
            return Ok(None);
        }
        let timeout = Duration::from_nanos(timeout.unsigned_abs());
        let kms = Kms::new(name, socket, timeout, self.metrics.of(name));
        self.made.push(Arc::clone(&kms));
        let prefix = format!("k8s:enc:kms:v2:{name}:").into_bytes();
        Ok(Some(Provider { prefix, means: Means::Kms(kms) }))
    }
}

/// The path of a `unix://` URL. `unix:///@name` is an abstract socket.
fn endpoint(text: &str) -> Result<PathBuf, String> {
    if text.is_empty() {
        return Err("endpoint is a mandatory field for a kms".to_owned());
    }
    let unsupported =
        |scheme: &str| Err(format!("unsupported scheme {scheme:?} for KMS provider, only unix is supported"));
    let is_scheme = |text: &str| {
        text.starts_with(|first: char| first.is_ascii_alphabetic())
            && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
    };
    let (scheme, rest) = match text.split_once(':') {
        Some(("", _)) => {
            let why = format!("parse {text:?}: missing protocol scheme");
            return Err(format!("invalid endpoint for kms provider, error: {why}"));
        }
        Some((scheme, rest)) if is_scheme(scheme) => (scheme, rest),
        _ => return unsupported(""),
    };
    if !scheme.eq_ignore_ascii_case("unix") {
        return unsupported(&scheme.to_ascii_lowercase());
    }
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    // What is between the second slash and the next is a host, as in any URL.
    let path = match rest.strip_prefix("//") {
        Some(after) => after.find('/').map_or("", |slash| &after[slash..]),
        None if rest.starts_with('/') => rest,
        None => "",
    };
    Ok(match path.strip_prefix("/@") {
        Some(name) => PathBuf::from(format!("\0{name}")),
        None => PathBuf::from(path),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::configuration::Configuration;

    fn providers(files: &[&str]) -> Result<Configuration, String> {
        let metrics = Metrics::new(&prometheus::Registry::new(), "").unwrap();
        let providers: Vec<_> = files.iter().map(|file| format!("{{kms: {{{file}}}}}")).collect();
        let text = format!(
            "apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources: [{{resources: [secrets], providers: [{}]}}]",
            providers.join(", ")
        );
        Configuration::parse(&text, &metrics).map_err(|error| error.to_string())
    }

    fn kms(fields: &str) -> Result<Configuration, String> {
        providers(&[fields])
    }

    #[test]
    fn kms_providers_have_prefixes_by_their_names() {
        let configuration =
            kms("apiVersion: v2, name: vault, endpoint: \"unix:///run/kms.sock\", timeout: 1m5s").unwrap();
        let providers = configuration.of("", "secrets").unwrap();
        assert_eq!(providers[0].prefix, b"k8s:enc:kms:v2:vault:");
        assert_eq!(configuration.kms[0].timeout, Duration::from_secs(65));
        let configuration = kms("apiVersion: v2, name: vault, endpoint: \"unix:///run/kms.sock\"").unwrap();
        assert_eq!(configuration.kms[0].timeout, Duration::from_secs(3));
    }

    #[test]
    fn wrong_kms_providers_are_refused_in_upstreams_words() {
        let at = "resources[0].providers[0].kms";
        let socket = "endpoint: \"unix:///kms.sock\"";
        for (fields, why) in [
            (
                "apiVersion: v2, name: a, endpoint: \"\"",
                "endpoint: Invalid value: \"\": endpoint is a mandatory field for a kms",
            ),
            (
                "apiVersion: v2, name: a, endpoint: \"tcp://x:1\"",
                "endpoint: Invalid value: \"tcp://x:1\": unsupported scheme \"tcp\" for KMS provider, only unix is supported",
            ),
            (
                "apiVersion: v2, name: a, endpoint: /kms.sock",
                "endpoint: Invalid value: \"/kms.sock\": unsupported scheme \"\" for KMS provider, only unix is supported",
            ),
            (
                "apiVersion: v2, name: a, endpoint: \":x\"",
                "endpoint: Invalid value: \":x\": invalid endpoint for kms provider, error: parse \":x\": missing protocol scheme",
            ),
            (
                &format!("apiVersion: v3, name: a, {socket}"),
                "apiVersion: Invalid value: \"v3\": unsupported apiVersion apiVersion for KMS provider, only v1 and v2 are supported",
            ),
            (&format!("apiVersion: v2, {socket}"), "name: Required value: name is a mandatory field for a provider"),
            (
                &format!("apiVersion: v2, name: \"a:b\", {socket}"),
                "name: Invalid value: \"a:b\": invalid KMS provider name a:b, must not contain ':'",
            ),
            (
                &format!("apiVersion: v2, name: a, timeout: 0s, {socket}"),
                "timeout: Invalid value: \"0s\": timeout should be a positive value",
            ),
            (
                &format!("apiVersion: v2, name: a, cachesize: 7, {socket}"),
                "cachesize: Invalid value: 7: cachesize is not supported in v2",
            ),
            (
                &format!("name: a, cachesize: 0, {socket}"),
                "cachesize: Invalid value: 0: cachesize should be a positive value, or negative to disable",
            ),
        ] {
            assert_eq!(kms(fields).unwrap_err(), format!("{at}.{why}"));
        }
        assert!(kms(&format!("name: a, {socket}")).unwrap_err().starts_with("KMSv1 is deprecated"));
        assert!(
            kms(&format!("apiVersion: v2, name: a, timeout: soon, {socket}")).unwrap_err().contains("invalid duration")
        );
        let twice = format!("apiVersion: v2, name: a, {socket}");
        assert_eq!(
            providers(&[&twice, &twice]).unwrap_err(),
            "resources[0].providers[1].kms.name: Invalid value: \"a\": duplicate KMS provider name a, names must be unique"
        );
    }

    #[test]
    fn endpoints_are_read_as_urls() {
        for (text, path) in [
            ("unix:///run/kms.sock", "/run/kms.sock"),
            ("UNIX:///run/kms.sock?x#y", "/run/kms.sock"),
            ("unix://run/kms.sock", "/kms.sock"),
            ("unix:/run/kms.sock", "/run/kms.sock"),
            ("unix:kms.sock", ""),
            ("unix:///@kms", "\0kms"),
        ] {
            assert_eq!(endpoint(text).unwrap(), PathBuf::from(path), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_kms_provider_makes_it_panic(
            version in "(v1|v2|.{0,4})", name in ".{0,6}", endpoint in "(unix:)?[/@a-z:#?%.]{0,12}",
            timeout in "-?[0-9.]{0,22}(ns|s|h|m|x)?", size in proptest::option::of(proptest::num::i64::ANY),
        ) {
            let size = size.map(|size| format!(", cachesize: {size}")).unwrap_or_default();
            let file = format!(
                "apiVersion: {version:?}, name: {name:?}, endpoint: {endpoint:?}, timeout: {timeout:?}{size}"
            );
            let _ = kms(&file);
        }
    }
}
