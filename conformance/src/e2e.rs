//! Runs upstream's end-to-end test binary on chosen specs, several processes side by side, and reads its reports.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;

use anyhow::{Context as _, Result};
use serde_json::Value;

/// How the binary is called.
pub struct Runner {
    pub binary: PathBuf,
    pub kubeconfig: PathBuf,
    pub kubectl: PathBuf,
    /// Where logs and reports go: `N.log` and `N.json` for each process.
    pub directory: PathBuf,
    pub workers: usize,
}

/// How a spec ended.
#[derive(Clone, Debug)]
pub struct Ended {
    /// Upstream's word: `passed`, `failed`, `skipped`, `timedout`, ...
    pub state: String,
    pub seconds: f64,
    /// Why it failed, else empty.
    pub message: String,
}

/// As many specs share a process, which takes seconds to start.
const SHARE: usize = 8;

/// The names in a list: a name a line, `#` begins a remark.
pub fn names(path: &Path) -> Result<Vec<String>> {
    let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    Ok(lines.map(str::to_owned).collect())
}

impl Runner {
    /// Runs specs by name: those that bear it side by side, then upstream's serial ones one after the other.
    ///
    /// A spec that no report names is not in the result.
    pub fn run(&self, names: &[String]) -> Result<BTreeMap<String, Ended>> {
        fs::create_dir_all(&self.directory)?;
        let (serial, parallel): (Vec<String>, Vec<String>) =
            names.iter().cloned().partition(|name| name.contains("[Serial]") || name.contains("[Disruptive]"));
        let shares: Vec<(usize, &[String])> = parallel.chunks(SHARE).enumerate().collect();
        let waiting = Mutex::new(shares.into_iter());
        let ended = Mutex::new(BTreeMap::new());
        let next = || waiting.lock().ok()?.next();
        std::thread::scope(|scope| {
            let running: Vec<_> = (0..self.workers.max(1))
                .map(|_| {
                    scope.spawn(|| -> Result<()> {
                        while let Some((number, share)) = next() {
                            let reports = self.process(&number.to_string(), share)?;
                            if let Ok(mut ended) = ended.lock() {
                                ended.extend(reports);
                            }
                        }
                        Ok(())
                    })
                })
                .collect();
            running.into_iter().try_for_each(|worker| worker.join().unwrap_or(Ok(())))
        })?;
        let mut ended = ended.into_inner().unwrap_or_default();
        if !serial.is_empty() {
            ended.extend(self.process("serial", &serial)?);
        }
        Ok(ended)
    }

    fn process(&self, number: &str, names: &[String]) -> Result<BTreeMap<String, Ended>> {
        let report = self.directory.join(format!("{number}.json"));
        let log = File::create(self.directory.join(format!("{number}.log")))?;
        let exact: Vec<String> = names.iter().map(|name| regex::escape(name)).collect();
        Command::new(&self.binary)
            .arg(format!("--kubeconfig={}", self.kubeconfig.display()))
            .arg(format!("--kubectl-path={}", self.kubectl.display()))
            .arg(format!("--ginkgo.json-report={}", report.display()))
            .arg(format!("--ginkgo.focus=({})$", exact.join("|")))
            .args(["--provider=skeleton", "--ginkgo.no-color", "--ginkgo.timeout=2h", "--ginkgo.silence-skips"])
            .args(["--minStartupPods=0", "--allowed-not-ready-nodes=-1"])
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .status()
            .with_context(|| format!("cannot start {}", self.binary.display()))?;
        let text = fs::read_to_string(&report).with_context(|| {
            format!("the process wrote no report; see {}", self.directory.join(format!("{number}.log")).display())
        })?;
        Ok(read(&serde_json::from_str(&text)?))
    }
}

/// The specs that ran, of a ginkgo report.
fn read(report: &Value) -> BTreeMap<String, Ended> {
    let suites = report.as_array().into_iter().flatten();
    let specs = suites.flat_map(|suite| suite["SpecReports"].as_array().into_iter().flatten());
    specs
        .filter(|spec| spec["LeafNodeType"] == "It" && (spec["State"] != "skipped" || spec["Failure"].is_object()))
        .map(|spec| {
            let containers = spec["ContainerHierarchyTexts"].as_array().into_iter().flatten();
            let mut texts: Vec<&str> = containers.filter_map(Value::as_str).collect();
            texts.extend(spec["LeafNodeText"].as_str());
            let ended = Ended {
                state: spec["State"].as_str().unwrap_or_default().to_owned(),
                seconds: spec["RunTime"].as_f64().unwrap_or_default() / 1e9,
                message: spec["Failure"]["Message"].as_str().unwrap_or_default().to_owned(),
            };
            (texts.join(" "), ended)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_report_names_what_ran_and_how_it_ended() {
        let report = json!([{"SpecReports": [
            {"LeafNodeType": "It", "ContainerHierarchyTexts": ["[sig-x] A"], "LeafNodeText": "does b [Conformance]",
             "State": "passed", "RunTime": 2_000_000_000_u64},
            {"LeafNodeType": "It", "ContainerHierarchyTexts": ["[sig-x] A"], "LeafNodeText": "does c", "State": "failed",
             "Failure": {"Message": "no"}},
            {"LeafNodeType": "It", "LeafNodeText": "not chosen", "State": "skipped"},
            {"LeafNodeType": "SynchronizedBeforeSuite", "State": "passed"},
        ]}]);
        let ended = read(&report);
        assert_eq!(ended.len(), 2);
        assert_eq!(ended["[sig-x] A does b [Conformance]"].state, "passed");
        assert!((ended["[sig-x] A does b [Conformance]"].seconds - 2.0).abs() < 1e-9);
        assert_eq!(ended["[sig-x] A does c"].message, "no");
    }
}
