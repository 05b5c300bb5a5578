//! The CNI configuration for the node's podCIDR, for nodes without a network plugin of their own.

use std::{fs, path::Path};

use serde_json::{Value, json};

use crate::config::CniBridge;

const FILE: &str = "10-kybern.conflist";

/// Writes the configuration list where it differs. Returns whether it was written.
///
/// # Errors
/// One line with the path.
pub fn write(network: &CniBridge, pod_cidr: &str) -> Result<bool, String> {
    let path = network.dir.join(FILE);
    let text = format!("{:#}\n", conflist(&network.bridge, pod_cidr, has_iptables()));
    if fs::read_to_string(&path).is_ok_and(|current| current == text) {
        return Ok(false);
    }
    let failed = |error: std::io::Error| format!("cannot write {}: {error}", path.display());
    fs::create_dir_all(&network.dir).map_err(failed)?;
    // The runtime watches the directory: it must never see half a file.
    let temporary = network.dir.join(format!(".{FILE}.tmp"));
    fs::write(&temporary, text).map_err(failed)?;
    fs::rename(&temporary, Path::new(&path)).map_err(failed)?;
    Ok(true)
}

/// The plugins that masquerade and map host ports call it; without it they would fail every pod.
fn has_iptables() -> bool {
    ["/usr/sbin/iptables", "/sbin/iptables", "/usr/local/sbin/iptables"].iter().any(|path| Path::new(path).exists())
}

fn conflist(bridge: &str, pod_cidr: &str, iptables: bool) -> Value {
    let any = if pod_cidr.contains(':') { "::/0" } else { "0.0.0.0/0" };
    let mut plugins = vec![json!({
        "type": "bridge",
        "bridge": bridge,
        "isGateway": true,
        "ipMasq": iptables,
        // A pod that reaches itself by its Service comes back by the port it left.
        "hairpinMode": true,
        "ipam": { "type": "host-local", "ranges": [[{ "subnet": pod_cidr }]], "routes": [{ "dst": any }] }
    })];
    if iptables {
        plugins.push(json!({ "type": "portmap", "capabilities": { "portMappings": true } }));
    }
    plugins.push(json!({ "type": "loopback" }));
    json!({ "cniVersion": "0.4.0", "name": "kybern", "plugins": plugins })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_once() {
        let dir = tempfile::tempdir().unwrap();
        let network = CniBridge { dir: dir.path().join("net.d"), bridge: "b0".into() };
        assert!(write(&network, "10.1.0.0/24").unwrap());
        assert!(!write(&network, "10.1.0.0/24").unwrap());
        assert!(write(&network, "10.2.0.0/24").unwrap());
        let value: Value = serde_json::from_str(&fs::read_to_string(network.dir.join(FILE)).unwrap()).unwrap();
        assert_eq!(value["plugins"][0]["hairpinMode"], true);
        assert_eq!(conflist("b", "10.2.0.0/24", false)["plugins"].as_array().unwrap().len(), 2);
        assert_eq!(value["plugins"][0]["ipam"]["ranges"][0][0]["subnet"], "10.2.0.0/24");
    }
}
