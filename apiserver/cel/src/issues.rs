//! What is wrong with an expression, and how upstream shows it: position, text, the line and a pointer.

use std::fmt;

/// One finding about an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issue {
    /// Line, from 1; -1 where there is no place.
    pub line: i32,
    /// Column in code points, from 0; -1 where there is no place.
    pub column: i32,
    pub message: String,
}

/// Why an expression does not compile. Displays as upstream's library does, pointer lines and all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompileError {
    source: String,
    /// What was found, in the order of the source.
    pub issues: Vec<Issue>,
    /// Findings beyond the first hundred.
    more: usize,
}

impl std::error::Error for CompileError {}

/// Collects findings; all but the first hundred are only counted.
#[derive(Debug, Default)]
pub(crate) struct Issues {
    list: Vec<Issue>,
    more: usize,
}

const REPORTED: usize = 100;
/// Lines longer than this are not shown.
const SNIPPET: usize = 16384;

impl Issues {
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub fn report(&mut self, source: &Source, at: u32, message: impl Into<String>) {
        let (line, column) = source.position(at);
        self.push(Issue { line, column, message: message.into() });
    }

    pub fn report_nowhere(&mut self, message: impl Into<String>) {
        self.push(Issue { line: -1, column: -1, message: message.into() });
    }

    fn push(&mut self, issue: Issue) {
        if self.list.len() < REPORTED {
            self.list.push(issue);
        } else {
            self.more += 1;
        }
    }

    pub fn into_error(mut self, source: &Source) -> CompileError {
        self.list.sort_by_key(|issue| (issue.line, issue.column));
        CompileError { source: source.text.clone(), issues: self.list, more: self.more }
    }
}

/// The text of an expression, with its lines.
#[derive(Debug)]
pub(crate) struct Source {
    pub text: String,
    pub chars: Vec<char>,
    /// Where each line begins.
    lines: Vec<u32>,
}

impl Source {
    pub fn new(text: &str) -> Source {
        let chars: Vec<char> = text.chars().collect();
        let mut lines = vec![0];
        for (index, character) in chars.iter().enumerate() {
            if *character == '\n' {
                lines.push(u32::try_from(index + 1).unwrap_or(u32::MAX));
            }
        }
        Source { text: text.to_owned(), chars, lines }
    }

    fn position(&self, at: u32) -> (i32, i32) {
        if self.chars.is_empty() {
            return (1, -1);
        }
        let line = self.lines.partition_point(|start| *start <= at).max(1);
        let column = at - self.lines[line - 1];
        (i32::try_from(line).unwrap_or(i32::MAX), i32::try_from(column).unwrap_or(i32::MAX))
    }
}

impl CompileError {
    fn show(&self, f: &mut fmt::Formatter<'_>, issue: &Issue) -> fmt::Result {
        write!(f, "ERROR: <input>:{}:{}: {}", issue.line, issue.column + 1, issue.message)?;
        let Ok(line) = usize::try_from(issue.line - 1) else { return Ok(()) };
        let Some(snippet) = self.source.split('\n').nth(line).filter(|_| !self.source.is_empty()) else {
            return Ok(());
        };
        if snippet.len() > SNIPPET {
            return Ok(());
        }
        let snippet = snippet.replace('\t', " ");
        write!(f, "\n | {snippet}\n | ")?;
        let mut rest = snippet.chars();
        for _ in 0..issue.column {
            match rest.next() {
                None => break,
                Some(character) => f.write_str(if character.len_utf8() > 1 { "\u{ff0e}" } else { "." })?,
            }
        }
        let wide = rest.next().is_some_and(|character| character.len_utf8() > 1);
        f.write_str(if wide { "\u{ff3e}" } else { "^" })
    }
}

impl fmt::Display for CompileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, issue) in self.issues.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            self.show(f, issue)?;
        }
        if self.more > 0 {
            write!(f, "\n{} more errors were truncated", self.more)?;
        }
        Ok(())
    }
}
