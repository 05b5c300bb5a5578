//! `metadata.managedFields`: its entries read, written and sorted.

use serde_json::{Map, Value};

use super::set::FieldSet;

/// How a manager writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    Apply,
    Update,
}

impl Operation {
    fn as_str(self) -> &'static str {
        match self {
            Operation::Apply => "Apply",
            Operation::Update => "Update",
        }
    }
}

/// What tells one entry from another. An applier has one entry whatever version it applies in, so its
/// `api_version` is empty here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manager {
    pub name: String,
    pub operation: Operation,
    pub api_version: String,
    pub subresource: String,
}

impl Manager {
    /// The manager that writes as `name`; an empty name is `unknown`.
    pub fn new(name: &str, operation: Operation, api_version: &str, subresource: &str) -> Manager {
        Manager {
            name: if name.is_empty() { "unknown" } else { name }.to_owned(),
            operation,
            api_version: match operation {
                Operation::Apply => String::new(),
                Operation::Update => api_version.to_owned(),
            },
            subresource: subresource.to_owned(),
        }
    }

    /// Upstream's key of an entry, which some of its orders go by.
    pub fn identifier(&self) -> String {
        let mut out = String::from("{");
        let members = [
            ("manager", self.name.as_str()),
            ("operation", self.operation.as_str()),
            ("apiVersion", &self.api_version),
            ("subresource", &self.subresource),
        ];
        for (key, value) in members.into_iter().filter(|(_, value)| !value.is_empty()) {
            let comma = if out.len() > 1 { "," } else { "" };
            out.push_str(&format!("{comma}\"{key}\":{}", Value::from(value)));
        }
        out.push('}');
        out
    }
}

/// One entry of `metadata.managedFields`.
#[derive(Clone, Debug)]
pub struct Entry {
    pub manager: Manager,
    /// The version in which `set` is to be read.
    pub api_version: String,
    /// RFC 3339 in whole seconds and UTC.
    pub time: Option<String>,
    pub set: FieldSet,
    /// The form `set` was read from, for as long as `set` is unchanged: writing it again costs nothing.
    raw: Option<Value>,
}

impl Entry {
    /// An entry without a time.
    pub fn new(manager: Manager, api_version: &str, set: FieldSet) -> Entry {
        Entry { manager, api_version: api_version.to_owned(), time: None, set, raw: None }
    }

    /// Changes the set.
    pub fn set_mut(&mut self) -> &mut FieldSet {
        self.raw = None;
        &mut self.set
    }

    /// Removes the paths of `gone`.
    pub fn subtract(&mut self, gone: &FieldSet) {
        if self.set.subtract(gone) {
            self.raw = None;
        }
    }

    fn decode(at: usize, entry: &Value) -> Result<Entry, String> {
        let text = |key: &str| entry.get(key).and_then(Value::as_str).unwrap_or_default();
        let operation = match text("operation") {
            "Apply" => Operation::Apply,
            "Update" => Operation::Update,
            _ => return Err("operation must be `Apply` or `Update`".to_owned()),
        };
        let api_version = text("apiVersion");
        if api_version.is_empty() {
            return Err("apiVersion must not be empty".to_owned());
        }
        match text("fieldsType") {
            "FieldsV1" => {}
            "" => return Err(format!("missing fieldsType in managed fields entry {at}")),
            other => return Err(format!("invalid fieldsType {other:?} in managed fields entry {at}")),
        }
        let raw = entry.get("fieldsV1").filter(|fields| !fields.is_null()).cloned();
        let set = match &raw {
            Some(fields) => FieldSet::from_value(fields)
                .map_err(|cause| format!("error decoding versioned set from {entry}: error decoding set: {cause}"))?,
            None => FieldSet::new(),
        };
        let manager = Manager {
            name: text("manager").to_owned(),
            operation,
            api_version: if operation == Operation::Apply { String::new() } else { api_version.to_owned() },
            subresource: text("subresource").to_owned(),
        };
        let time = Some(text("time")).filter(|time| !time.is_empty()).map(str::to_owned);
        Ok(Entry { manager, api_version: api_version.to_owned(), time, set, raw })
    }

