//! Runs a unit of a script against one server.

use std::collections::BTreeMap;
use std::io::Read as _;

use anyhow::{Context as _, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::read::GzDecoder;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::client::{Client, Request, Response};
use super::kubeconfig::Server;
use super::normalise::Normaliser;
use super::script::{self, Step, Unit};
use super::tree::Tree;
use super::variables::{self, Variables};
use super::wire;

/// Headers that say nothing about the answer.
const IGNORED: &[&str] = &["date", "content-length", "transfer-encoding"];
/// Headers of which only the presence counts.
const PRESENT: &[&str] = &[
    "audit-id",
    "etag",
    "expires",
    "last-modified",
    "x-kubernetes-pf-flowschema-uid",
    "x-kubernetes-pf-prioritylevel-uid",
];

/// An answer with its accidents left out.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// Which request it answers.
    pub step: String,
    pub status: u16,
    pub headers: BTreeMap<String, String>,
    pub body: Body,
}

/// A body, as far as it can be told apart.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    Empty,
    Json(Tree),
    /// Protobuf, read without a schema.
    Wire(Tree),
    /// Events of a watch.
    Frames(Vec<Tree>),
    Text(String),
}

/// Counts frames until there are enough.
type Counter = Box<dyn Fn(&[u8]) -> bool>;

/// One run of one unit.
struct Run<'a> {
    client: Client,
    variables: Variables,
    normaliser: Normaliser,
    answers: Vec<Answer>,
    unit: &'a Unit,
}

/// Sends all requests of a unit, each in a namespace that is there for this run only. `tag` makes its name unique.
///
/// # Errors
/// The server cannot be reached, or a step makes no sense.
pub fn run(unit: &Unit, server: &Server, tag: &str) -> Result<Vec<Answer>> {
    let name = unit.name.replace('/', "-").to_ascii_lowercase();
    let unique = format!("{:02x}{:02x}", Sha256::digest(name.as_bytes())[0], Sha256::digest(name.as_bytes())[1]);
    let namespace = format!("diff-{}-{unique}{tag}", &name[..name.len().min(36)]);
    let mut variables = Variables::default();
    variables.save("ns", json!(namespace));
    // Values may be made of others that come later in the alphabet.
    for (name, value) in unit.values.iter().chain(&unit.values).chain(&unit.values) {
        let value = variables.tree(value);
        variables.set(name, value);
    }
    let normaliser = Normaliser::new(&server.address, &unit.text);
    let mut run = Run { client: Client::new(server), variables, normaliser, answers: Vec::new(), unit };
    run.make_namespace(&namespace)?;
    let result = run.steps();
    run.remove_namespace(&namespace)?;
    result?;
    Ok(run.answers)
}

