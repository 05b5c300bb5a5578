//! What `kybern up` tells: each step with the time it took since the start.

use std::path::Path;
use std::time::Instant;

/// The last line of a start that worked.
pub const DONE: &str = "  kubectl get nodes,pods -A";

pub struct Progress {
    began: Instant,
}

impl Progress {
    pub fn begin() -> Self {
        Progress { began: Instant::now() }
    }

    pub fn say(&self, line: &str) {
        println!("{line}");
    }

    /// Something works now.
    pub fn step(&self, what: &str) {
        println!("{what} ({:.1} s)", self.began.elapsed().as_secs_f64());
    }

    /// Everything works: what to do next.
    pub fn done(&self, admin: &Path, node: bool) {
        println!("\nReady in {:.1} s. Try:\n", self.began.elapsed().as_secs_f64());
        println!("  export KUBECONFIG={}", admin.display());
        if node {
            println!("  kubectl create deployment hello --image=registry.kybern.local/web:v1 --replicas=3");
        } else {
            println!("  kubectl create configmap hello --from-literal=who=world");
        }
        println!("{DONE}");
    }
}
