//! logs, exec, attach, port-forward, cp.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::json;

use crate::context::{Context, contains, ended, same};
use crate::harness::Step;
use crate::http;

pub fn steps() -> Vec<Step> {
    vec![
        Step { name: "logs", run: logs },
        Step { name: "follow-logs", run: logs_follow },
        Step { name: "previous-logs", run: logs_previous },
        Step { name: "exec", run: exec },
        Step { name: "terminal", run: terminal },
        Step { name: "attach", run: attach },
        Step { name: "port-forward", run: port_forward },
        Step { name: "cp", run: cp },
    ]
}

fn logs(context: &Context) -> Result<()> {
    let script = "for i in 1 2 3 4 5; do echo line $i; done; sleep 1; echo wrong >&2; sleep 4; echo late; sleep 1000";
    context.start(&context.pod("talk", script, json!({}), json!({})))?;
    context.until("the lines are there", 20, || same(context.run(&["logs", "talk"])?.lines().count(), 7))?;
    same(context.run(&["logs", "talk", "--tail=1"])?.trim(), "late")?;
    same(context.run(&["logs", "talk", "--since=2s"])?.lines().filter(|line| line.starts_with("line")).count(), 0)?;
    contains(&context.run(&["logs", "talk", "--timestamps", "--tail=1"])?, "Z late")?;
    same(context.run(&["logs", "talk", "--limit-bytes=6"])?.as_str(), "line 1")?;
    contains(&context.run(&["logs", "-l", "app=talk", "--prefix"])?, "[pod/talk/main]")?;
    let missing = context.ended(&["logs", "talk", "-c", "other"])?;
    contains(&missing.stderr, "container other is not valid for pod talk")
}

fn logs_follow(context: &Context) -> Result<()> {
    let script = "i=0; while [ $i -lt 8 ]; do echo line $i; i=$((i+1)); sleep 0.5; done";
    context.start(&context.pod("talk", script, json!({}), json!({"restartPolicy": "Never"})))?;
    let mut child = context.kubectl(&["logs", "-f", "talk"]).stdout(Stdio::piped()).spawn()?;
    let lines = BufReader::new(child.stdout.take().context("no output")?).lines();
    let seen: Vec<String> = lines.collect::<std::io::Result<_>>()?;
    // The stream ends by itself when the container does.
    anyhow::ensure!(child.wait()?.success(), "kubectl logs -f failed");
    same(seen, (0..8).map(|number| format!("line {number}")).collect())
}

fn logs_previous(context: &Context) -> Result<()> {
    context.start(&context.pod("web", "", json!({}), json!({})))?;
    let _ = context.shell("web", "busybox timeout 5 wget -q -O - http://127.0.0.1:8080/exit");
    context.until("the container is started again", 60, || {
        let pod = context.get(&["pod", "web"])?;
        let status = &pod["status"]["containerStatuses"][0];
        same(status["restartCount"].as_u64(), Some(1))?;
        anyhow::ensure!(status["state"]["running"].is_object(), "it does not run");
        same(status["lastState"]["terminated"]["exitCode"].as_i64(), Some(1))
    })?;
    contains(&context.run(&["logs", "web", "--previous"])?, "GET /exit")?;
    anyhow::ensure!(
        !context.run(&["logs", "web"])?.contains("/exit"),
        "the new container's log has the old one's lines"
    );
    contains(&context.run(&["get", "pod", "web"])?, "Running")
}

fn exec(context: &Context) -> Result<()> {
    context.start(&context.pod("box", "sleep 1000", json!({}), json!({})))?;
    same(context.run(&["exec", "box", "--", "echo", "a b", "c"])?.as_str(), "a b c\n")?;
    let both = context.ended(&["exec", "box", "--", "sh", "-c", "echo out; echo err >&2; exit 7"])?;
    same(both.code, 7)?;
    same(both.stdout.as_str(), "out\n")?;
    contains(&both.stderr, "err\n")?;
    contains(&both.stderr, "command terminated with exit code 7")?;
    let echoed = context.ended_with_input(&["exec", "-i", "box", "--", "cat"], "through\n")?;
    same(echoed.stdout.as_str(), "through\n")?;
    let many = "0123456789abcdef".repeat(1 << 16);
    let copied = context.ended_with_input(&["exec", "-i", "box", "--", "cat"], &many)?;
    anyhow::ensure!(copied.stdout == many, "1 MiB through exec came back as {} bytes", copied.stdout.len());
    let missing = context.ended(&["exec", "box", "--", "no-such-program"])?;
    anyhow::ensure!(missing.code != 0, "a program that is not there ran");
    contains(&missing.stderr, "no-such-program")
}

