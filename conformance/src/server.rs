//! Starts an API server of any make by upstream's flags, with an etcd of its own, and stops it when dropped.
//!
//! Operations: [`Keys::make`] once, [`Etcd::start`], then any number of [`Server::start`], one at a time on one etcd.
//! Guarantees: what was started has ended when its value is dropped; every wait ends.
//! Non-guarantees: a port found free may be taken by others before it is used; then starting fails.

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

/// The certificates and keys that an API server and its administrator need, made by openssl in a directory.
pub struct Keys {
    directory: PathBuf,
}

impl Keys {
    pub fn make(directory: &Path) -> Result<Self> {
        fs::create_dir_all(directory)?;
        let keys = Keys { directory: directory.to_owned() };
        let new_key = ["-newkey", "rsa:2048", "-nodes"];
        keys.openssl(
            &["req", "-x509", "-keyout", "ca.key", "-out", "ca.crt", "-days", "2", "-subj", "/CN=ca"],
            &new_key,
        )?;
        keys.openssl(&["genrsa", "-out", "sa.key", "2048"], &[])?;
        keys.openssl(&["rsa", "-in", "sa.key", "-pubout", "-out", "sa.pub"], &[])?;
        let names = "subjectAltName=IP:127.0.0.1,DNS:localhost\nextendedKeyUsage=serverAuth,clientAuth";
        fs::write(directory.join("names.cnf"), names)?;
        for (name, subject) in [("server", "/CN=kube-apiserver"), ("admin", "/O=system:masters/CN=admin")] {
            let (key, request, certificate) = (format!("{name}.key"), format!("{name}.csr"), format!("{name}.crt"));
            keys.openssl(&["req", "-keyout", &key, "-out", &request, "-subj", subject], &new_key)?;
            let by = ["-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "names.cnf"];
            keys.openssl(&["x509", "-req", "-in", &request, "-out", &certificate], &by)?;
        }
        Ok(keys)
    }

    fn openssl(&self, args: &[&str], more: &[&str]) -> Result<()> {
        let output = Command::new("openssl").args(args).args(more).current_dir(&self.directory).output();
        let output = output.context("cannot start openssl")?;
        if !output.status.success() {
            bail!("openssl {}: {}", args.join(" "), String::from_utf8_lossy(&output.stderr));
        }
        Ok(())
    }

    fn path(&self, name: &str) -> String {
        self.directory.join(name).display().to_string()
    }
}

/// An etcd of one member.
pub struct Etcd {
    process: Process,
    pub endpoint: String,
}

impl Etcd {
    pub fn start(program: &Path, directory: &Path) -> Result<Self> {
        fs::create_dir_all(directory)?;
        let client = format!("http://127.0.0.1:{}", free_port()?);
        let peer = format!("http://127.0.0.1:{}", free_port()?);
        let mut command = Command::new(program);
        command
            .arg("--data-dir")
            .arg(directory.join("data"))
            .args(["--listen-client-urls", &client, "--advertise-client-urls", &client])
            .args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer])
            .args(["--initial-cluster", &format!("default={peer}"), "--unsafe-no-fsync"]);
        let process = Process::start(command, &directory.join("etcd.log"))?;
        Ok(Etcd { process, endpoint: client })
    }

    /// Every key under `/registry` with its value.
    pub fn dump(&self, etcdctl: &Path) -> Result<Vec<(String, Vec<u8>)>> {
        let output = Command::new(etcdctl)
            .env("ETCDCTL_API", "3")
            .args(["--endpoints", &self.endpoint, "get", "--prefix", "/registry", "--hex"])
            .output()
            .context("cannot start etcdctl")?;
        if !output.status.success() {
            bail!("etcdctl: {}", String::from_utf8_lossy(&output.stderr));
        }
        let text = String::from_utf8(output.stdout)?;
        let mut lines = text.lines();
        let mut entries = Vec::new();
        while let (Some(key), Some(value)) = (lines.next(), lines.next()) {
            entries.push((String::from_utf8(unhex(key)?)?, unhex(value)?));
        }
        Ok(entries)
    }

    pub fn id(&self) -> u32 {
        self.process.0.id()
    }
}

/// `\x2f\x72` as bytes.
fn unhex(text: &str) -> Result<Vec<u8>> {
    text.split("\\x")
        .skip(1)
        .map(|byte| u8::from_str_radix(byte, 16).with_context(|| format!("{byte:?} is no byte")))
        .collect()
}

/// A kube-apiserver, ours or upstream's, that answers `/readyz`.
pub struct Server {
    process: Process,
    pub kubeconfig: PathBuf,
}

