//! The table of figures.

use super::{Goal, Row};

/// The figures of one row: one for each round of each server.
pub struct Measured {
    pub row: Row,
    pub upstream: Vec<f64>,
    pub ours: Vec<f64>,
}

impl Measured {
    /// How many times better ours is, as the goal counts.
    fn ratio(&self) -> Option<f64> {
        let (upstream, ours) = (median(&self.upstream)?, median(&self.ours)?);
        Some(match self.row.goal {
            Goal::Times(_) => ours / upstream,
            Goal::Fraction(_) | Goal::AtMost(_) | Goal::None => upstream / ours,
        })
    }

    /// Whether the goal is met; nothing where there is no goal or nothing to hold to it.
    pub fn met(&self) -> Option<bool> {
        match self.row.goal {
            Goal::Times(times) | Goal::Fraction(times) => Some(self.ratio()? >= times),
            Goal::AtMost(most) => Some(median(&self.ours)? <= most),
            Goal::None => None,
        }
    }

    /// The row of a Markdown table.
    pub fn line(&self) -> String {
        let figure = |values: &[f64]| median(values).map_or("-".to_owned(), written);
        let goal = match self.row.goal {
            Goal::Times(times) => format!("{times}x"),
            Goal::Fraction(times) => format!("1/{times}"),
            Goal::AtMost(most) => format!("{} {}", written(most), self.row.unit),
            Goal::None => String::new(),
        };
        let ratio = self.ratio().map_or(String::new(), |ratio| format!("{}x", written(ratio)));
        let met = match self.met() {
            Some(true) => "yes",
            Some(false) => "no",
            None => "",
        };
        format!(
            "| {} | {} | {} | {} | {ratio} | {goal} | {met} |",
            self.row.name,
            self.row.unit,
            figure(&self.upstream),
            figure(&self.ours)
        )
    }
}

pub const HEAD: &str =
    "| measurement | unit | upstream | ours | better by | goal | met |\n|---|---|---|---|---|---|---|";

/// Three significant digits.
fn written(value: f64) -> String {
    let places = match value.abs() {
        size if size >= 100.0 => 0,
        size if size >= 10.0 => 1,
        size if size >= 1.0 => 2,
        _ => 3,
    };
    format!("{value:.places$}")
}

fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        count if count % 2 == 1 => Some(sorted[middle]),
        _ => Some((sorted[middle - 1] + sorted[middle]) / 2.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goals_are_held_against_medians() {
        let row = |goal| Row { name: "x", unit: "ms", goal };
        let measured = |goal| Measured { row: row(goal), upstream: vec![10.0, 30.0, 20.0], ours: vec![4.0, 2.0] };
        assert_eq!(measured(Goal::Fraction(6.0)).met(), Some(true));
        assert_eq!(measured(Goal::Fraction(7.0)).met(), Some(false));
        assert_eq!(measured(Goal::Times(1.0)).met(), Some(false));
        assert_eq!(measured(Goal::AtMost(3.0)).met(), Some(true));
        assert_eq!(measured(Goal::Fraction(5.0)).line(), "| x | ms | 20.0 | 3.00 | 6.67x | 1/5 | yes |");
        let nothing = Measured { row: row(Goal::AtMost(3.0)), upstream: vec![1.0], ours: Vec::new() };
        assert_eq!(nothing.met(), None);
    }
}
