//! The loop: changes come in, are gathered for a moment, planned and programmed.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    time::Duration,
};

use anyhow::Result;
use kube::Client;
use tokio::{sync::mpsc, time::Instant};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::{
    conntrack,
    health::{ProxyHealth, ServiceHealth},
    metrics::Metrics,
    model::{Family, NodeView},
    nft,
    plan::{self, Config, NodePortAddresses, Udp},
    ruleset,
    table::{CHAIN_GRACE, Sync, Table},
    watches::{self, Change, Known},
};

const CHANGES: usize = 1024;
/// The longest wait before a failed sync is tried again; the first is the minimal sync period.
const MAX_RETRY: Duration = Duration::from_secs(30);

/// What the loop is told to do.
#[derive(Clone, Debug)]
pub struct Options {
    pub node: String,
    /// Stands in place of the node's own address.
    pub node_ip: Option<IpAddr>,
    pub config: Config,
    /// Syncs are at least this far apart; the first change after a pause is synced at once.
    pub min_sync_period: Duration,
    /// How often the table is looked at, for changes by others.
    pub sync_period: Duration,
}

/// One family's share of the work.
struct Proxier {
    family: Family,
    table: Table,
    udp: Udp,
}

/// Proxies until `shutdown`. The rules stay: connections go on while the proxy is replaced.
///
/// # Errors
/// There is no nft that could be used.
pub async fn run(
    client: Client,
    options: Options,
    health: ProxyHealth,
    metrics: Metrics,
    shutdown: CancellationToken,
) -> Result<()> {
    let mut proxiers = Vec::new();
    for family in Family::ALL {
        match nft::run(&format!("add table {} {}\n", family.ip(), ruleset::TABLE)).await {
            Ok(()) => proxiers.push(Proxier { family, table: Table::new(family), udp: Udp::default() }),
            Err(error) if family == Family::V6 => info!("no {} proxying: {error:#}", family.as_str()),
            Err(error) => return Err(error),
        }
    }
    let tracks = conntrack::is_available().await;
    if !tracks {
        info!("no conntrack tool: UDP connections to endpoints that are gone end by their timeout only");
    }
    let (sender, mut changes) = mpsc::channel(CHANGES);
    watches::start(&client, &options.node, &sender);
    let mut known = Known::default();
    let mut services = ServiceHealth::default();
    let mut due: Option<Instant> = None;
    let mut last_sync: Option<Instant> = None;
    let mut retry = options.min_sync_period.max(Duration::from_millis(100));
    let mut look = tokio::time::interval(options.sync_period);
    look.tick().await;
    loop {
        let timer = async {
            match due.filter(|_| known.is_synced()) {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            change = changes.recv() => {
                let mut next = change;
                let mut changed = false;
                while let Some(change) = next {
                    if let Change::Node(node) = &change {
                        health.set_node(node.as_ref().map(|node| node.leaving));
                    }
                    changed |= known.apply(change);
                    next = changes.try_recv().ok();
                }
                if changed {
                    for proxier in &proxiers {
                        health.queued(proxier.family);
                        metrics.queued(proxier.family);
                    }
                    let now = Instant::now();
                    let earliest = last_sync.map_or(now, |last| (last + options.min_sync_period).max(now));
                    due = Some(due.map_or(earliest, |due| due.min(earliest)));
                }
            }
            () = timer => {
                let succeeded = sync_all(&mut proxiers, &known, &options, &mut services, &health, &metrics, tracks).await;
                last_sync = Some(Instant::now());
                let stale = proxiers.iter().any(|proxier| proxier.table.has_stale_chains());
                due = match succeeded {
                    false => Some(Instant::now() + retry),
                    true if stale => Some(Instant::now() + CHAIN_GRACE + Duration::from_millis(100)),
                    true => None,
                };
                retry = if succeeded { options.min_sync_period.max(Duration::from_millis(100)) } else { (retry * 2).min(MAX_RETRY) };
            }
            _ = look.tick() => {
                for proxier in &mut proxiers {
                    proxier.table.check().await;
                }
                due.get_or_insert_with(Instant::now);
            }
            () = shutdown.cancelled() => return Ok(()),
        }
    }
}

/// Programs everything; false where something failed.
async fn sync_all(
    proxiers: &mut [Proxier],
    known: &Known,
    options: &Options,
    services: &mut ServiceHealth,
    health: &ProxyHealth,
    metrics: &Metrics,
    tracks: bool,
) -> bool {
    let mut node = known.node.clone().unwrap_or_else(|| NodeView { name: options.node.clone(), ..NodeView::default() });
    if let Some(ip) = options.node_ip {
        node.ips.retain(|known| Family::of(*known) != Family::of(ip));
        node.ips.push(ip);
    }
    let mut succeeded = true;
    let mut health_checks = std::collections::BTreeMap::new();
    for proxier in proxiers {
        let family = proxier.family;
        let began = Instant::now();
        let plan = plan::plan(&known.state, &node, &options.config, family);
        proxier.table.delete_stale_chains().await;
        match proxier.table.sync(&plan.rules, &options.config, &node.ips).await {
            Ok(sync) => {
                if sync != Sync::Nothing {
                    debug!("synced {} ({sync:?}) in {:?}", family.as_str(), began.elapsed());
                }
                metrics.synced(family, sync, began.elapsed());
                metrics.without_local_endpoints(family, plan.without_local_endpoints);
                health.updated(family);
                if tracks && plan.udp != proxier.udp {
                    match conntrack::clean(&plan.udp, family).await {
                        Ok(count) => metrics.flows_deleted(family, count),
                        Err(error) => warn!("cannot clean up UDP connections: {error:#}"),
                    }
                }
                proxier.udp = plan.udp;
            }
            Err(error) => {
                warn!("sync of {} failed, will retry: {error:#}", family.as_str());
                metrics.failed(family);
                succeeded = false;
            }
        }
        for (key, (port, count)) in plan.health_checks {
            let both = health_checks.entry(key).or_insert((port, 0));
            both.1 = both.1.max(count);
        }
    }
    let addresses = match &options.config.node_port_addresses {
        NodePortAddresses::Primary if !node.ips.is_empty() => node.ips,
        _ if health_checks.is_empty() => Vec::new(),
        // The unspecified address of IPv6 takes both families where the kernel has both.
        _ if std::path::Path::new("/proc/net/if_inet6").exists() => vec![Ipv6Addr::UNSPECIFIED.into()],
        _ => vec![Ipv4Addr::UNSPECIFIED.into()],
    };
    services.sync(&health_checks, &addresses, health).await;
    succeeded
}