impl Run<'_> {
    fn steps(&mut self) -> Result<()> {
        let unit = self.unit;
        for (number, step) in unit.steps.iter().enumerate() {
            let missing = step.when.as_ref().is_some_and(|name| !self.variables.has(name));
            if missing || step.unless.as_ref().is_some_and(|name| self.variables.has(name)) {
                continue;
            }
            let what = || format!("{} step {} {}", unit.name, number + 1, step.request);
            if step.each.is_empty() {
                self.step(number + 1, step, "").with_context(what)?;
            }
            for (index, item) in step.each.iter().enumerate() {
                let item = self.variables.tree(item);
                self.variables.set("it", item);
                self.step(number + 1, step, &format!(".{}", index + 1)).with_context(what)?;
            }
        }
        Ok(())
    }

    fn step(&mut self, number: usize, step: &Step, index: &str) -> Result<()> {
        let forms = step.accept.list();
        for form in if forms.is_empty() { vec!["json"] } else { forms } {
            let request = self.request(step, form)?;
            let response = match self.client.send(&request, enough(step, form).as_deref()) {
                Ok(response) => response,
                // No answer is one, too; the next request goes over a new connection.
                Err(error) => {
                    Response { headers: vec![("error".to_owned(), format!("{error:#}"))], ..Response::default() }
                }
            };
            self.save(step, &response)?;
            if step.quiet {
                continue;
            }
            let suffix = if form == "json" { String::new() } else { format!(" as {form}") };
            let shown = if index.is_empty() { &step.request } else { &self.shorten(&request) };
            let name = format!("{number}{index} {shown}{suffix}");
            let answer = self.answer(name, step, response);
            self.answers.push(answer);
        }
        Ok(())
    }

    /// A request that came out of `each`, as it is named in reports.
    fn shorten(&self, request: &Request) -> String {
        let text = format!("{} {}", request.method, self.normaliser.text(&self.variables, &request.path));
        match text.char_indices().nth(120) {
            Some((end, _)) => format!("{}...", &text[..end]),
            None => text,
        }
    }

    fn request(&self, step: &Step, form: &str) -> Result<Request> {
        let line = self.variables.text(&step.request);
        let (method, path) = line.split_once(' ').with_context(|| format!("{line:?} is no method and path"))?;
        let mut headers = vec![("User-Agent".to_owned(), "differential/1".to_owned())];
        if let Some(types) = script::accepted_types(form) {
            headers.push(("Accept".to_owned(), types.to_owned()));
        }
        let body = self.body(step)?;
        if let (Some(kind), true) = (
            script::content_type(&self.variables.text(step.with.as_deref().unwrap_or("json"))),
            body.is_some() || step.with.is_some(),
        ) {
            headers.push(("Content-Type".to_owned(), kind.to_owned()));
        }
        for (name, value) in &step.headers {
            let value = self.variables.text(value);
            headers.retain(|(other, _)| !other.eq_ignore_ascii_case(name));
            headers.push((name.clone(), value));
        }
        Ok(Request { method: method.to_owned(), path: encoded(path), headers, body })
    }

    fn body(&self, step: &Step) -> Result<Option<Vec<u8>>> {
        if let Some(raw) = &step.raw {
            return Ok(Some(self.variables.text(raw).into_bytes()));
        }
        if let Some(base64) = &step.base64 {
            return Ok(Some(STANDARD.decode(base64.trim()).context("base64")?));
        }
        let Some(body) = &step.body else { return Ok(None) };
        if let Some(bytes) = self.variables.bytes(body) {
            return Ok(Some(bytes.to_vec()));
        }
        let mut tree = self.variables.tree(body);
        for pointer in &step.unset {
            variables::unset(&mut tree, pointer);
        }
        for (pointer, value) in &step.set {
            variables::set(&mut tree, &self.variables.text(pointer), self.variables.tree(value))?;
        }
        Ok(Some(tree.to_string().into_bytes()))
    }

    fn save(&mut self, step: &Step, response: &Response) -> Result<()> {
        if step.save.is_empty() {
            return Ok(());
        }
        let tree: Value = serde_json::from_slice(&response.body).unwrap_or_default();
        for (name, pointer) in &step.save {
            if pointer == "body" {
                self.variables.save_bytes(name, response.body.clone());
                continue;
            }
            match tree.pointer(pointer) {
                Some(value) => self.variables.save(name, value.clone()),
                // What is not there makes later answers differ, which says more than an error here.
                None => self.variables.save(name, json!("absent")),
            }
        }
        Ok(())
    }

    fn answer(&mut self, step: String, from: &Step, response: Response) -> Answer {
        let mut headers: BTreeMap<String, String> = BTreeMap::new();
        let mut kind = String::new();
        for (name, value) in &response.headers {
            if name == "content-type" {
                kind.clone_from(value);
            }
            if IGNORED.contains(&name.as_str()) {
                continue;
            }
            let value = match PRESENT.contains(&name.as_str()) {
                true => "<present>".to_owned(),
                false => self.normaliser.text(&self.variables, value),
            };
            headers.entry(name.clone()).and_modify(|all| *all = format!("{all}\n{value}")).or_insert(value);
        }
        let body = self.read_body(from, &kind, response);
        Answer { step, status: body.0, headers, body: body.1 }
    }

    fn read_body(&mut self, step: &Step, kind: &str, response: Response) -> (u16, Body) {
        let mut bytes = response.body;
        if response.headers.iter().any(|(name, value)| name == "content-encoding" && value == "gzip") {
            let mut plain = Vec::new();
            if GzDecoder::new(bytes.as_slice()).read_to_end(&mut plain).is_ok() {
                bytes = plain;
            }
        }
        let status = response.status;
        if bytes.is_empty() {
            return (status, Body::Empty);
        }
        let streams = step.frames.is_some() || kind.contains("stream=watch") || step.request.contains("watch=");
        if status == 200 && streams {
            return (status, Body::Frames(self.frames(kind, &bytes, response.ended, step.frames)));
        }
        if kind.starts_with("application/json")
            && let Ok(mut tree) = serde_json::from_slice::<Tree>(&bytes)
        {
            self.normaliser.answer(&self.variables, &mut tree);
            return (status, Body::Json(tree));
        }
        let message = bytes.strip_prefix(wire::MAGIC).filter(|_| kind.contains("protobuf"));
        if let Some(mut tree) = message.and_then(wire::tree) {
            self.normaliser.wire(&self.variables, &mut tree);
            return (status, Body::Wire(tree));
        }
        let text = String::from_utf8_lossy(&bytes);
        (status, Body::Text(self.normaliser.lines(&self.variables, &text)))
    }

    fn frames(&mut self, kind: &str, bytes: &[u8], ended: bool, wanted: Option<usize>) -> Vec<Tree> {
        let mut frames = Vec::new();
        if kind.contains("protobuf") {
            for frame in lengths(bytes) {
                let Some(mut tree) = wire::tree(frame.strip_prefix(wire::MAGIC).unwrap_or(frame)) else { break };
                self.normaliser.wire(&self.variables, &mut tree);
                frames.push(tree);
            }
        } else {
            for line in bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
                let Ok(mut tree) = serde_json::from_slice::<Tree>(line) else { break };
                self.normaliser.answer(&self.variables, &mut tree);
                frames.push(tree);
            }
        }
        match wanted {
            Some(wanted) if frames.len() >= wanted => frames.truncate(wanted),
            Some(_) if !ended => frames.push(Tree::Text("<no more in time>".to_owned())),
            _ => {}
        }
        frames
    }

    fn make_namespace(&mut self, name: &str) -> Result<()> {
        let body = json!({"metadata": {"name": name, "labels": {"made-by": "differential"}}});
        let response = self.plain("POST", "/api/v1/namespaces", Some(&body))?;
        if response.status != 201 {
            bail!("cannot make namespace {name}: {}", String::from_utf8_lossy(&response.body));
        }
        // Where no controller does it; pods are refused without.
        let path = format!("/api/v1/namespaces/{name}/serviceaccounts");
        self.plain("POST", &path, Some(&json!({"metadata": {"name": "default"}}))).map(drop)
    }

    fn remove_namespace(&mut self, name: &str) -> Result<()> {
        let path = format!("/api/v1/namespaces/{name}");
        self.plain("DELETE", &format!("{path}/serviceaccounts/default"), None)?;
        let response = self.plain("DELETE", &path, None)?;
        // Where no controller empties it, nothing is left in it that this run made.
        let mut object: Value = serde_json::from_slice(&response.body).unwrap_or_default();
        if object["kind"] == "Namespace" {
            object["spec"]["finalizers"] = json!([]);
            self.plain("PUT", &format!("{path}/finalize"), Some(&object))?;
        }
        Ok(())
    }

    fn plain(&mut self, method: &str, path: &str, body: Option<&Value>) -> Result<Response> {
        let headers = vec![
            ("User-Agent".to_owned(), "differential/1".to_owned()),
            ("Accept".to_owned(), "application/json".to_owned()),
            ("Content-Type".to_owned(), "application/json".to_owned()),
        ];
        let body = body.map(|body| body.to_string().into_bytes());
        self.client.send(&Request { method: method.to_owned(), path: path.to_owned(), headers, body }, None)
    }
}

/// Tells when a watch has sent as many frames as the step asks for.
fn enough(step: &Step, form: &str) -> Option<Counter> {
    let wanted = step.frames?;
    if form.contains("protobuf") {
        return Some(Box::new(move |body| lengths(body).count() >= wanted));
    }
    Some(Box::new(move |body| body.iter().filter(|byte| **byte == b'\n').count() >= wanted))
}

/// Whole frames that stand behind their lengths.
fn lengths(mut bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (length, rest) = bytes.split_at_checked(4)?;
        let length = u32::from_be_bytes(length.try_into().ok()?) as usize;
        let (frame, rest) = rest.split_at_checked(length)?;
        bytes = rest;
        Some(frame)
    })
}

/// A path as it may stand in a request line.
fn encoded(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_graphic() && !matches!(byte, b'"' | b'<' | b'>' | b'{' | b'}' | b'|' | b'\\' | b'^' | b'`') {
            out.push(char::from(byte));
        } else {
            out += &format!("%{byte:02X}");
        }
    }
    out
}
