//! Service proxying on one node: kube-proxy's work in nftables.
