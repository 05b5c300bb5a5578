//! Recordings of walks as text, and how two runs of one walk differ.

use super::Outcome;

/// Outcomes as text: a command after `$ `, then its lines, each after two blanks.
pub fn write(outcomes: &[Outcome]) -> String {
    let mut text = String::new();
    for outcome in outcomes {
        text.push_str(&format!("$ {}\n", outcome.command));
        for line in &outcome.lines {
            text.push_str(format!("  {line}").trim_end());
            text.push('\n');
        }
    }
    text
}

/// The reverse of [`write`].
pub fn parse(text: &str) -> Vec<Outcome> {
    let mut outcomes: Vec<Outcome> = Vec::new();
    for line in text.lines() {
        match (line.strip_prefix("$ "), outcomes.last_mut()) {
            (Some(command), _) => outcomes.push(Outcome { command: command.to_owned(), lines: Vec::new() }),
            (None, Some(outcome)) => outcome.lines.push(line.strip_prefix("  ").unwrap_or(line).to_owned()),
            (None, None) => {}
        }
    }
    outcomes
}

/// Each command that did not do the same, with the lines that differ: `-` expected, `+` found.
pub fn differences(expected: &[Outcome], found: &[Outcome]) -> Vec<String> {
    let mut all = Vec::new();
    for outcome in found {
        let Some(before) = expected.iter().find(|other| other.command == outcome.command) else {
            all.push(format!("$ {}\n  not recorded", outcome.command));
            continue;
        };
        let before = nth(expected, found, outcome).unwrap_or(before);
        if before.lines != outcome.lines {
            all.push(format!("$ {}\n{}", outcome.command, changed(&before.lines, &outcome.lines)));
        }
    }
    for outcome in expected {
        if !found.iter().any(|other| other.command == outcome.command) {
            all.push(format!("$ {}\n  recorded, and no longer in the walk", outcome.command));
        }
    }
    all
}

/// What is recorded of a command that a walk has several times.
fn nth<'a>(expected: &'a [Outcome], found: &[Outcome], outcome: &Outcome) -> Option<&'a Outcome> {
    let earlier = found
        .iter()
        .take_while(|other| !std::ptr::eq(*other, outcome))
        .filter(|other| other.command == outcome.command)
        .count();
    expected.iter().filter(|other| other.command == outcome.command).nth(earlier)
}

fn changed(before: &[String], after: &[String]) -> String {
    let head = before.iter().zip(after).take_while(|(one, other)| one == other).count();
    let (before, after) = (&before[head..], &after[head..]);
    let tail = before.iter().rev().zip(after.iter().rev()).take_while(|(one, other)| one == other).count();
    let (before, after) = (&before[..before.len() - tail], &after[..after.len() - tail]);
    let lines = before.iter().take(30).map(|line| format!("  - {line}"));
    lines.chain(after.iter().take(30).map(|line| format!("  + {line}"))).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(command: &str, lines: &[&str]) -> Outcome {
        Outcome { command: command.to_owned(), lines: lines.iter().map(|line| (*line).to_owned()).collect() }
    }

    #[test]
    fn a_recording_is_read_as_it_was_written() {
        let outcomes = vec![outcome("k get pods", &["exit 0", "NAME", "", "one"]), outcome("k version", &["exit 1"])];
        assert_eq!(parse(&write(&outcomes)), outcomes);
    }

    #[test]
    fn repeated_commands_are_compared_in_order() {
        let before = [outcome("k apply", &["created"]), outcome("k apply", &["unchanged"])];
        assert!(differences(&before, &before).is_empty());
        let after = [outcome("k apply", &["created"]), outcome("k apply", &["configured"])];
        assert_eq!(differences(&before, &after), ["$ k apply\n  - unchanged\n  + configured"]);
    }
}
