//! A set of small numbers as the bits of one number, written as Go's `big.Int` writes it: big-endian, no leading zeros.

/// Which of the numbers from 0 on are taken.
#[derive(Clone, Debug, Default)]
pub struct Bitmap {
    /// Least significant first.
    bytes: Vec<u8>,
}

impl Bitmap {
    pub fn from_big_endian(bytes: &[u8]) -> Self {
        Bitmap { bytes: bytes.iter().rev().copied().collect() }
    }

    pub fn to_big_endian(&self) -> Vec<u8> {
        self.significant().iter().rev().copied().collect()
    }

    pub fn contains(&self, bit: usize) -> bool {
        self.bytes.get(bit / 8).is_some_and(|byte| byte & (1 << (bit % 8)) != 0)
    }

    /// Adds a number; false when it was there.
    pub fn insert(&mut self, bit: usize) -> bool {
        if self.contains(bit) {
            return false;
        }
        if self.bytes.len() <= bit / 8 {
            self.bytes.resize(bit / 8 + 1, 0);
        }
        self.bytes[bit / 8] |= 1 << (bit % 8);
        true
    }

    /// Takes a number out; false when it was not there.
    pub fn remove(&mut self, bit: usize) -> bool {
        let was = self.contains(bit);
        if was {
            self.bytes[bit / 8] &= !(1 << (bit % 8));
        }
        was
    }

    pub fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.bytes.len() * 8).filter(|bit| self.contains(*bit))
    }

    fn significant(&self) -> &[u8] {
        let end = self.bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        &self.bytes[..end]
    }
}

impl PartialEq for Bitmap {
    fn eq(&self, other: &Self) -> bool {
        self.significant() == other.significant()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::Bitmap;

    #[test]
    fn the_bytes_are_those_of_a_big_int() {
        let mut taken = Bitmap::default();
        for bit in [0, 9, 22] {
            assert!(taken.insert(bit));
        }
        assert_eq!(taken.to_big_endian(), [0x40, 0x02, 0x01]);
        assert!(taken.remove(22) && !taken.remove(22));
        assert_eq!(taken.to_big_endian(), [0x02, 0x01]);
        assert_eq!(Bitmap::from_big_endian(&[0, 2, 1]), taken);
    }

    proptest! {
        #[test]
        fn it_is_a_set(changes in proptest::collection::vec((any::<bool>(), 0..300usize), 0..60)) {
            let (mut bits, mut model) = (Bitmap::default(), BTreeSet::new());
            for (add, bit) in changes {
                if add {
                    prop_assert_eq!(bits.insert(bit), model.insert(bit));
                } else {
                    prop_assert_eq!(bits.remove(bit), model.remove(&bit));
                }
            }
            prop_assert_eq!(bits.iter().collect::<BTreeSet<_>>(), model);
            prop_assert_eq!(Bitmap::from_big_endian(&bits.to_big_endian()), bits);
        }
    }
}
