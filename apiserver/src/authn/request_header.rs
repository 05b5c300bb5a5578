//! The front proxy: a server that has authenticated the user already and says so in headers.

use http::{HeaderMap, HeaderName};
use rustls::pki_types::CertificateDer;

use super::User;
use super::x509::{Subject, Watched};
use crate::flags::Flags;

pub struct RequestHeader {
    roots: Watched,
    /// Common names that the proxy may have; any when empty.
    allowed: Vec<String>,
    users: Vec<String>,
    uids: Vec<String>,
    groups: Vec<String>,
    extra: Vec<String>,
}

impl RequestHeader {
    pub fn new(flags: &Flags) -> anyhow::Result<Option<RequestHeader>> {
        let Some(path) = &flags.requestheader_client_ca_file else { return Ok(None) };
        Ok(Some(RequestHeader {
            roots: Watched::read(path)?,
            allowed: flags.requestheader_allowed_names.clone(),
            users: flags.requestheader_username_headers.clone(),
            uids: flags.requestheader_uid_headers.clone(),
            groups: flags.requestheader_group_headers.clone(),
            extra: flags.requestheader_extra_headers_prefix.iter().map(|prefix| prefix.to_lowercase()).collect(),
        }))
    }

    /// The authorities that the proxy's certificate must be of.
    pub fn roots(&self) -> &Watched {
        &self.roots
    }

    /// The user named in headers, if a proxy that may say so sent them.
    pub fn user(&self, certificates: &[CertificateDer<'static>], headers: &mut HeaderMap) -> Option<User> {
        let first = |names: &[String]| {
            names.iter().find_map(|name| headers.get(name)).and_then(|value| value.to_str().ok()).map(str::to_owned)
        };
        let name = first(&self.users).filter(|name| !name.is_empty())?;
        self.roots.current().verify(certificates).ok()?;
        let subject = Subject::of(certificates.first()?).ok()?;
        if !self.allowed.is_empty() && !self.allowed.contains(&subject.common_name) {
            return None;
        }
        let mut user = User { name, uid: first(&self.uids).unwrap_or_default(), ..User::default() };
        for header in &self.groups {
            user.groups
                .extend(headers.get_all(header).iter().filter_map(|value| value.to_str().ok().map(str::to_owned)));
        }
        for (header, value) in headers.iter() {
            let Some(key) = self.extra.iter().find_map(|prefix| header.as_str().strip_prefix(prefix.as_str())) else {
                continue;
            };
            if let Ok(value) = value.to_str() {
                user.extra.entry(key.to_owned()).or_default().push(value.to_owned());
            }
        }
        self.strip(headers);
        Some(user)
    }

    /// Removes the headers, so that nothing behind takes them for its own.
    fn strip(&self, headers: &mut HeaderMap) {
        for name in self.users.iter().chain(&self.uids).chain(&self.groups) {
            headers.remove(name);
        }
        let extra: Vec<HeaderName> = headers
            .keys()
            .filter(|name| self.extra.iter().any(|prefix| name.as_str().starts_with(prefix.as_str())))
            .cloned()
            .collect();
        for name in extra {
            headers.remove(name);
        }
    }
}
