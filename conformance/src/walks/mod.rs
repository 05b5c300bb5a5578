//! Walks: lists of shell commands around kubectl and helm whose output is compared, with another server's or with a recording.
//!
//! A walk is a text file in `conformance/kubectl/walks`: a command a line, `#` begins a remark. In its commands `k` is
//! kubectl and `h` is helm, both in the walk's own namespace; they run in `conformance/kubectl/manifests`.

mod normalise;
mod transcript;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

pub use transcript::{differences, parse, write};

/// A file of commands.
pub struct Walk {
    pub name: String,
    pub commands: Vec<String>,
}

/// The programs that a walk calls.
#[derive(Clone)]
pub struct Tools {
    pub kubectl: PathBuf,
    pub helm: PathBuf,
}

/// What one command did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    pub command: String,
    /// The exit code, then the lines of standard output and, each after `! `, of standard error; normalised.
    pub lines: Vec<String>,
}

/// The walks of a directory, by name.
pub fn read(directory: &Path) -> Result<Vec<Walk>> {
    let mut walks = Vec::new();
    for entry in std::fs::read_dir(directory).with_context(|| directory.display().to_string())? {
        let path = entry?.path();
        let text = std::fs::read_to_string(&path)?;
        let commands = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        walks.push(Walk {
            name: path.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
            commands: commands.map(str::to_owned).collect(),
        });
    }
    walks.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(walks)
}

/// The minor version that a kubectl tells of itself, as `1.32`.
pub fn kubectl_version(kubectl: &Path) -> Result<String> {
    let output = Command::new(kubectl).args(["version", "--client", "-o", "json"]).output();
    let output = output.with_context(|| format!("cannot start {}", kubectl.display()))?;
    let version: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    let minor = |version: &serde_json::Value| {
        let text = version["clientVersion"]["gitVersion"].as_str()?.trim_start_matches('v').to_owned();
        let mut parts = text.split('.');
        Some(format!("{}.{}", parts.next()?, parts.next()?))
    };
    minor(&version).context("kubectl tells no version")
}

/// Runs a walk from its first command to its last, whatever they answer.
///
/// # Errors
/// The namespace `walk-NAME` cannot be made: walks want a server on which they never ran.
pub fn run(walk: &Walk, tools: &Tools, kubeconfig: &Path, manifests: &Path) -> Result<Vec<Outcome>> {
    let scratch = tempfile::tempdir()?;
    let namespace = format!("walk-{}", walk.name);
    let shell = |command: &str| -> Result<Outcome> {
        let prelude = "k() { \"$KUBECTL\" --namespace \"$NAMESPACE\" \"$@\"; }\n\
                       h() { \"$HELM\" --namespace \"$NAMESPACE\" \"$@\"; }\n";
        let output = Command::new("timeout")
            .args(["-k", "2", "120", "bash", "-c", &format!("{prelude}{command}")])
            .current_dir(manifests)
            .stdin(Stdio::null())
            .env("KUBECTL", &tools.kubectl)
            .env("HELM", &tools.helm)
            .env("NAMESPACE", &namespace)
            .env("KUBECONFIG", kubeconfig)
            .env("HOME", scratch.path())
            .env("TMPDIR", scratch.path())
            .env("LC_ALL", "C.UTF-8")
            .output()
            .context("cannot start timeout")?;
        let code = output.status.code().unwrap_or(-1);
        let stdout = String::from_utf8_lossy(&output.stdout);
        let stderr = String::from_utf8_lossy(&output.stderr);
        Ok(Outcome { command: command.to_owned(), lines: normalise::lines(code, &stdout, &stderr) })
    };
    let made = shell("k create namespace \"$NAMESPACE\"")?;
    if made.lines.first().is_none_or(|line| line != "exit 0") {
        bail!("{namespace}: {}", made.lines.join("\n"));
    }
    walk.commands.iter().map(|command| shell(command)).collect()
}
