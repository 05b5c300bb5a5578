//! Who this API server is to the others: its Lease, and the address under which the store knows that it lives.
//!
//! Source: `pkg/controlplane/apiserver/server.go`, apiserver `pkg/server/config.go` and
//! `pkg/controlplane/reconcilers/lease.go`.

use std::time::Duration;

use apiserver_schema::protobuf;
use apiserver_storage::{Expect, Outcome, prefix_end};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::object::{self, items, text};
use crate::own_objects::ensure;
use crate::server::Server;
use crate::status::{Result, Status};
use crate::storage::{ROOT, Replaced};

/// How long a server that says nothing counts as alive, by its Lease and by its key.
const LEASE_SECONDS: i64 = 3600;
const MASTER_LEASE: Duration = Duration::from_secs(15);

/// One API server's identity, made once at start.
pub struct Identity {
    name: String,
    host: String,
    holder: String,
}

impl Identity {
    pub fn new() -> Self {
        let host = hostname();
        let name = name(&host);
        let holder = format!("{name}_{}", uuid::Uuid::new_v4());
        Identity { name, host, holder }
    }

    /// Makes or renews the Lease.
    pub async fn renew(&self, server: &Server, port: u16) -> Result<()> {
        let now = object::now_micros();
        let address = std::net::SocketAddr::new(server.options.advertise_address, port);
        let lease = json!({
            "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
            "metadata": {
                "name": self.name, "namespace": "kube-system",
                "labels": {
                    "apiserver.kubernetes.io/identity": "kube-apiserver",
                    "kubernetes.io/hostname": self.host,
                },
                "annotations": {"kubernetes.io/peer-advertise-address": address.to_string()},
            },
            "spec": {"holderIdentity": self.holder, "leaseDurationSeconds": LEASE_SECONDS, "renewTime": now},
        });
        ensure(server, "coordination.k8s.io", "leases", &lease).await?;
        let objects = server.objects("coordination.k8s.io", "leases")?;
        let key = objects.key("kube-system", &self.name);
        let mut current = objects.read(&key).await?;
        while let Some((mut existing, revision)) = current {
            if existing["spec"]["renewTime"] == now {
                return Ok(());
            }
            for field in ["labels", "annotations"] {
                object::set(&mut existing, &["metadata", field], lease["metadata"][field].clone());
            }
            object::set(&mut existing, &["spec"], lease["spec"].clone());
            current = match objects.replace(&key, &existing, revision).await? {
                Replaced::Changed(object, revision) => Some((object, revision)),
                Replaced::Done(_) | Replaced::Gone => None,
            };
        }
        Ok(())
    }
}

/// Upstream's name of this server.
pub fn server_name() -> String {
    name(&hostname())
}

/// Upstream's name of the server on a host.
fn name(host: &str) -> String {
    let mut hash = Sha256::new();
    for part in [host, "kube-apiserver"] {
        let length = u16::try_from(part.len()).unwrap_or(u16::MAX);
        hash.update(length.to_be_bytes());
        hash.update(part);
    }
    format!("apiserver-{}", base32(&hash.finalize()[..16]))
}

/// RFC 4648, in small letters and without padding.
fn base32(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let bits = bytes.len() * 8;
    let bit = |at: usize| usize::from(bytes.get(at / 8).is_some_and(|byte| byte >> (7 - at % 8) & 1 == 1));
    let digit = |start: usize| (start..start + 5).fold(0, |digit, at| digit * 2 + bit(at));
    (0..bits).step_by(5).map(|start| char::from(DIGITS[digit(start)])).collect()
}

fn hostname() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    if name.is_empty() { "localhost".to_owned() } else { name.to_owned() }
}

fn masters() -> String {
    format!("{ROOT}masterleases/")
}

/// Tells the store that this server lives, for a while; answers the addresses of all that do.
pub async fn master_leases(server: &Server) -> Result<Vec<String>> {
    let own = server.options.advertise_address.to_string();
    let key = format!("{}{own}", masters());
    let current = server.store.get(&key, None).await?.value;
    let generation = match &current {
        Some(stored) => decode(&stored.value).map_or(0, |lease| lease["metadata"]["generation"].as_i64().unwrap_or(0)),
        None => 0,
    };
    // Every renewal is a change, so that it renews the key's time.
    let lease = json!({
        "apiVersion": "v1", "kind": "Endpoints", "metadata": {"generation": generation + 1},
        "subsets": [{"addresses": [{"ip": own}]}],
    });
    let ty = apiserver_schema::builtin("", "v1", "Endpoints")
        .ok_or_else(|| Status::internal("the kind Endpoints is missing"))?;
    let bytes = protobuf::encode(ty, "v1", "Endpoints", &lease);
    let expect = current.map_or(Expect::Absent, |stored| Expect::ModRevision(stored.mod_revision));
    if let Outcome::Conflict(_) = server.store.put(&key, bytes.into(), expect, Some(MASTER_LEASE)).await? {
        tracing::debug!("another server renewed the key of this one's address");
    }
    alive(server).await
}

/// The addresses of all servers that live.
async fn alive(server: &Server) -> Result<Vec<String>> {
    let (start, end) = (masters(), prefix_end(&masters()));
    let page = server.store.list(&start..&end, 0, None).await?.value;
    let mut addresses: Vec<String> = Vec::new();
    for stored in page.items {
        let lease = decode(&stored.value).unwrap_or_default();
        let ip = text(&lease["subsets"][0]["addresses"][0]["ip"]);
        if !ip.is_empty() && items(&lease["subsets"]).len() == 1 {
            addresses.push(ip.to_owned());
        }
    }
    addresses.sort();
    addresses.dedup();
    Ok(addresses)
}

/// Takes back that this server lives, when it stops; answers the addresses of those that still do.
pub async fn leave(server: &Server) -> Result<Vec<String>> {
    let key = format!("{}{}", masters(), server.options.advertise_address);
    if let Some(stored) = server.store.get(&key, None).await?.value {
        server.store.delete(&key, stored.mod_revision).await?;
    }
    alive(server).await
}

fn decode(value: &[u8]) -> Option<Value> {
    let ty = apiserver_schema::builtin("", "v1", "Endpoints")?;
    let envelope = protobuf::decode_envelope(value).ok()?;
    protobuf::decode(ty, envelope.raw).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_upstreams() {
        assert_eq!(name("vm"), "apiserver-wlv32tlttr4jl3gtroqexyxapa");
    }
}