    fn encode(self) -> Value {
        let mut entry = Map::new();
        let fields = self.raw.unwrap_or_else(|| self.set.to_value());
        let mut put = |key: &str, value: String| {
            if !value.is_empty() {
                entry.insert(key.to_owned(), Value::String(value));
            }
        };
        put("manager", self.manager.name);
        put("operation", self.manager.operation.as_str().to_owned());
        put("apiVersion", self.api_version);
        put("time", self.time.unwrap_or_default());
        put("fieldsType", "FieldsV1".to_owned());
        put("subresource", self.manager.subresource);
        entry.insert("fieldsV1".to_owned(), fields);
        Value::Object(entry)
    }
}

/// All managers of an object.
#[derive(Clone, Debug, Default)]
pub struct Managed {
    pub entries: Vec<Entry>,
}

impl Managed {
    /// Reads `metadata.managedFields`; absent and null are empty.
    pub fn decode(list: Option<&Value>) -> Result<Managed, String> {
        let mut managed = Managed::default();
        for (at, entry) in list.and_then(Value::as_array).into_iter().flatten().enumerate() {
            managed.put(Entry::decode(at, entry)?);
        }
        Ok(managed)
    }

    /// The value of `metadata.managedFields`, sorted: appliers first, then by time and name. `None` when empty.
    pub fn encode(mut self) -> Option<Value> {
        if self.entries.is_empty() {
            return None;
        }
        self.entries.sort_by(|left, right| {
            let key = |entry: &Entry| (entry.manager.operation, entry.time.clone().unwrap_or_default());
            key(left)
                .cmp(&key(right))
                .then_with(|| left.manager.name.cmp(&right.manager.name))
                .then_with(|| left.api_version.cmp(&right.api_version))
                .then_with(|| left.manager.subresource.cmp(&right.manager.subresource))
        });
        Some(Value::Array(self.entries.into_iter().map(Entry::encode).collect()))
    }

    /// The entry of a manager.
    pub fn get(&self, manager: &Manager) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.manager == *manager)
    }

    /// The entry of a manager, to change.
    pub fn get_mut(&mut self, manager: &Manager) -> Option<&mut Entry> {
        self.entries.iter_mut().find(|entry| entry.manager == *manager)
    }

    /// Adds an entry in the place of an earlier one of the same manager.
    pub fn put(&mut self, entry: Entry) {
        match self.get_mut(&entry.manager) {
            Some(earlier) => *earlier = entry,
            None => self.entries.push(entry),
        }
    }

    /// Forgets a manager.
    pub fn remove(&mut self, manager: &Manager) {
        self.entries.retain(|entry| entry.manager != *manager);
    }
}

/// Checks `metadata.managedFields` as admission does after mutation; the error is upstream's.
pub fn validate(list: Option<&Value>) -> Result<(), String> {
    Managed::decode(list).map(|_| ())
}

/// Takes back new timestamps in `new`'s managedFields when nothing else differs from `live`, so that a write
/// without effect does not reach the store. Answers whether it did. `new` may have live's server-set metadata
/// restored by then; upstream runs this as the last transformation of an update.
pub fn ignore_times(live: &Value, new: &mut Value) -> bool {
    let differ = differ_in_times_only(live, new);
    if differ && let Some(list) = live.pointer("/metadata/managedFields") {
        new["metadata"]["managedFields"] = list.clone();
    }
    differ
}

fn differ_in_times_only(live: &Value, new: &Value) -> bool {
    // Most writes change something else: what settles it soonest comes first, and nothing is copied.
    if !same_but(live, new, |key, left, right| {
        key == "metadata" && same_but(left, right, |key, _, _| key == "managedFields")
    }) {
        return false;
    }
    let list = |object| Value::pointer(object, "/metadata/managedFields").and_then(Value::as_array);
    let (Some(before), Some(after)) = (list(live), list(new)) else { return false };
    let timeless = |entry: &Map<String, Value>| entry.keys().filter(|key| *key != "time").count();
    let same_but_time = |left: &Value, right: &Value| match (left, right) {
        (Value::Object(left), Value::Object(right)) => {
            timeless(left) == timeless(right)
                && left.iter().all(|(key, value)| key == "time" || right.get(key) == Some(value))
        }
        _ => left == right,
    };
    before.len() == after.len()
        && !after.is_empty()
        && before != after
        && before.iter().zip(after).all(|(left, right)| same_but_time(left, right))
}

