//! Our table of one family in the kernel: brings it from what was applied to what is planned.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    time::{Duration, Instant},
};

use anyhow::Result;
use tracing::{debug, warn};

use crate::{
    model::Family,
    nft,
    plan::Config,
    ruleset::{self, Existing, RuleSet},
};

/// A chain that nothing jumps to any more is deleted after this: a packet may still be in it.
pub const CHAIN_GRACE: Duration = Duration::from_secs(1);

/// The table and what is known to be in it.
pub struct Table {
    family: Family,
    /// None: unknown, so everything is written anew.
    applied: Option<RuleSet>,
    node_ips: Vec<IpAddr>,
    stale: BTreeMap<String, Instant>,
}

/// How a sync was done, for metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sync {
    Nothing,
    Partial,
    Full,
}

impl Table {
    pub fn new(family: Family) -> Self {
        Table { family, applied: None, node_ips: Vec::new(), stale: BTreeMap::new() }
    }

    /// Makes the kernel's table what is planned.
    ///
    /// # Errors
    /// nft refused even a new table. The next call starts from scratch.
    pub async fn sync(&mut self, rules: &RuleSet, config: &Config, node_ips: &[IpAddr]) -> Result<Sync> {
        if self.node_ips != node_ips {
            self.applied = None;
        }
        if let Some(applied) = &self.applied {
            let transaction = ruleset::change(applied, rules, self.family);
            if transaction.text.is_empty() {
                return Ok(Sync::Nothing);
            }
            match nft::run(&transaction.text).await {
                Ok(()) => {
                    self.applied_now(rules, node_ips, transaction.stale);
                    return Ok(Sync::Partial);
                }
                Err(error) => warn!("nftables sync of {} failed, writing all anew: {error:#}", self.family.as_str()),
            }
        }
        self.applied = None;
        let existing = nft::list(self.family).await?;
        let transaction = ruleset::full(rules, config, node_ips, self.family, &existing);
        if let Err(error) = nft::run(&transaction.text).await {
            // What is there cannot be built upon: without it, clients lose their affinity, but services work.
            warn!("full nftables sync of {} failed, making a new table: {error:#}", self.family.as_str());
            let anew = ruleset::full(rules, config, node_ips, self.family, &Existing::default());
            nft::run(&format!("{}{}", ruleset::delete_table(self.family), anew.text)).await?;
            self.stale.clear();
            self.applied_now(rules, node_ips, BTreeSet::new());
            return Ok(Sync::Full);
        }
        self.applied_now(rules, node_ips, transaction.stale);
        Ok(Sync::Full)
    }

    fn applied_now(&mut self, rules: &RuleSet, node_ips: &[IpAddr], stale: BTreeSet<String>) {
        let now = Instant::now();
        for chain in stale {
            self.stale.entry(chain).or_insert(now);
        }
        self.stale.retain(|chain, _| !rules.chains.contains_key(chain));
        self.applied = Some(rules.clone());
        self.node_ips = node_ips.to_vec();
    }

    pub fn has_stale_chains(&self) -> bool {
        !self.stale.is_empty()
    }

    /// Deletes chains that are out of use for long enough.
    pub async fn delete_stale_chains(&mut self) {
        let old: Vec<String> = self
            .stale
            .iter()
            .filter(|(_, since)| since.elapsed() >= CHAIN_GRACE)
            .map(|(name, _)| name.clone())
            .collect();
        if old.is_empty() {
            return;
        }
        if let Err(error) = nft::run(&ruleset::delete_chains(&old, self.family)).await {
            debug!("unable to delete stale chains of {}, writing all anew: {error:#}", self.family.as_str());
            self.applied = None;
        }
        for chain in old {
            self.stale.remove(&chain);
        }
    }

    /// Looks whether someone else changed the table; if so, the next sync writes it anew.
    pub async fn check(&mut self) {
        let Some(applied) = &self.applied else { return };
        match nft::list(self.family).await {
            Ok(existing) => {
                let of_services: BTreeSet<&String> =
                    existing.chains.iter().filter(|chain| ruleset::is_service_chain(chain)).collect();
                let expected: BTreeSet<&String> = applied.chains.keys().chain(self.stale.keys()).collect();
                if of_services != expected || !existing.chains.contains("services") {
                    warn!("the table {} {} was changed by someone else", self.family.ip(), ruleset::TABLE);
                    self.applied = None;
                }
            }
            Err(error) => debug!("cannot look at the table: {error:#}"),
        }
    }
}
