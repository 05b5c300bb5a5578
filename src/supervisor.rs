//! Runs the processes of a machine: starts them in order, starts them again when they end, stops them in reverse.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use tokio::process::{Child, Command};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// One process to keep running.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Names its log and pid files.
    pub name: &'static str,
    pub program: PathBuf,
    pub args: Vec<OsString>,
    pub env: Vec<(OsString, OsString)>,
}

/// How long a process that ends again and again is left alone, at most.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// A process that ran this long is started again at once.
const STEADY: Duration = Duration::from_secs(30);
/// How long a process may take to stop.
const STOP: Duration = Duration::from_secs(20);

/// Keeps processes running until it is stopped.
pub struct Supervisor {
    logs: PathBuf,
    run: PathBuf,
    /// In the order in which they were started, each with the task that keeps it running.
    running: Vec<(CancellationToken, JoinSet<()>)>,
}

impl Supervisor {
    /// `logs` and `run` are directories that exist; they get `NAME.log` and `NAME.pid`.
    pub fn new(logs: PathBuf, run: PathBuf) -> Self {
        Supervisor { logs, run, running: Vec::new() }
    }

    /// Starts a process and keeps it running.
    ///
    /// # Errors
    /// The program cannot be started at all.
    pub fn start(&mut self, process: Process) -> Result<()> {
        let first = self.spawn(&process)?;
        let token = CancellationToken::new();
        let keeper = Keeper { logs: self.logs.clone(), run: self.run.clone(), process, stop: token.clone() };
        let mut task = JoinSet::new();
        task.spawn(keeper.keep(first));
        self.running.push((token, task));
        Ok(())
    }

    fn spawn(&self, process: &Process) -> Result<Child> {
        spawn(process, &self.logs, &self.run)
    }

    /// Stops all processes, the last started first.
    pub async fn stop(mut self) {
        while let Some((token, mut task)) = self.running.pop() {
            token.cancel();
            while task.join_next().await.is_some() {}
        }
    }
}

/// Keeps one process running.
struct Keeper {
    logs: PathBuf,
    run: PathBuf,
    process: Process,
    stop: CancellationToken,
}

impl Keeper {
    async fn keep(self, first: Child) {
        let mut child = Some(first);
        let mut pause = Duration::from_millis(100);
        loop {
            let started = Instant::now();
            if let Some(running) = &mut child {
                tokio::select! {
                    status = running.wait() => {
                        let how = status.map(|status| status.to_string()).unwrap_or_else(|error| error.to_string());
                        tracing::warn!(process = self.process.name, "ended ({how}), starting it again; see {}",
                            self.logs.join(self.process.name).with_extension("log").display());
                    }
                    () = self.stop.cancelled() => {
                        terminate(running).await;
                        self.forget_pid();
                        return;
                    }
                }
                self.forget_pid();
            }
            if started.elapsed() > STEADY {
                pause = Duration::from_millis(100);
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.stop.cancelled() => return,
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
            child = match spawn(&self.process, &self.logs, &self.run) {
                Ok(child) => Some(child),
                Err(error) => {
                    tracing::warn!(process = self.process.name, %error, "cannot be started");
                    None
                }
            };
        }
    }
}

impl Keeper {
    /// The process is no more: its number may become another one's.
    fn forget_pid(&self) {
        let _ = std::fs::remove_file(self.run.join(self.process.name).with_extension("pid"));
    }
}

fn spawn(process: &Process, logs: &std::path::Path, run: &std::path::Path) -> Result<Child> {
    let path = logs.join(process.name).with_extension("log");
    let log = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(&path)
        .with_context(|| format!("cannot write {}", path.display()))?;
    let child = Command::new(&process.program)
        .args(&process.args)
        .envs(process.env.iter().cloned())
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        // A signal from the terminal is for the supervisor, which stops the others in order.
        .process_group(0)
        .spawn()
        .with_context(|| format!("cannot start {}", process.program.display()))?;
    if let Some(pid) = child.id() {
        let _ = std::fs::write(run.join(process.name).with_extension("pid"), pid.to_string());
    }
    Ok(child)
}

/// Asks a process to end, and makes it when it does not.
async fn terminate(child: &mut Child) {
    if let Some(pid) = child.id() {
        signal(pid, rustix::process::Signal::TERM);
    }
    if tokio::time::timeout(STOP, child.wait()).await.is_err() {
        let _ = child.kill().await;
    }
}

/// Sends a signal to a process; one that is gone already is no error.
pub fn signal(pid: u32, signal: rustix::process::Signal) {
    let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw);
    if let Some(pid) = pid {
        let _ = rustix::process::kill_process(pid, signal);
    }
}

/// Whether a process is there.
pub fn is_running(pid: u32) -> bool {
    // A zombie is there for the kernel but does nothing any more.
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit(')').next().unwrap_or_default().trim_start().starts_with('Z'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_process_that_ends_is_started_again_and_stops_when_told() {
        let dir = tempfile::tempdir().unwrap();
        let mut supervisor = Supervisor::new(dir.path().to_owned(), dir.path().to_owned());
        let process = Process {
            name: "sh",
            program: "/bin/sh".into(),
            args: vec!["-c".into(), "echo started; [ -e once ] || { : > once; exit 3; }; sleep 1000".into()],
            env: Vec::new(),
        };
        let program = Process {
            args: vec![
                "-c".into(),
                format!("cd {}; {}", dir.path().display(), process.args[1].to_string_lossy()).into(),
            ],
            ..process
        };
        supervisor.start(program).unwrap();
        let log = dir.path().join("sh.log");
        let started = |count: usize| std::fs::read_to_string(&log).unwrap_or_default().lines().count() >= count;
        tokio::time::timeout(Duration::from_secs(60), async {
            while !started(2) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await
        .unwrap();
        let pid: u32 = std::fs::read_to_string(dir.path().join("sh.pid")).unwrap().parse().unwrap();
        assert!(is_running(pid));
        supervisor.stop().await;
        assert!(!is_running(pid));
    }

    #[tokio::test]
    async fn a_program_that_is_not_there_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let mut supervisor = Supervisor::new(dir.path().to_owned(), dir.path().to_owned());
        let process = Process { name: "no", program: "/no/such/program".into(), args: Vec::new(), env: Vec::new() };
        assert!(supervisor.start(process).unwrap_err().to_string().contains("/no/such/program"));
    }
}
