//! The frame of a component's `main`: runtime, signals, one clear line on error, the exit code.

use std::process::ExitCode;

use anyhow::{Context, Result};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::info;

/// How long a component may take to end after the first SIGTERM or SIGINT.
const SHUTDOWN_GRACE: std::time::Duration = std::time::Duration::from_secs(30);

/// Runs a component to its end: log lines at `verbosity`, a runtime of two worker threads (memory matters more
/// than parallelism in a control plane), a token that SIGTERM and SIGINT cancel. Exit code 0 when `main` gives
/// `Ok`, else 1 after `Error: <one line>` on stderr. A second signal, or 30 seconds after the first, exits with 1.
pub fn run<F, Fut>(verbosity: u8, main: F) -> ExitCode
where
    F: FnOnce(CancellationToken) -> Fut,
    Fut: Future<Output = Result<()>>,
{
    run_with_grace(verbosity, SHUTDOWN_GRACE, main)
}

/// [`run`] for a component that may take `grace` to end.
pub fn run_with_grace<F, Fut>(verbosity: u8, grace: std::time::Duration, main: F) -> ExitCode
where
    F: FnOnce(CancellationToken) -> Fut,
    Fut: Future<Output = Result<()>>,
{
    crate::logging::init(verbosity);
    crate::client::install_crypto_provider();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(16)
        .thread_stack_size(1 << 20)
        .enable_all()
        .build()
        .context("cannot start the async runtime");
    let result = runtime.and_then(|runtime| {
        let result = runtime.block_on(async {
            let shutdown = CancellationToken::new();
            watch_signals(shutdown.clone())?;
            let too_late = async {
                shutdown.cancelled().await;
                tokio::time::sleep(grace).await;
            };
            tokio::select! {
                result = main(shutdown.clone()) => result,
                () = too_late => Err(anyhow::anyhow!("did not stop within {} seconds", grace.as_secs())),
            }
        });
        // Tasks that are still blocked (a read of a terminal, a hung disk) must not hold up the exit.
        runtime.shutdown_timeout(std::time::Duration::from_millis(500));
        result
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("Error: {}", one_line(&error));
            ExitCode::FAILURE
        }
    }
}

/// An error and its causes in one line, each cause only where the line does not already say it.
pub fn one_line(error: &anyhow::Error) -> String {
    let mut line = String::new();
    for cause in error.chain() {
        let text = cause.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
        if line.contains(&text) {
            continue;
        }
        if !line.is_empty() {
            line.push_str(": ");
        }
        line.push_str(&text);
    }
    line
}

fn watch_signals(shutdown: CancellationToken) -> Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot watch SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot watch SIGINT")?;
    tokio::spawn(async move {
        let mut next = async || {
            tokio::select! {
                _ = terminate.recv() => "SIGTERM",
                _ = interrupt.recv() => "SIGINT",
            }
        };
        let name = next().await;
        info!("received {name}, stopping");
        shutdown.cancel();
        next().await;
        eprintln!("Error: second signal, exiting at once");
        std::process::exit(1);
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_one_line_without_repetition() {
        let error = anyhow::anyhow!("no such\nfile").context("cannot read x: no such file").context("starting");
        assert_eq!(one_line(&error), "starting: cannot read x: no such file");
    }

    #[test]
    fn exit_codes() {
        assert_eq!(run(0, |_| async { Ok(()) }), ExitCode::SUCCESS);
        assert_eq!(run(0, |_| async { anyhow::bail!("broken") }), ExitCode::FAILURE);
    }
}
