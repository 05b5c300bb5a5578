//! Finding the field that a JSON name means, and noticing that it comes twice.

use crate::types::{Field, Shape, Type};

/// The field of this name and its place among the fields; the search begins where the last one ended, since
/// texts mostly follow the order of the struct.
pub fn find<'t>(ty: &'t Type, name: &str, hint: &mut usize, level: u32) -> Option<(&'t Field, Option<u32>)> {
    let fields = &*ty.fields;
    for offset in 0..fields.len() {
        let mut at = *hint + offset;
        if at >= fields.len() {
            at -= fields.len();
        }
        let field = &fields[at];
        if field.name.is_empty() {
            if let Shape::Object(inner) = &field.shape
                && let Some(found) = find(inner, name, &mut 0, level + 1)
            {
                return Some(found);
            }
        } else if *field.name == *name {
            *hint = if at + 1 < fields.len() { at + 1 } else { 0 };
            return Some((field, (at < 64 && level < 3).then_some(at as u32 + level * 64)));
        }
    }
    None
}

/// Which fields of an object have been met: 64 on each level of embedding.
#[derive(Default)]
pub struct Seen([u64; 3]);

impl Seen {
    /// Notes the field; whether it was noted before.
    pub fn again(&mut self, bit: Option<u32>) -> bool {
        let Some(bit) = bit else { return false };
        let (word, mask) = (&mut self.0[(bit / 64) as usize], 1 << (bit % 64));
        let again = *word & mask != 0;
        *word |= mask;
        again
    }
}

/// The Go names of the embedded structs through which a field is reached.
pub fn inlined<'t>(ty: &'t Type, name: &str, names: &mut Vec<&'t str>) -> bool {
    for field in ty.fields.iter() {
        match &field.shape {
            Shape::Object(inner) if field.name.is_empty() => {
                names.push(inner.short_name());
                if inlined(inner, name, names) {
                    return true;
                }
                names.pop();
            }
            _ if field.name == name => return true,
            _ => {}
        }
    }
    false
}
