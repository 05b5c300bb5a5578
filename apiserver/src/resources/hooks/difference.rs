//! The text by which a refused change of an immutable spec is shown.
//!
//! Source: apimachinery `pkg/util/diff`, which prints the two as indented Go structures.

use serde_json::Value;

/// The lines in which two specs differ, as `-` and `+` lines of their JSON.
pub fn of_pod_specs(old: &Value, new: &Value) -> String {
    of(old, new)
}

pub fn of(old: &Value, new: &Value) -> String {
    let lines = |value: &Value| -> Vec<String> {
        serde_json::to_string_pretty(value).unwrap_or_default().lines().map(str::to_owned).collect()
    };
    let (old, new) = (lines(old), lines(new));
    let before = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let rest = old.len().min(new.len()) - before;
    let after = old.iter().rev().zip(new.iter().rev()).take(rest).take_while(|(a, b)| a == b).count();
    let mut text = String::new();
    for line in &old[..before] {
        text.push_str(&format!("  {line}\n"));
    }
    for line in &old[before..old.len() - after] {
        text.push_str(&format!("- {line}\n"));
    }
    for line in &new[before..new.len() - after] {
        text.push_str(&format!("+ {line}\n"));
    }
    for line in &old[old.len() - after..] {
        text.push_str(&format!("  {line}\n"));
    }
    text
}
