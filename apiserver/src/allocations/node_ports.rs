//! Node ports of services: one bitmap in the store, which every API server changes by compare-and-swap.
//!
//! The bitmap is kept as upstream keeps it, in a `RangeAllocation` at `/registry/ranges/servicenodeports`: the
//! N-th bit of a big-endian number stands for the range's first port plus N. A service's ports change in one write.
//! What a crash left taken is found by [`NodePorts::repair`].
//!
//! Source: kubernetes `pkg/registry/core/service/portallocator` and `service/allocator`.

use std::collections::HashMap;

use apiserver_schema::json::DecodeOptions;
use apiserver_schema::{Type, json, protobuf};
use apiserver_storage::{Expect, KeyValue, Outcome, Revision, Store};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::bitmap::Bitmap;
use super::service_ports::{Operation, PortChange, offset, ports_of, wants_ports};
use crate::object;
use crate::status::{Result, Status};
use crate::storage::ROOT;

/// How many repairs must find a port unused before it is given back: its service may not be written yet.
const REPAIRS_BEFORE_CLEANUP: u32 = 3;

/// How often a change is tried against newer states.
const TRIES: usize = 50;

/// The node ports of one cluster.
pub struct NodePorts {
    /// Both ends included.
    range: (u16, u16),
    key: String,
    ty: &'static Type,
    /// What is stored, as far as this server knows: so that a change is one write where no other server is.
    last: Mutex<Option<Stored>>,
    /// Ports that no service has, and how many more repairs they are kept for.
    leaks: parking_lot::Mutex<HashMap<u16, u32>>,
}

#[derive(Clone)]
struct Stored {
    range: String,
    taken: Bitmap,
    revision: Revision,
}

impl NodePorts {
    /// # Errors
    /// The schema does not know the type that the ports are stored in.
    pub fn new(range: (u16, u16)) -> anyhow::Result<Self> {
        let ty = apiserver_schema::builtin("", "v1", "RangeAllocation");
        Ok(NodePorts {
            range,
            key: format!("{ROOT}ranges/servicenodeports"),
            ty: ty.ok_or_else(|| anyhow::anyhow!("no kind RangeAllocation"))?,
            last: Mutex::default(),
            leaks: parking_lot::Mutex::default(),
        })
    }

    /// Gives a service the ports that it wants or needs; `old` is the service before an update. A dry run takes nothing.
    pub async fn assign(
        &self,
        store: &dyn Store,
        service: &mut Value,
        old: Option<&Value>,
        dry_run: bool,
    ) -> Result<PortChange> {
        if !wants_ports(service) && !old.is_some_and(wants_ports) {
            return Ok(PortChange::default());
        }
        let (assigned, change) = self
            .change(store, dry_run, |taken| {
                let mut service = service.clone();
                let mut operation = Operation { range: self.range, taken, dry_run, change: PortChange::default() };
                operation.assign(&mut service, old)?;
                Ok((service, operation.change))
            })
            .await?;
        *service = assigned;
        Ok(if dry_run { PortChange::default() } else { change })
    }

    /// Gives ports back.
    pub async fn release(&self, store: &dyn Store, ports: &[u16]) -> Result<()> {
        if ports.is_empty() {
            return Ok(());
        }
        self.change(store, false, |taken| {
            for offset in ports.iter().filter_map(|port| offset(self.range, *port)) {
                taken.remove(offset);
            }
            Ok(())
        })
        .await
    }

    /// Makes the stored bitmap agree with the services there are, and makes it where there is none.
    /// `services` are read after this is called.
    pub async fn repair(&self, store: &dyn Store, services: impl AsyncFnOnce() -> Result<Vec<Value>>) -> Result<()> {
        let mut last = self.last.lock().await;
        let found = store.get(&self.key, None).await?.value;
        let stored = found.as_ref().map(|found| self.decode(found)).transpose()?;
        let rebuilt = self.rebuild(stored.as_ref(), &services().await?);
        if stored.as_ref().is_some_and(|stored| stored.range == self.range_text() && stored.taken == rebuilt) {
            *last = stored;
            return Ok(());
        }
        let expect = found.map_or(Expect::Absent, |found| Expect::ModRevision(found.mod_revision));
        *last = None;
        match store.put(&self.key, self.encode(&rebuilt), expect, None).await? {
            Outcome::Done(revision) => *last = Some(Stored { range: self.range_text(), taken: rebuilt, revision }),
            Outcome::Conflict(_) => {
                return Err(Status::internal("the node ports changed while they were repaired"));
            }
        }
        Ok(())
    }

