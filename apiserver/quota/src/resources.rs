//! Named amounts and their arithmetic.
//!
//! Source: apiserver `pkg/quota/v1/resources.go`.

use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};

use apiserver_schema::quantity::{Format, Quantity};
use serde_json::{Map, Value};

/// Amounts by name, a `v1.ResourceList`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resources(pub BTreeMap<String, Quantity>);

/// A number of objects.
pub fn count(value: i64) -> Quantity {
    Quantity::new(value, 0, Format::DecimalSi)
}

impl Deref for Resources {
    type Target = BTreeMap<String, Quantity>;
    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl DerefMut for Resources {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0
    }
}

impl FromIterator<(String, Quantity)> for Resources {
    fn from_iter<I: IntoIterator<Item = (String, Quantity)>>(entries: I) -> Self {
        Resources(entries.into_iter().collect())
    }
}

impl Resources {
    /// Reads a map of quantities; what is no quantity is left out.
    pub fn read(list: &Value) -> Resources {
        let entries = list.as_object().into_iter().flatten();
        entries
            .filter_map(|(name, amount)| {
                let amount = match amount {
                    Value::String(text) => Quantity::parse(text).ok()?,
                    Value::Number(number) => Quantity::parse(&number.to_string()).ok()?,
                    _ => return None,
                };
                Some((name.clone(), amount))
            })
            .collect()
    }

    pub fn to_json(&self) -> Value {
        Value::Object(
            self.iter().map(|(name, amount)| (name.clone(), amount.to_string().into())).collect::<Map<_, _>>(),
        )
    }

    /// Adds the other's amounts.
    pub fn add(&mut self, other: &Resources) {
        for (name, amount) in &other.0 {
            match self.get_mut(name) {
                Some(sum) => sum.add(amount),
                None => {
                    self.insert(name.clone(), amount.clone());
                }
            }
        }
    }

    /// Raises each amount to the other's where that is more.
    pub fn max(&mut self, other: &Resources) {
        for (name, amount) in &other.0 {
            if self.get(name).is_none_or(|own| own < amount) {
                self.insert(name.clone(), amount.clone());
            }
        }
    }

    /// The difference, at least zero, under the names of both.
    pub fn minus(&self, other: &Resources) -> Resources {
        let zero = count(0);
        let names = self.keys().chain(other.keys());
        names
            .map(|name| {
                let mut left = self.get(name).cloned().unwrap_or_else(|| zero.clone());
                if let Some(taken) = other.get(name) {
                    left.sub(taken);
                }
                (name.clone(), if left > zero { left } else { zero.clone() })
            })
            .collect()
    }

    /// The amounts under some names.
    pub fn mask(&self, keep: impl Fn(&str) -> bool) -> Resources {
        self.iter().filter(|(name, _)| keep(name)).map(|(name, amount)| (name.clone(), amount.clone())).collect()
    }

    /// The names of amounts below zero.
    pub fn negative(&self) -> Vec<&str> {
        let zero = count(0);
        self.iter().filter(|(_, amount)| **amount < zero).map(|(name, _)| name.as_str()).collect()
    }
}

impl std::fmt::Display for Resources {
    /// As upstream's messages show it: `cpu=1,memory=2Gi`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (position, (name, amount)) in self.iter().enumerate() {
            if position > 0 {
                f.write_str(",")?;
            }
            write!(f, "{name}={amount}")?;
        }
        Ok(())
    }
}