/// Whether two objects have the same members with equal values, or values that `excused` excuses.
fn same_but(left: &Value, right: &Value, excused: impl Fn(&str, &Value, &Value) -> bool) -> bool {
    let (Some(left), Some(right)) = (left.as_object(), right.as_object()) else { return false };
    left.len() == right.len()
        && left
            .iter()
            .all(|(key, value)| right.get(key).is_some_and(|other| excused(key, value, other) || value == other))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn entry(manager: &str, operation: &str, time: &str, subresource: &str) -> Value {
        let mut entry = json!({
            "manager": manager, "operation": operation, "apiVersion": "v1",
            "fieldsType": "FieldsV1", "fieldsV1": {"f:a": {}},
        });
        if !time.is_empty() {
            entry["time"] = json!(time);
        }
        if !subresource.is_empty() {
            entry["subresource"] = json!(subresource);
        }
        entry
    }

    #[test]
    fn entries_are_sorted_and_come_back_whole() {
        let early = "2026-01-01T00:00:00Z";
        let late = "2026-01-02T00:00:00Z";
        let sorted = json!([
            entry("z", "Apply", early, ""),
            entry("a", "Apply", late, ""),
            entry("b", "Update", "", ""),
            entry("c", "Update", early, ""),
            entry("c", "Update", early, "status"),
            entry("a", "Update", late, ""),
        ]);
        let mut shuffled = sorted.as_array().cloned().expect("a list");
        shuffled.reverse();
        let managed = Managed::decode(Some(&Value::Array(shuffled))).expect("valid");
        assert_eq!(managed.encode(), Some(sorted));
        assert!(Managed::default().encode().is_none());
    }

    #[test]
    fn refuses_broken_entries() {
        let broken = |key: &str, value: Value| {
            let mut entry = entry("a", "Update", "", "");
            entry[key] = value;
            validate(Some(&json!([entry]))).expect_err(key)
        };
        assert_eq!(broken("operation", json!("Patch")), "operation must be `Apply` or `Update`");
        assert_eq!(broken("apiVersion", json!("")), "apiVersion must not be empty");
        assert_eq!(broken("fieldsType", json!("")), "missing fieldsType in managed fields entry 0");
        assert_eq!(broken("fieldsType", json!("V2")), "invalid fieldsType \"V2\" in managed fields entry 0");
        assert!(broken("fieldsV1", json!({"x": {}})).contains("key must be 2 characters long:"));
    }

    #[test]
    fn identifiers() {
        let apply = Manager::new("a", Operation::Apply, "v1", "");
        assert_eq!(apply.identifier(), r#"{"manager":"a","operation":"Apply"}"#);
        let update = Manager::new("", Operation::Update, "v1", "status");
        let want = r#"{"manager":"unknown","operation":"Update","apiVersion":"v1","subresource":"status"}"#;
        assert_eq!(update.identifier(), want);
    }

    #[test]
    fn times_alone_are_no_change() {
        let object = |time: &str, data: &str| json!({"data": data, "metadata": {"name": "x", "managedFields": [entry("a", "Apply", time, "")]}});
        let live = object("2026-01-01T00:00:00Z", "x");
        let mut new = object("2026-01-02T00:00:00Z", "x");
        assert!(ignore_times(&live, &mut new));
        assert_eq!(new, live);
        let mut new = object("2026-01-02T00:00:00Z", "y");
        assert!(!ignore_times(&live, &mut new));
        assert_eq!(new, object("2026-01-02T00:00:00Z", "y"));
    }
}
