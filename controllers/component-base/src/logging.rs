//! Log lines on stderr, by klog's verbosity levels.

use tracing_subscriber::{EnvFilter, fmt};

/// Sends log lines to stderr. `verbosity` is klog's `-v`: 0-1 info, 2-5 debug of our own crates, 6 and above trace.
/// `RUST_LOG`, when set, wins. Calling it twice (several components in one process, tests) keeps the first.
pub fn init(verbosity: u8) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(directives(verbosity)));
    let subscriber = fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false).finish();
    // The only error is that a subscriber is already there.
    let _ = tracing::subscriber::set_global_default(subscriber);
}

/// The filter of a verbosity: the chatter of transport crates only from 8 (klog's level for request bodies) on.
/// The client's own line about a failed request says less than the caller's, which always follows.
fn directives(verbosity: u8) -> String {
    let quiet = "hyper=warn,hyper_util=warn,h2=warn,rustls=warn,tower=warn,kube=warn,kube_client=warn,kube_client::client::builder=off,kube_runtime=warn";
    match verbosity {
        0..=1 => format!("info,{quiet}"),
        2..=5 => format!("debug,{quiet}"),
        6..=7 => format!("trace,{quiet}"),
        _ => "trace".to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_verbosity_is_a_valid_filter() {
        for verbosity in 0..=10 {
            directives(verbosity).parse::<EnvFilter>().unwrap();
        }
        assert!(directives(0).starts_with("info"));
        assert!(directives(4).starts_with("debug"));
    }
}
