//! The node agent: kubelet's work on one node.
