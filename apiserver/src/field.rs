//! Field paths and validation errors, worded as upstream's `field` package words them.
//!
//! Source: apimachinery `pkg/util/validation/field`.

use std::fmt;

use serde_json::Value;

use crate::status::Cause;

/// Where in an object something is, for example `spec.containers[0].image`.
///
/// A path borrows its parent, so that walking an object costs nothing until an error is made.
#[derive(Clone, Copy)]
pub struct Path<'a> {
    parent: Option<&'a Path<'a>>,
    element: Element<'a>,
}

#[derive(Clone, Copy)]
enum Element<'a> {
    Name(&'a str),
    Index(usize),
    Key(&'a str),
}

impl<'a> Path<'a> {
    pub const fn new(name: &'a str) -> Self {
        Path { parent: None, element: Element::Name(name) }
    }

    pub fn child(&'a self, name: &'a str) -> Path<'a> {
        Path { parent: Some(self), element: Element::Name(name) }
    }

    pub fn index(&'a self, index: usize) -> Path<'a> {
        Path { parent: Some(self), element: Element::Index(index) }
    }

    pub fn key(&'a self, key: &'a str) -> Path<'a> {
        Path { parent: Some(self), element: Element::Key(key) }
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parent) = self.parent {
            parent.fmt(f)?;
        }
        match self.element {
            Element::Name(name) if self.parent.is_some() => write!(f, ".{name}"),
            Element::Name(name) => f.write_str(name),
            Element::Index(index) => write!(f, "[{index}]"),
            Element::Key(key) => write!(f, "[{key}]"),
        }
    }
}

/// What kind of rule a field breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorType {
    NotFound,
    Required,
    Duplicate,
    Invalid,
    TypeInvalid,
    NotSupported,
    Forbidden,
    TooLong,
    TooMany,
    Internal,
}

impl ErrorType {
    fn reason(self) -> &'static str {
        match self {
            ErrorType::NotFound => "FieldValueNotFound",
            ErrorType::Required => "FieldValueRequired",
            ErrorType::Duplicate => "FieldValueDuplicate",
            ErrorType::Invalid => "FieldValueInvalid",
            ErrorType::TypeInvalid => "FieldValueTypeInvalid",
            ErrorType::NotSupported => "FieldValueNotSupported",
            ErrorType::Forbidden => "FieldValueForbidden",
            ErrorType::TooLong => "FieldValueTooLong",
            ErrorType::TooMany => "FieldValueTooMany",
            ErrorType::Internal => "InternalError",
        }
    }

    fn words(self) -> &'static str {
        match self {
            ErrorType::NotFound => "Not found",
            ErrorType::Required => "Required value",
            ErrorType::Duplicate => "Duplicate value",
            ErrorType::Invalid | ErrorType::TypeInvalid => "Invalid value",
            ErrorType::NotSupported => "Unsupported value",
            ErrorType::Forbidden => "Forbidden",
            ErrorType::TooLong => "Too long",
            ErrorType::TooMany => "Too many",
            ErrorType::Internal => "Internal error",
        }
    }
}

/// One broken rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Error {
    pub kind: ErrorType,
    pub field: String,
    /// The value as the message shows it; absent where the message shows none.
    pub bad_value: Option<String>,
    pub detail: String,
}

impl Error {
    /// The message without the field, as `causes[].message` carries it.
    pub fn body(&self) -> String {
        let mut text = self.kind.words().to_owned();
        if let Some(value) = &self.bad_value {
            text.push_str(": ");
            text.push_str(value);
        }
        if !self.detail.is_empty() {
            text.push_str(": ");
            text.push_str(&self.detail);
        }
        text
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.body())
    }
}

/// All rules that an object breaks, in the order in which they were checked.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ErrorList(pub Vec<Error>);

impl ErrorList {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A value that is none of the JSON in an object, for example a count.
    pub fn invalid_number(&mut self, path: &Path<'_>, value: i64, detail: impl Into<String>) {
        self.push(ErrorType::Invalid, path, Some(value.to_string()), detail);
    }

    /// A wrong value that the message does not show.
    pub fn invalid_omitted(&mut self, path: &Path<'_>, detail: impl Into<String>) {
        self.push(ErrorType::Invalid, path, None, detail);
    }

    /// A wrong structure; `shown` is how the message shows it, see [`structure`].
    pub fn invalid_structure(&mut self, path: &Path<'_>, shown: String, detail: impl Into<String>) {
        self.push(ErrorType::Invalid, path, Some(shown), detail);
    }

    /// An unknown word in a structure.
    pub fn not_supported_structure(&mut self, path: &Path<'_>, shown: String, supported: &[&str]) {
        self.not_supported(path, &Value::Null, supported);
        if let Some(last) = self.0.last_mut() {
            last.bad_value = Some(shown);
        }
    }