/// A command line in a terminal, with what to type into it.
fn in_terminal(context: &Context, line: &str, typed: &[&str]) -> Result<String> {
    let mut script = Command::new("timeout");
    script
        .args(["60", "script", "-qefc", line, "/dev/null"])
        .env("KUBECONFIG", &context.kubeconfig)
        .env("TERM", "xterm");
    let mut child = script
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .context("cannot start script")?;
    let mut stdin = child.stdin.take().context("no input")?;
    let typed: Vec<String> = typed.iter().map(|line| format!("{line}\n")).collect();
    let writer = std::thread::spawn(move || {
        for line in typed {
            std::thread::sleep(Duration::from_millis(1500));
            let _ = stdin.write_all(line.as_bytes());
        }
        std::thread::sleep(Duration::from_secs(2));
    });
    let output = child.wait_with_output()?;
    let _ = writer.join();
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn terminal(context: &Context) -> Result<()> {
    context.start(&context.pod("box", "sleep 1000", json!({}), json!({})))?;
    let line = format!("stty rows 33 cols 77; kubectl -n {} exec -it box -- sh", context.namespace);
    let shown =
        in_terminal(context, &line, &["echo $((40 + 2)) answer; test -t 0 && echo a terminal", "stty size", "exit"])?;
    contains(&shown, "42 answer")?;
    contains(&shown, "a terminal")?;
    contains(&shown, "33 77")
}

fn attach(context: &Context) -> Result<()> {
    let script = "while read line; do echo got $line; [ \"$line\" = end ] && exit 0; done; sleep 1000";
    let pod =
        context.pod("reader", script, json!({"stdin": true, "stdinOnce": true}), json!({"restartPolicy": "Never"}));
    context.start(&pod)?;
    let ended = context.ended_with_input(&["attach", "-i", "reader"], "one\ntwo\nend\n")?;
    contains(&ended.stdout, "got one")?;
    contains(&ended.stdout, "got end")?;
    context.until("the container ended", 20, || {
        same(context.get(&["pod", "reader"])?["status"]["phase"].as_str(), Some("Succeeded"))
    })?;
    let image = format!("--image={}", context.v1());
    let args = ["run", "once", &image, "-i", "--rm", "--restart=Never", "--command", "--", "sh", "-c", "cat; echo bye"];
    contains(&context.ended_with_input(&args, "hi\n")?.stdout, "bye")
}

fn port_forward(context: &Context) -> Result<()> {
    context.start(&context.pod("web", "", json!({}), json!({})))?;
    let mut command = context.kubectl(&["port-forward", "pod/web", ":8080"]);
    let mut child = command.stdout(Stdio::piped()).spawn()?;
    let mut line = String::new();
    let mut output = BufReader::new(child.stdout.take().context("no output")?);
    output.read_line(&mut line)?;
    // Forwarding from 127.0.0.1:PORT -> 8080
    let address = line.split_whitespace().find(|word| word.starts_with("127.0.0.1:")).map(str::to_owned);
    let answers = address.context(format!("kubectl said {line:?}")).and_then(|address| {
        // Several connections over the one forwarding.
        (0..5).try_for_each(|_| contains(&http::get(&address, "/")?, "hello from web"))
    });
    // `timeout` hands the signal on to kubectl.
    crate::machine::kill(child.id(), rustix::process::Signal::TERM)?;
    child.wait()?;
    answers
}

fn cp(context: &Context) -> Result<()> {
    context.start(&context.pod("box", "sleep 1000", json!({}), json!({})))?;
    let dir = std::env::temp_dir().join(format!("kybern-cp-{}", std::process::id()));
    std::fs::create_dir_all(dir.join("tree/below"))?;
    let large: Vec<u8> = (0..3_000_000_u32).map(|number| (number % 251) as u8).collect();
    std::fs::write(dir.join("tree/large"), &large)?;
    std::fs::write(dir.join("tree/below/small"), "small")?;
    let outcome = (|| {
        context.run(&["cp", &dir.join("tree").to_string_lossy(), "box:/tmp/tree"])?;
        same(context.shell("box", "cat /tmp/tree/below/small")?.as_str(), "small")?;
        context.run(&["cp", "box:/tmp/tree", &dir.join("back").to_string_lossy()])?;
        anyhow::ensure!(std::fs::read(dir.join("back/large"))? == large, "a file came back changed");
        let mut diff = Command::new("diff");
        diff.arg("-r").arg(dir.join("tree")).arg(dir.join("back"));
        same(ended(diff, None)?.code, 0)
    })();
    std::fs::remove_dir_all(&dir)?;
    outcome
}
