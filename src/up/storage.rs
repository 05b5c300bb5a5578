//! Where the cluster's objects are kept: chosen at the first start, remembered for all later ones.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde::{Deserialize, Serialize};

/// What `--storage` may say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Asked {
    Etcd,
    Embedded,
}

/// Where objects are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Backend {
    /// An etcd of our own.
    Etcd {
        program: PathBuf,
    },
    /// An etcd that others run.
    External {
        servers: Vec<String>,
    },
    Embedded,
}

/// The choice as the data directory remembers it.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Remembered {
    Etcd,
    External(Vec<String>),
    Embedded,
}

const FILE: &str = "storage.json";
/// How long one server of others' etcd may take to accept a connection.
const CONNECT: Duration = Duration::from_secs(5);

/// Chooses, says which in one line, and remembers.
///
/// # Errors
/// The choice is another one than the data directory was begun with, or cannot be had.
pub fn choose(
    data: &Path,
    asked: Option<Asked>,
    servers: &[String],
    etcd: Option<PathBuf>,
) -> Result<(Backend, String)> {
    let path = data.join(FILE);
    let remembered: Option<Remembered> = match std::fs::read(&path) {
        Ok(bytes) => Some(serde_json::from_slice(&bytes).with_context(|| format!("{} is damaged", path.display()))?),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    };
    let wanted = match (asked, servers.is_empty(), &remembered) {
        (Some(_), false, _) => bail!("--storage and --etcd-servers exclude each other"),
        (None, false, _) => Remembered::External(servers.to_vec()),
        (Some(Asked::Etcd), ..) => Remembered::Etcd,
        (Some(Asked::Embedded), ..) => Remembered::Embedded,
        (None, true, Some(Remembered::External(servers))) => Remembered::External(servers.clone()),
        (None, true, Some(Remembered::Etcd)) => Remembered::Etcd,
        (None, true, Some(Remembered::Embedded)) => Remembered::Embedded,
        (None, true, None) if etcd.is_some() => Remembered::Etcd,
        (None, true, None) => Remembered::Embedded,
    };
    if let Some(remembered) = &remembered {
        let same = matches!(
            (remembered, &wanted),
            (Remembered::Etcd, Remembered::Etcd)
                | (Remembered::Embedded, Remembered::Embedded)
                | (Remembered::External(_), Remembered::External(_))
        );
        if !same {
            bail!(
                "{} was begun with {} storage and not with {}; give another --data-dir, or remove this one with 'kybern down --purge'",
                data.display(),
                remembered.name(),
                wanted.name()
            );
        }
    }
    let (backend, line) = match &wanted {
        Remembered::Etcd => {
            let program = etcd.context("etcd storage needs an etcd program in PATH (Debian: etcd-server)")?;
            let line = format!("storage: etcd ({})", program.display());
            (Backend::Etcd { program }, line)
        }
        Remembered::External(servers) => {
            (Backend::External { servers: servers.clone() }, format!("storage: etcd at {}", servers.join(", ")))
        }
        Remembered::Embedded => (Backend::Embedded, "storage: embedded (no etcd)".to_owned()),
    };
    if remembered.as_ref() != Some(&wanted) {
        crate::pki::write_file(&path, &serde_json::to_vec(&wanted)?, 0o600)?;
    }
    Ok((backend, line))
}

/// Fails at once where none of others' etcd servers can be connected to.
///
/// # Errors
/// Why the last one could not.
pub async fn reachable(servers: &[String]) -> Result<()> {
    let mut outcome = Ok(());
    for server in servers {
        let uri: http::Uri = server.parse().with_context(|| format!("--etcd-servers: {server:?} is no URL"))?;
        let host = uri.host().with_context(|| format!("--etcd-servers: {server:?} names no host"))?;
        let address = (host.trim_matches(['[', ']']), uri.port_u16().unwrap_or(2379));
        let connecting = tokio::time::timeout(CONNECT, tokio::net::TcpStream::connect(address));
        let error = match connecting.await {
            Ok(Ok(_)) => return Ok(()),
            Ok(Err(error)) => error,
            Err(_) => std::io::ErrorKind::TimedOut.into(),
        };
        outcome = Err(error).with_context(|| format!("etcd at {server} does not answer"));
    }
    outcome
}

impl Remembered {
    fn name(&self) -> &'static str {
        match self {
            Remembered::Etcd => "etcd",
            Remembered::External(_) => "external etcd",
            Remembered::Embedded => "embedded",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_start_reads_the_same_store() {
        let dir = tempfile::tempdir().unwrap();
        let etcd = || Some(PathBuf::from("/usr/bin/etcd"));
        let (backend, line) = choose(dir.path(), Some(Asked::Embedded), &[], etcd()).unwrap();
        assert_eq!((backend, line.as_str()), (Backend::Embedded, "storage: embedded (no etcd)"));
        // etcd is there now as it was then, and the choice stays.
        assert_eq!(choose(dir.path(), None, &[], etcd()).unwrap().0, Backend::Embedded);
        let error = choose(dir.path(), Some(Asked::Etcd), &[], etcd()).unwrap_err().to_string();
        assert!(error.contains("was begun with embedded storage and not with etcd"), "{error}");
        assert!(choose(dir.path(), None, &["http://127.0.0.1:1".to_owned()], None).is_err());
    }

    #[test]
    fn etcd_is_taken_where_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let program = PathBuf::from("/usr/bin/etcd");
        assert_eq!(choose(dir.path(), None, &[], Some(program.clone())).unwrap().0, Backend::Etcd { program });
        // Gone since: an error, not another store.
        assert!(choose(dir.path(), None, &[], None).is_err());
        let other = tempfile::tempdir().unwrap();
        assert_eq!(choose(other.path(), None, &[], None).unwrap().0, Backend::Embedded);
    }

    #[tokio::test]
    async fn an_etcd_that_does_not_answer_is_said() {
        let free = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let there = format!("http://{}", free.local_addr().unwrap());
        // Port 1 is nobody's.
        let dead = "http://127.0.0.1:1".to_owned();
        let error = reachable(std::slice::from_ref(&dead)).await.unwrap_err().to_string();
        assert_eq!(error, "etcd at http://127.0.0.1:1 does not answer");
        assert!(reachable(&[dead, there]).await.is_ok());
        assert!(reachable(&["not a url".to_owned()]).await.is_err());
    }
}