    /// A structure that occurs twice.
    pub fn duplicate_structure(&mut self, path: &Path<'_>, shown: String, detail: impl Into<String>) {
        self.push(ErrorType::Duplicate, path, Some(shown), detail);
    }

    /// The problems of a string.
    pub fn invalid_strs(&mut self, path: &Path<'_>, value: &str, problems: impl IntoIterator<Item = String>) {
        for problem in problems {
            self.invalid_str(path, value, problem);
        }
    }

    /// The rule that a field never changes: the value is the new one.
    pub fn immutable(&mut self, path: &Path<'_>, new: &Value, old: &Value) {
        if !crate::object::same(new, old) {
            self.invalid(path, new, "field is immutable");
        }
    }

    /// Integers below zero.
    pub fn non_negative(&mut self, path: &Path<'_>, value: &Value) {
        if crate::object::int(value) < 0 {
            self.invalid(path, value, "must be greater than or equal to 0");
        }
    }

    fn push(&mut self, kind: ErrorType, path: &Path<'_>, bad_value: Option<String>, detail: impl Into<String>) {
        self.0.push(Error { kind, field: path.to_string(), bad_value, detail: detail.into() });
    }

    pub fn required(&mut self, path: &Path<'_>, detail: impl Into<String>) {
        self.push(ErrorType::Required, path, None, detail);
    }

    pub fn invalid(&mut self, path: &Path<'_>, value: &Value, detail: impl Into<String>) {
        self.push(ErrorType::Invalid, path, Some(shown(value)), detail);
    }

    pub fn invalid_str(&mut self, path: &Path<'_>, value: &str, detail: impl Into<String>) {
        self.push(ErrorType::Invalid, path, Some(format!("{value:?}")), detail);
    }

    pub fn duplicate(&mut self, path: &Path<'_>, value: &Value) {
        self.push(ErrorType::Duplicate, path, Some(shown(value)), "");
    }

    pub fn not_found(&mut self, path: &Path<'_>, value: &Value) {
        self.push(ErrorType::NotFound, path, Some(shown(value)), "");
    }

    pub fn forbidden(&mut self, path: &Path<'_>, detail: impl Into<String>) {
        self.push(ErrorType::Forbidden, path, None, detail);
    }

    /// `supported` is shown quoted and in its order; upstream's order differs from field to field.
    pub fn not_supported(&mut self, path: &Path<'_>, value: &Value, supported: &[&str]) {
        let quoted: Vec<_> = supported.iter().map(|value| format!("{value:?}")).collect();
        let detail = if quoted.is_empty() { String::new() } else { format!("supported values: {}", quoted.join(", ")) };
        self.push(ErrorType::NotSupported, path, Some(shown(value)), detail);
    }

    pub fn too_long(&mut self, path: &Path<'_>, max_bytes: usize) {
        self.push(ErrorType::TooLong, path, None, format!("may not be more than {max_bytes} bytes"));
    }

    pub fn too_many(&mut self, path: &Path<'_>, actual: usize, max: usize) {
        self.push(ErrorType::TooMany, path, Some(actual.to_string()), format!("must have at most {max} items"));
    }

    /// What only this server is to blame for.
    pub fn internal(&mut self, path: &Path<'_>, detail: impl Into<String>) {
        self.push(ErrorType::Internal, path, None, detail);
    }

    /// The list as one message: bare for one, bracketed for several, repeats left out.
    pub fn aggregate(&self) -> String {
        let mut seen = Vec::new();
        for error in &self.0 {
            let text = error.to_string();
            if !seen.contains(&text) {
                seen.push(text);
            }
        }
        match seen.len() {
            1 => seen.remove(0),
            _ => format!("[{}]", seen.join(", ")),
        }
    }

    pub fn causes(&self) -> Vec<Cause> {
        self.0
            .iter()
            .map(|error| Cause {
                reason: error.kind.reason().to_owned(),
                message: error.body(),
                field: error.field.clone(),
            })
            .collect()
    }
}

/// A structure as upstream's messages show it: by its internal names and in their order.
pub fn structure(fields: &[(&str, &Value)]) -> String {
    let fields: Vec<_> = fields.iter().map(|(name, value)| format!("{name:?}:{value}")).collect();
    format!("{{{}}}", fields.join(","))
}

/// A value as upstream prints it in messages: Go's `%#v`-like JSON form.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => format!("{text:?}"),
        Value::Null => "null".to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_read_as_upstream() {
        let spec = Path::new("spec");
        let containers = spec.child("containers");
        let first = containers.index(0);
        let mut errors = ErrorList::default();
        errors.required(&first.child("name"), "");
        errors.not_supported(&spec.child("dnsPolicy"), &Value::from("x"), &["ClusterFirst", "Default"]);
        assert_eq!(
            errors.aggregate(),
            r#"[spec.containers[0].name: Required value, spec.dnsPolicy: Unsupported value: "x": supported values: "ClusterFirst", "Default"]"#
        );
    }
}
