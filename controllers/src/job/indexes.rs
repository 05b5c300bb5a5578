//! Sets of completion indexes in their text form: `1,3-5,7`.

use std::collections::BTreeSet;

/// Reads a set; what is no index, or not below `completions`, is left out.
pub fn parse(text: &str, completions: usize) -> BTreeSet<usize> {
    let mut indexes = BTreeSet::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        if let (Ok(first), Ok(last)) = (first.parse::<usize>(), last.parse::<usize>()) {
            indexes.extend(first..=last.min(completions.saturating_sub(1)));
        }
    }
    indexes.retain(|index| *index < completions);
    indexes
}

/// Writes a set: runs of three and more with a dash.
pub fn format(indexes: &BTreeSet<usize>) -> String {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for index in indexes {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == *index => *last = *index,
            _ => runs.push((*index, *index)),
        }
    }
    let texts = runs.iter().map(|(first, last)| match last - first {
        0 => first.to_string(),
        1 => format!("{first},{last}"),
        _ => format!("{first}-{last}"),
    });
    texts.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip() {
        for text in ["", "0", "1,3-5,7", "0,1", "0-9"] {
            assert_eq!(format(&parse(text, 100)), text);
        }
        assert_eq!(parse("3-9,x,12", 6), BTreeSet::from([3, 4, 5]));
        assert!(parse("0-99999999999", 0).is_empty());
    }
}
