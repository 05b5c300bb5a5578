//! Label and field selectors, with upstream's grammar and error messages.
//!
//! Source: apimachinery `pkg/labels/selector.go` and `pkg/fields/selector.go`.

use smol_str::SmolStr;

/// A parsed label selector: all of its requirements hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LabelSelector(pub Vec<Requirement>);

/// One term of a label selector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirement {
    pub key: SmolStr,
    pub operator: Operator,
    pub values: Vec<SmolStr>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    In,
    NotIn,
    Exists,
    DoesNotExist,
    GreaterThan,
    LessThan,
}

impl LabelSelector {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn matches<'a>(&self, get: impl Fn(&str) -> Option<&'a str>) -> bool {
        self.0.iter().all(|requirement| requirement.matches(get(&requirement.key)))
    }

    /// Reads a `metav1.LabelSelector`; an absent one selects everything.
    pub fn of(selector: &serde_json::Value) -> LabelSelector {
        let text = |value: &serde_json::Value| SmolStr::from(value.as_str().unwrap_or_default());
        let labels = selector["matchLabels"].as_object().into_iter().flatten();
        let mut requirements: Vec<Requirement> = labels
            .map(|(key, value)| Requirement { key: key.into(), operator: Operator::In, values: vec![text(value)] })
            .collect();
        for expression in selector["matchExpressions"].as_array().into_iter().flatten() {
            let operator = match expression["operator"].as_str() {
                Some("NotIn") => Operator::NotIn,
                Some("Exists") => Operator::Exists,
                Some("DoesNotExist") => Operator::DoesNotExist,
                _ => Operator::In,
            };
            let values = expression["values"].as_array().into_iter().flatten().map(text).collect();
            requirements.push(Requirement { key: text(&expression["key"]), operator, values });
        }
        LabelSelector(requirements)
    }

    /// Parses `a=b,c!=d,e in (f,g),!h,i>1`.
    pub fn parse(text: &str) -> Result<LabelSelector, String> {
        let mut parser = Parser { tokens: tokens(text), position: 0 };
        parser.selector().map(LabelSelector)
    }
}

impl Requirement {
    fn matches(&self, value: Option<&str>) -> bool {
        match self.operator {
            Operator::In => value.is_some_and(|value| self.values.iter().any(|wanted| wanted == value)),
            Operator::NotIn => value.is_none_or(|value| self.values.iter().all(|unwanted| unwanted != value)),
            Operator::Exists => value.is_some(),
            Operator::DoesNotExist => value.is_none(),
            Operator::GreaterThan | Operator::LessThan => {
                let Some(actual) = value.and_then(|value| value.parse::<i64>().ok()) else { return false };
                let Some(limit) = self.values.first().and_then(|limit| limit.parse::<i64>().ok()) else { return false };
                if self.operator == Operator::GreaterThan { actual > limit } else { actual < limit }
            }
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    /// `=`, `==`, `!=`, `!`, `>`, `<`, `,`, `(`, `)`.
    Symbol(&'static str),
    End,
}

impl Token {
    fn shown(&self) -> &str {
        match self {
            Token::Word(word) => word,
            Token::Symbol(symbol) => symbol,
            Token::End => "",
        }
    }
}

fn tokens(text: &str) -> Vec<Token> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if first.is_whitespace() {
            rest = &rest[first.len_utf8()..];
            continue;
        }
        if let Some(symbol) =
            ["==", "!=", "=", "!", ">", "<", ",", "(", ")"].into_iter().find(|symbol| rest.starts_with(symbol))
        {
            out.push(Token::Symbol(symbol));
            rest = &rest[symbol.len()..];
            continue;
        }
        let end = rest.find(|c: char| c.is_whitespace() || "=!><,()".contains(c)).unwrap_or(rest.len());
        out.push(Token::Word(rest[..end].to_owned()));
        rest = &rest[end..];
    }
    out
}

struct Parser {
    tokens: Vec<Token>,
    position: usize,
}

impl Parser {
    fn peek(&self) -> Token {
        self.tokens.get(self.position).cloned().unwrap_or(Token::End)
    }

