//! The text by which a refused change of an immutable spec is shown.
//!
//! Source: apimachinery `pkg/util/diff`. Upstream shows its internal form of the objects.

use crate::respond;

/// How many equal lines are shown around those that differ.
const CONTEXT: usize = 3;

/// The lines of two JSON texts in which they differ, as one hunk of a unified diff. The members stay in their order.
pub fn of(old: &str, new: &str) -> String {
    let lines = |json: &str| -> Vec<String> {
        let text = respond::pretty(json);
        String::from_utf8_lossy(&text).lines().map(|line| line.replace("  ", " ")).collect()
    };
    let (old, new) = (lines(old), lines(new));
    let before = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let rest = old.len().min(new.len()) - before;
    let after = old.iter().rev().zip(new.iter().rev()).take(rest).take_while(|(a, b)| a == b).count();
    let (start, (old_end, new_end)) = (before.saturating_sub(CONTEXT), (old.len() - after, new.len() - after));
    let tail = after.min(CONTEXT);
    let mut text =
        format!("@@ -{},{} +{},{} @@\n", start + 1, old_end + tail - start, start + 1, new_end + tail - start);
    let parts = [
        (' ', &old[start..before]),
        ('-', &old[before..old_end]),
        ('+', &new[before..new_end]),
        (' ', &old[old_end..old_end + tail]),
    ];
    for (sign, lines) in parts {
        for line in lines {
            text.push(sign);
            text.push_str(line);
            text.push('\n');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::of;

    #[test]
    fn what_differs_is_shown_among_what_does_not() {
        let text = of(r#"{"a":1,"b":2,"c":3}"#, r#"{"a":1,"b":4,"c":3}"#);
        assert_eq!(text, "@@ -1,5 +1,5 @@\n {\n  \"a\": 1,\n- \"b\": 2,\n+ \"b\": 4,\n  \"c\": 3\n }\n");
    }
}
