//! What a step works with: kubectl on one cluster and in one namespace, and waiting that ends.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

/// Where a step runs.
#[derive(Clone, Debug)]
pub struct Context {
    pub kubeconfig: PathBuf,
    pub namespace: String,
    /// The image to run, without its tag; its tags `v1` and `v2` are the web server of `conformance/images`.
    pub image: String,
    /// The data directory of a cluster that `kybern up` runs on this machine, for what looks behind the API.
    pub data: Option<PathBuf>,
    /// The executable under test, for what starts it.
    pub kybern: Option<PathBuf>,
}

/// How a command ended.
#[derive(Clone, Debug)]
pub struct Ended {
    /// The exit code; -1 for a signal.
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Context {
    pub fn in_namespace(&self, namespace: &str) -> Self {
        Context { namespace: namespace.to_owned(), ..self.clone() }
    }

    /// kubectl in this namespace, its output not yet chosen. It is ended after a minute and a half.
    pub fn kubectl(&self, args: &[&str]) -> Command {
        let mut command = Command::new("timeout");
        command.args(["-k", "2", "90", "kubectl", "--namespace", &self.namespace]).args(args);
        command.env("KUBECONFIG", &self.kubeconfig).stdin(Stdio::null());
        command
    }

    /// Runs kubectl to its end, whatever that is.
    pub fn ended(&self, args: &[&str]) -> Result<Ended> {
        ended(self.kubectl(args), None)
    }

    /// Runs kubectl with text on its standard input.
    pub fn ended_with_input(&self, args: &[&str], input: &str) -> Result<Ended> {
        ended(self.kubectl(args), Some(input))
    }

    /// What kubectl prints.
    ///
    /// # Errors
    /// It failed: its command line and its words.
    pub fn run(&self, args: &[&str]) -> Result<String> {
        let ended = self.ended(args)?;
        if ended.code != 0 {
            bail!("kubectl {}: exit {}: {}", args.join(" "), ended.code, ended.stderr.trim());
        }
        Ok(ended.stdout)
    }

    /// Applies objects; their validation by the client is a step of its own.
    pub fn apply(&self, objects: &[Value]) -> Result<()> {
        let list = json!({"apiVersion": "v1", "kind": "List", "items": objects}).to_string();
        let ended = self.ended_with_input(&["apply", "--validate=false", "-f", "-"], &list)?;
        if ended.code != 0 {
            bail!("kubectl apply: {}", ended.stderr.trim());
        }
        Ok(())
    }

    /// An object, or a list of them.
    pub fn get(&self, args: &[&str]) -> Result<Value> {
        let mut all = vec!["get", "-o", "json"];
        all.extend(args);
        Ok(serde_json::from_str(&self.run(&all)?)?)
    }

    /// Runs a script in a pod by its shell, and gives its output.
    pub fn shell(&self, pod: &str, script: &str) -> Result<String> {
        self.run(&["exec", pod, "--", "sh", "-c", script])
    }

    pub fn v1(&self) -> String {
        format!("{}:v1", self.image)
    }

    pub fn v2(&self) -> String {
        format!("{}:v2", self.image)
    }

    /// A pod of one container `main` that runs a shell script (the image's own program where it is empty), with
    /// members of the container and of the pod's spec put in.
    pub fn pod(&self, name: &str, script: &str, container: Value, spec: Value) -> Value {
        let mut main = json!({"name": "main", "image": self.v1()});
        if !script.is_empty() {
            main["command"] = json!(["sh", "-c", script]);
        }
        merge(&mut main, container);
        let mut pod = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": name, "labels": {"app": name}},
            "spec": {"terminationGracePeriodSeconds": 1, "containers": [main]},
        });
        merge(&mut pod["spec"], spec);
        pod
    }

    /// Applies a pod and waits until it is ready.
    pub fn start(&self, pod: &Value) -> Result<()> {
        self.apply(std::slice::from_ref(pod))?;
        self.ready(pod["metadata"]["name"].as_str().unwrap_or_default())
    }

    pub fn ready(&self, pod: &str) -> Result<()> {
        let waited = self.run(&["wait", "--for=condition=Ready", "--timeout=40s", &format!("pod/{pod}")]);
        waited.map(drop).with_context(|| self.explain(pod))
    }

    /// The state of a pod's containers, for an error's text.
    fn explain(&self, pod: &str) -> String {
        let status = self.get(&["pod", pod]).map(|pod| pod["status"].clone()).unwrap_or_default();
        let states: Vec<String> = ["initContainerStatuses", "containerStatuses"]
            .iter()
            .flat_map(|list| status[*list].as_array().cloned().unwrap_or_default())
            .map(|container| container["state"].to_string())
            .collect();
        format!("pod {pod} is {} {}", status["phase"], states.join(" "))
    }

    /// Waits until something holds; each attempt says why it does not yet.
    pub fn until<T>(&self, what: &str, seconds: u64, mut attempt: impl FnMut() -> Result<T>) -> Result<T> {
        let deadline = Instant::now() + Duration::from_secs(seconds);
        loop {
            match attempt() {
                Ok(value) => return Ok(value),
                Err(error) if Instant::now() > deadline => {
                    return Err(error.context(format!("{what}: not within {seconds} s")));
                }
                Err(_) => sleep(Duration::from_millis(200)),
            }
        }
    }

    /// Names of the pods with a label, in order.
    pub fn pods(&self, selector: &str) -> Result<Vec<String>> {
        let list = self.get(&["pods", "-l", selector])?;
        let names = list["items"].as_array().into_iter().flatten();
        Ok(names.filter_map(|pod| Some(pod["metadata"]["name"].as_str()?.to_owned())).collect())
    }

    pub fn make_namespace(&self) -> Result<()> {
        // One of an earlier run may be on its way out.
        self.until("the namespace is new", 60, || self.run(&["create", "namespace", &self.namespace]).map(drop))?;
        self.until("the namespace has its service account", 20, || {
            self.run(&["get", "serviceaccount", "default"]).map(drop)
        })
    }

    /// Begins to remove the namespace; a step that needs it gone waits for that.
    /// Prints what the step left: its pods, why their containers wait, and what was last warned of.
    pub fn show(&self) {
        let waiting = "jsonpath={range .items[*]}{.metadata.name}{range .status.containerStatuses[*]}\
            {\" \"}{.state.waiting.reason}{\": \"}{.state.waiting.message}{end}{\"\\n\"}{end}";
        let asked: [&[&str]; 3] = [
            &["get", "all", "-o", "wide"],
            &["get", "pods", "-o", waiting],
            &["get", "events", "--field-selector=type=Warning", "--sort-by=.metadata.creationTimestamp"],
        ];
        for arguments in asked {
            let shown = self.run(arguments).unwrap_or_else(|error| format!("{error:#}"));
            let lines: Vec<&str> = shown.lines().collect();
            for line in &lines[lines.len().saturating_sub(20)..] {
                println!("        | {line}");
            }
        }
    }

    pub fn remove_namespace(&self) {
        let _ = self.run(&["delete", "namespace", &self.namespace, "--wait=false", "--ignore-not-found"]);
    }
}