    fn next(&mut self) -> Token {
        let token = self.peek();
        self.position += 1;
        token
    }

    fn selector(&mut self) -> Result<Vec<Requirement>, String> {
        let mut requirements = Vec::new();
        loop {
            match self.peek() {
                Token::End => break,
                Token::Word(_) | Token::Symbol("!") => {
                    let requirement = self.requirement();
                    requirements
                        .push(requirement.map_err(|problem| format!("unable to parse requirement: {problem}"))?);
                }
                other => return Err(format!("found '{}', expected: !, identifier, or 'end of string'", other.shown())),
            }
            match self.next() {
                Token::End => break,
                Token::Symbol(",") => match self.peek() {
                    Token::Word(_) | Token::Symbol("!") => {}
                    other => return Err(format!("found '{}', expected: identifier after ','", other.shown())),
                },
                other => return Err(format!("found '{}', expected: ',' or 'end of string'", other.shown())),
            }
        }
        requirements.sort_by(|a: &Requirement, b| a.key.cmp(&b.key));
        Ok(requirements)
    }

    fn requirement(&mut self) -> Result<Requirement, String> {
        let negated = self.peek() == Token::Symbol("!");
        if negated {
            self.next();
        }
        let key = match self.next() {
            Token::Word(key) => key,
            other => return Err(format!("found '{}', expected: identifier", other.shown())),
        };
        if let Some(problem) = crate::resources::names::qualified_name(&key) {
            return Err(format!("<nil>: Invalid value: {key:?}: {problem}"));
        }
        let make = |operator, values| Ok(Requirement { key: SmolStr::new(&key), operator, values });
        if negated {
            return make(Operator::DoesNotExist, Vec::new());
        }
        match self.peek() {
            Token::End | Token::Symbol(",") => return make(Operator::Exists, Vec::new()),
            _ => {}
        }
        let (operator, many) = match self.next() {
            Token::Symbol("=" | "==") => (Operator::In, false),
            Token::Symbol("!=") => (Operator::NotIn, false),
            Token::Symbol(">") => (Operator::GreaterThan, false),
            Token::Symbol("<") => (Operator::LessThan, false),
            Token::Word(word) if word == "in" => (Operator::In, true),
            Token::Word(word) if word == "notin" => (Operator::NotIn, true),
            other => return Err(format!("found '{}', expected: in, notin, =, ==, !=, gt, lt", other.shown())),
        };
        let mut values = if many { self.values()? } else { vec![self.exact_value()?] };
        for (position, value) in values.iter().enumerate() {
            if matches!(operator, Operator::GreaterThan | Operator::LessThan) {
                if value.parse::<i64>().is_err() {
                    return Err(format!(
                        "values[{position}][{key}]: Invalid value: {value:?}: for 'Gt', 'Lt' operators, the value must be an integer"
                    ));
                }
            } else if let Some(problem) = crate::resources::names::label_value(value) {
                return Err(format!("values[{position}][{key}]: Invalid value: {value:?}: {problem}"));
            }
        }
        values.sort();
        values.dedup();
        make(operator, values)
    }

    fn exact_value(&mut self) -> Result<SmolStr, String> {
        match self.peek() {
            Token::Word(word) => {
                self.next();
                Ok(word.into())
            }
            Token::End | Token::Symbol(",") => Ok(SmolStr::default()),
            other => Err(format!("found '{}', expected: identifier", other.shown())),
        }
    }

    /// A value of a set, which may be left out.
    fn value(&mut self) -> SmolStr {
        match self.peek() {
            Token::Word(word) => {
                self.next();
                word.into()
            }
            _ => SmolStr::default(),
        }
    }

