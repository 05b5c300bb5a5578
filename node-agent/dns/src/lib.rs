//! Cluster DNS: service and pod names, and everything else forwarded.