impl Server {
    /// Starts a program as `kube-apiserver` and waits until it is ready. Its log is `apiserver.log` in the directory.
    pub fn start(program: &Path, keys: &Keys, etcd: &Etcd, directory: &Path, kubectl: &Path) -> Result<Self> {
        Server::start_on(free_port()?, program, keys, etcd, directory, kubectl)
    }

    /// [`Server::start`] on a port.
    pub fn start_on(
        port: u16,
        program: &Path,
        keys: &Keys,
        etcd: &Etcd,
        directory: &Path,
        kubectl: &Path,
    ) -> Result<Self> {
        fs::create_dir_all(directory)?;
        // A program of many names goes by that of its link.
        let link = directory.join("kube-apiserver");
        if fs::symlink_metadata(&link).is_err() {
            let program = program.canonicalize().with_context(|| program.display().to_string())?;
            std::os::unix::fs::symlink(program, &link)?;
        }
        let mut command = Command::new(&link);
        command.current_dir(directory).args([
            format!("--etcd-servers={}", etcd.endpoint),
            format!("--secure-port={port}"),
            "--bind-address=127.0.0.1".to_owned(),
            format!("--tls-cert-file={}", keys.path("server.crt")),
            format!("--tls-private-key-file={}", keys.path("server.key")),
            format!("--client-ca-file={}", keys.path("ca.crt")),
            format!("--service-account-key-file={}", keys.path("sa.pub")),
            format!("--service-account-signing-key-file={}", keys.path("sa.key")),
            "--service-account-issuer=https://kubernetes.default.svc.cluster.local".to_owned(),
            "--service-cluster-ip-range=10.96.0.0/16".to_owned(),
            "--authorization-mode=Node,RBAC".to_owned(),
            "--allow-privileged".to_owned(),
        ]);
        let process = Process::start(command, &directory.join("apiserver.log"))?;
        let kubeconfig = directory.join("admin.kubeconfig");
        let text = format!(
            "{{apiVersion: v1, kind: Config, current-context: x,\n\
             clusters: [{{name: c, cluster: {{server: 'https://127.0.0.1:{port}', certificate-authority: '{}'}}}}],\n\
             users: [{{name: u, user: {{client-certificate: '{}', client-key: '{}'}}}}],\n\
             contexts: [{{name: x, context: {{cluster: c, user: u}}}}]}}\n",
            keys.path("ca.crt"),
            keys.path("admin.crt"),
            keys.path("admin.key"),
        );
        fs::write(&kubeconfig, text)?;
        let mut server = Server { process, kubeconfig };
        server.wait(kubectl).with_context(|| {
            let log = fs::read_to_string(directory.join("apiserver.log")).unwrap_or_default();
            let end: Vec<&str> = log.lines().rev().take(5).collect();
            format!("{} does not get ready; its log ends, backwards: {}", program.display(), end.join(" | "))
        })?;
        Ok(server)
    }

    fn wait(&mut self, kubectl: &Path) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(120);
        while Instant::now() < deadline {
            if let Some(status) = self.process.0.try_wait()? {
                bail!("it ended: {status}");
            }
            if self.raw(kubectl, "/readyz").is_ok() {
                return Ok(());
            }
            sleep(Duration::from_millis(100));
        }
        bail!("not within two minutes")
    }

    /// What a GET of a path answers.
    pub fn raw(&self, kubectl: &Path, path: &str) -> Result<String> {
        let output = Command::new(kubectl)
            .arg("--kubeconfig")
            .arg(&self.kubeconfig)
            .args(["get", "--request-timeout=60s", "--raw", path])
            .output()
            .context("cannot start kubectl")?;
        if !output.status.success() {
            bail!("GET {path}: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(String::from_utf8(output.stdout)?)
    }
}

/// A process that ends with its value.
struct Process(Child);

impl Process {
    fn start(mut command: Command, log: &Path) -> Result<Self> {
        let log = File::create(log)?;
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let child = command.spawn().with_context(|| format!("cannot start {:?}", command.get_program()))?;
        Ok(Process(child))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.0);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let deadline = Instant::now() + Duration::from_secs(20);
        while Instant::now() < deadline {
            if !matches!(self.0.try_wait(), Ok(None)) {
                return;
            }
            sleep(Duration::from_millis(50));
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A port that nobody has now.
pub fn free_port() -> Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

/// A program in PATH or of a path, absolute: what calls it may run elsewhere.
///
/// # Errors
/// There is none.
pub fn program(program: &Path) -> Result<PathBuf> {
    if program.components().count() > 1 {
        return program.canonicalize().with_context(|| program.display().to_string());
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .map(|directory| directory.join(program))
        .find(|candidate| candidate.is_file())
        .with_context(|| format!("no {} in PATH", program.display()))
}