    /// The bitmap as the services say, and what may be taken by one that is not written yet.
    fn rebuild(&self, stored: Option<&Stored>, services: &[Value]) -> Bitmap {
        let mut unused = match stored {
            Some(stored) => stored.taken.clone(),
            None => Bitmap::default(),
        };
        let same_range = stored.is_none_or(|stored| stored.range == self.range_text());
        let mut rebuilt = Bitmap::default();
        let mut leaks = self.leaks.lock();
        for service in services {
            let (namespace, name) = (object::meta(service, "namespace"), object::meta(service, "name"));
            for port in ports_of(service) {
                let Some(offset) = offset(self.range, port) else {
                    tracing::error!(
                        namespace,
                        name,
                        port,
                        "a service's node port is out of range; please recreate the service"
                    );
                    continue;
                };
                if !rebuilt.insert(offset) {
                    tracing::error!(namespace, name, port, "a node port has several services; please recreate one");
                } else if same_range && !unused.remove(offset) && stored.is_some() {
                    tracing::warn!(namespace, name, port, "a service's node port was not taken; taking it");
                }
                leaks.remove(&port);
            }
        }
        if same_range {
            for offset in unused.iter() {
                let Some(port) = u16::try_from(offset).ok().and_then(|offset| self.range.0.checked_add(offset)) else {
                    continue;
                };
                let left = leaks.entry(port).or_insert(REPAIRS_BEFORE_CLEANUP);
                *left = left.saturating_sub(1);
                if *left > 0 {
                    rebuilt.insert(offset);
                } else {
                    tracing::warn!(port, "a node port that no service has is given back");
                    leaks.remove(&port);
                }
            }
        }
        rebuilt
    }

    /// Changes the bitmap; `change` is made again when another server changed it in between.
    async fn change<T>(
        &self,
        store: &dyn Store,
        dry_run: bool,
        mut change: impl FnMut(&mut Bitmap) -> Result<T>,
    ) -> Result<T> {
        let mut last = self.last.lock().await;
        let mut live = last.is_none();
        for _ in 0..TRIES {
            let stored = match last.take() {
                Some(stored) => stored,
                None => match store.get(&self.key, None).await?.value {
                    Some(found) => self.decode(&found)?,
                    None => {
                        return Err(Status::internal(
                            "cannot allocate resources of type servicenodeportallocations at this time",
                        ));
                    }
                },
            };
            if stored.range != self.range_text() {
                return Err(Status::internal("the provided range does not match the current range"));
            }
            let mut taken = stored.taken.clone();
            let outcome = match change(&mut taken) {
                Ok(outcome) => outcome,
                // Another server may have given back what this one remembers as taken.
                Err(_) if !live => {
                    live = true;
                    continue;
                }
                Err(refused) => {
                    *last = Some(stored);
                    return Err(refused);
                }
            };
            if dry_run || taken == stored.taken {
                *last = Some(stored);
                return Ok(outcome);
            }
            match store.put(&self.key, self.encode(&taken), Expect::ModRevision(stored.revision), None).await? {
                Outcome::Done(revision) => {
                    *last = Some(Stored { taken, revision, ..stored });
                    return Ok(outcome);
                }
                Outcome::Conflict(found) => {
                    *last = found.value.map(|found| self.decode(&found)).transpose()?;
                    live = true;
                }
            }
        }
        Err(Status::internal("the node ports are changed by others all the time"))
    }

    fn range_text(&self) -> String {
        format!("{}-{}", self.range.0, self.range.1)
    }

    fn encode(&self, taken: &Bitmap) -> bytes::Bytes {
        let allocation = json!({
            "metadata": {},
            "range": self.range_text(),
            "data": STANDARD.encode(taken.to_big_endian()),
        });
        protobuf::encode(self.ty, "v1", "RangeAllocation", &allocation).into()
    }

    fn decode(&self, stored: &KeyValue) -> Result<Stored> {
        let allocation = if protobuf::is_envelope(&stored.value) {
            let envelope = protobuf::decode_envelope(&stored.value).map_err(Status::internal)?;
            protobuf::decode(self.ty, envelope.raw).map_err(Status::internal)?
        } else {
            json::decode(self.ty, &stored.value, DecodeOptions::default()).map_err(Status::internal)?.value
        };
        let data = STANDARD.decode(allocation["data"].as_str().unwrap_or_default()).map_err(Status::internal)?;
        Ok(Stored {
            range: allocation["range"].as_str().unwrap_or_default().to_owned(),
            taken: Bitmap::from_big_endian(&data),
            revision: stored.mod_revision,
        })
    }
}

#[cfg(test)]
#[path = "node_ports_tests.rs"]
mod tests;