/// Runs a command to its end.
pub fn ended(mut command: Command, input: Option<&str>) -> Result<Ended> {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    if input.is_some() {
        command.stdin(Stdio::piped());
    }
    let mut child = command.spawn().with_context(|| format!("cannot start {:?}", command.get_program()))?;
    let writer = input.zip(child.stdin.take()).map(|(text, mut stdin)| {
        let text = text.to_owned();
        // A command that does not read its input closes it.
        std::thread::spawn(move || drop(stdin.write_all(text.as_bytes())))
    });
    let output = child.wait_with_output()?;
    if let Some(writer) = writer {
        let _ = writer.join();
    }
    Ok(Ended {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

/// Puts the members of one object into another.
fn merge(into: &mut Value, from: Value) {
    if let (Value::Object(into), Value::Object(from)) = (into, from) {
        into.extend(from);
    }
}

/// Fails unless a text contains another.
pub fn contains(text: &str, part: &str) -> Result<()> {
    if !text.contains(part) {
        bail!("expected {part:?} in {text:?}");
    }
    Ok(())
}

/// Fails unless two things are the same.
pub fn same<T: PartialEq + std::fmt::Debug>(found: T, expected: T) -> Result<()> {
    if found != expected {
        bail!("expected {expected:?}, found {found:?}");
    }
    Ok(())
}
