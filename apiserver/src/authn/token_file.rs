//! Static tokens: a CSV file of token, user, uid and groups.

use std::collections::HashMap;
use std::path::Path;

use anyhow::Context as _;

use super::User;

#[derive(Default)]
pub struct Tokens(HashMap<String, User>);

impl Tokens {
    pub fn read(path: &Path) -> anyhow::Result<Tokens> {
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        Tokens::parse(&text).with_context(|| format!("{} is malformed", path.display()))
    }

    fn parse(text: &str) -> anyhow::Result<Tokens> {
        let mut tokens = HashMap::new();
        for (number, line) in text.lines().enumerate() {
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            let columns = columns(line);
            anyhow::ensure!(
                columns.len() >= 3,
                "line {}: must have at least token, user name and user uid",
                number + 1
            );
            anyhow::ensure!(!columns[0].is_empty(), "line {}: the token is empty", number + 1);
            let groups = columns.get(3).map_or("", String::as_str);
            let user = User {
                name: columns[1].clone(),
                uid: columns[2].clone(),
                groups: groups.split(',').map(str::trim).filter(|group| !group.is_empty()).map(str::to_owned).collect(),
                ..User::default()
            };
            tokens.insert(columns[0].clone(), user);
        }
        Ok(Tokens(tokens))
    }

    pub fn user(&self, token: &str) -> Option<User> {
        self.0.get(token).cloned()
    }
}

/// The columns of a line: commas part them, double quotes keep commas in.
fn columns(line: &str) -> Vec<String> {
    let mut columns = vec![String::new()];
    let mut quoted = false;
    for c in line.chars() {
        match c {
            '"' => quoted = !quoted,
            ',' if !quoted => columns.push(String::new()),
            c => {
                if let Some(last) = columns.last_mut() {
                    last.push(c);
                }
            }
        }
    }
    columns.iter().map(|column| column.trim().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_name_users() {
        let tokens = Tokens::parse("t1,alice,7,\"dev,ops\"\n\nt2,bob,8\n").unwrap();
        assert_eq!(tokens.user("t1").unwrap().groups, ["dev", "ops"]);
        assert_eq!(tokens.user("t2").unwrap().name, "bob");
        assert!(tokens.user("t3").is_none());
        assert!(Tokens::parse("t1,alice").is_err());
    }
}
