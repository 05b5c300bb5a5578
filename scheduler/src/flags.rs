//! The command line of kube-scheduler: upstream's flags, those that matter.

use std::{path::PathBuf, time::Duration};

use clap::Parser;
use controllers_component_base::flags::{LeaderElection, Logging, SecureServing, duration};

/// The Kubernetes scheduler: assigns pods to nodes.
#[derive(Clone, Debug, Parser)]
#[command(name = "kube-scheduler")]
pub struct Flags {
    /// The path to the configuration file (KubeSchedulerConfiguration).
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Path to kubeconfig file with authorization and master location information.
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// Kubeconfig file pointing at the server with enough rights to create tokenreviews.authentication.k8s.io.
    #[arg(long, value_name = "FILE")]
    pub authentication_kubeconfig: Option<PathBuf>,
    /// Kubeconfig file pointing at the server with enough rights to create subjectaccessreviews.authorization.k8s.io.
    #[arg(long, value_name = "FILE")]
    pub authorization_kubeconfig: Option<PathBuf>,
    /// The port on which to serve HTTPS; 0 serves none.
    #[arg(long, default_value_t = 10259, value_name = "PORT")]
    pub secure_port: u16,
    /// The maximum time a pod is left unschedulable before it is tried again.
    #[arg(long, default_value = "5m0s", value_parser = duration, value_name = "DURATION")]
    pub pod_max_in_unschedulable_pods_duration: Duration,
    #[command(flatten)]
    pub serving: SecureServing,
    #[command(flatten)]
    pub leader_election: LeaderElection,
    #[command(flatten)]
    pub logging: Logging,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kubeadms_command_line() {
        let args = [
            "kube-scheduler",
            "--authentication-kubeconfig=/etc/kubernetes/scheduler.conf",
            "--authorization-kubeconfig=/etc/kubernetes/scheduler.conf",
            "--bind-address=127.0.0.1",
            "--kubeconfig=/etc/kubernetes/scheduler.conf",
            "--leader-elect=true",
        ];
        let flags = Flags::try_parse_from(args).unwrap();
        assert_eq!(flags.secure_port, 10259);
        assert!(flags.leader_election.enabled && flags.serving.bind_address.is_loopback());
    }
}