    fn values(&mut self) -> Result<Vec<SmolStr>, String> {
        match self.next() {
            Token::Symbol("(") => {}
            other => return Err(format!("found '{}' expected: '('", other.shown())),
        }
        let mut values = Vec::new();
        loop {
            if self.peek() == Token::End {
                return Err("found '', expected: ',', ')' or identifier".to_owned());
            }
            values.push(self.value());
            match self.next() {
                Token::Symbol(",") => {}
                Token::Symbol(")") => return Ok(values),
                other => return Err(format!("found '{}', expected: ',' or ')'", other.shown())),
            }
        }
    }
}

/// A parsed field selector: all of its terms hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldSelector(pub Vec<FieldTerm>);

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldTerm {
    pub field: SmolStr,
    pub equal: bool,
    pub value: SmolStr,
}

impl FieldSelector {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value that a field must have, if the selector asks for exactly one.
    pub fn exact(&self, field: &str) -> Option<&SmolStr> {
        self.0.iter().find(|term| term.equal && term.field == field).map(|term| &term.value)
    }

    /// Parses `a=b,c!=d`; backslash escapes `,`, `=` and itself in values.
    pub fn parse(text: &str) -> Result<FieldSelector, String> {
        let mut terms = Vec::new();
        for part in split_terms(text) {
            if part.is_empty() {
                continue;
            }
            let (field, equal, value) =
                split_term(part).ok_or_else(|| format!("invalid selector: '{text}'; can't understand '{part}'"))?;
            terms.push(FieldTerm { field: field.into(), equal, value: unescaped(value)?.into() });
        }
        Ok(FieldSelector(terms))
    }
}

fn split_terms(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut start, mut escaped) = (0, false);
    for (position, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b',' => {
                parts.push(&text[start..position]);
                start = position + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

fn split_term(term: &str) -> Option<(&str, bool, &str)> {
    let position = term.find(['=', '!'])?;
    let (field, rest) = term.split_at(position);
    if let Some(value) = rest.strip_prefix("!=") {
        return Some((field, false, value));
    }
    let value = rest.strip_prefix("==").or_else(|| rest.strip_prefix('='))?;
    Some((field, true, value))
}

fn unescaped(value: &str) -> Result<String, String> {
    let mut out = String::with_capacity(value.len());
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some(next @ ('\\' | ',' | '=')) => out.push(next),
                Some(next) => return Err(format!("invalid field selector: invalid escape sequence: \\{next}")),
                None => return Err("invalid field selector: invalid escape sequence: \\".to_owned()),
            },
            ',' | '=' => return Err(format!("invalid field selector: unescaped character in value: {c}")),
            other => out.push(other),
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selects(selector: &str, labels: &[(&str, &'static str)]) -> bool {
        LabelSelector::parse(selector)
            .unwrap()
            .matches(|key| labels.iter().find(|(name, _)| *name == key).map(|(_, value)| *value))
    }

    #[test]
    fn label_selectors_select() {
        let labels = [("app", "web"), ("tier", "front"), ("n", "5")];
        for (selector, expected) in [
            ("", true),
            ("app=web", true),
            ("app==web,tier!=back", true),
            ("app in (web, db)", true),
            ("app notin (web)", false),
            ("other notin (web)", true),
            ("app", true),
            ("!app", false),
            ("!other,n>4", true),
            ("n<5", false),
            ("app=", false),
        ] {
            assert_eq!(selects(selector, &labels), expected, "{selector}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_selector_makes_it_panic(text in "[a-c=!<>(),. /\\\\in-]{0,24}|.{0,24}") {
            if let Ok(selector) = LabelSelector::parse(&text) {
                selector.matches(|_| Some("a"));
                selector.matches(|_| None);
            }
            let _ = FieldSelector::parse(&text);
        }
    }

    #[test]
    fn malformed_selectors_are_refused() {
        for selector in ["a=b,", ",a", "a in b", "a in (b", "a b", "=x", "a=-", "a>x", "!!a"] {
            assert!(LabelSelector::parse(selector).is_err(), "{selector}");
        }
    }

    #[test]
    fn field_selectors_parse() {
        let selector = FieldSelector::parse(r"metadata.name=a\,b,spec.nodeName!=").unwrap();
        assert_eq!(selector.exact("metadata.name").unwrap(), "a,b");
        assert!(!selector.0[1].equal);
        assert!(FieldSelector::parse("nonsense").is_err());
    }
}
