//! Forgets UDP connections that still go to endpoints which are gone: UDP has no end that the kernel could see.

use std::{collections::HashMap, net::IpAddr, process::Stdio};

use anyhow::{Context, Result, bail};
use tokio::process::Command;
use tracing::debug;

use crate::{model::Family, plan::Udp};

/// One tracked connection: where the client sent to, and who answers.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Flow {
    source: (IpAddr, u16),
    destination: (IpAddr, u16),
    answers: (IpAddr, u16),
}

/// Deletes the UDP connections of `family` whose endpoint serves their service no more. Gives how many.
///
/// # Errors
/// The `conntrack` tool cannot be run or fails.
pub async fn clean(udp: &Udp, family: Family) -> Result<usize> {
    if udp.services.is_empty() && udp.node_ports.is_empty() {
        return Ok(0);
    }
    let name = family.as_str().to_ascii_lowercase();
    let listed = run(&["-L", "-f", &name, "-p", "udp"]).await?;
    let stale: Vec<Flow> = listed.lines().filter_map(parse).filter(|flow| is_stale(flow, udp)).collect();
    for flow in &stale {
        let (source, destination) = (flow.source.0.to_string(), flow.destination.0.to_string());
        let (sport, dport) = (flow.source.1.to_string(), flow.destination.1.to_string());
        let deletion =
            ["-D", "-f", &name, "-p", "udp", "-s", &source, "-d", &destination, "--sport", &sport, "--dport", &dport];
        // It may have ended meanwhile.
        if let Err(error) = run(&deletion).await {
            debug!("connection not deleted: {error:#}");
        }
    }
    Ok(stale.len())
}

/// Can the tool be run at all?
pub async fn is_available() -> bool {
    run(&["--version"]).await.is_ok()
}

async fn run(args: &[&str]) -> Result<String> {
    let output = Command::new("conntrack").args(args).stdin(Stdio::null()).kill_on_drop(true).output().await;
    let output = output.context("cannot run conntrack")?;
    if !output.status.success() {
        bail!("conntrack: {}", String::from_utf8_lossy(&output.stderr).lines().next().unwrap_or("failed"));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Reads a line of `conntrack -L`: the request's tuple first, then the answer's.
fn parse(line: &str) -> Option<Flow> {
    let mut fields: HashMap<&str, Vec<&str>> = HashMap::new();
    for (name, value) in line.split_whitespace().filter_map(|word| word.split_once('=')) {
        fields.entry(name).or_default().push(value);
    }
    let address = |ip: &str, port: &str, at: usize| -> Option<(IpAddr, u16)> {
        Some((fields.get(ip)?.get(at)?.parse().ok()?, fields.get(port)?.get(at)?.parse().ok()?))
    };
    Some(Flow {
        source: address("src", "sport", 0)?,
        destination: address("dst", "dport", 0)?,
        answers: address("src", "sport", 1)?,
    })
}

fn is_stale(flow: &Flow, udp: &Udp) -> bool {
    let of_service = udp.services.get(&flow.destination);
    let endpoints = of_service.or_else(|| udp.node_ports.get(&flow.destination.1));
    endpoints.is_some_and(|endpoints| !endpoints.contains(&flow.answers))
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    #[test]
    fn stale_flows() {
        let line = |answers: &str| {
            format!(
                "udp      17 29 src=10.0.0.9 dst=10.96.0.10 sport=4000 dport=53 [UNREPLIED] src={answers} dst=10.0.0.9 \
                 sport=5353 dport=4000 mark=0 use=1"
            )
        };
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let endpoints = BTreeSet::from([(ip("10.1.0.1"), 5353)]);
        let udp = Udp {
            services: BTreeMap::from([((ip("10.96.0.10"), 53), endpoints.clone())]),
            node_ports: BTreeMap::from([(30053, endpoints)]),
        };
        let live = parse(&line("10.1.0.1")).unwrap();
        assert_eq!(live.source, (ip("10.0.0.9"), 4000));
        assert!(!is_stale(&live, &udp));
        assert!(is_stale(&parse(&line("10.1.0.2")).unwrap(), &udp));
        assert!(!is_stale(&parse(&line("10.1.0.2").replace("10.96.0.10", "8.8.8.8")).unwrap(), &udp));
        assert!(is_stale(&parse(&line("10.1.0.2").replace("dport=53 ", "dport=30053 ")).unwrap(), &udp));
        assert_eq!(parse("conntrack v1.4.7: 0 flow entries"), None);
    }
}
