//! Shuffle sharding: each flow has a hand of queues, so that few flows share all of theirs.
//!
//! Source: apiserver `pkg/util/shufflesharding`.

/// Deals hands from a deck of queues.
#[derive(Clone, Copy, Debug)]
pub struct Dealer {
    deck: usize,
    hand: usize,
}

/// The largest hand that fits into the bits of a hash.
const MAX_HAND: usize = 15;
/// Bits of a hash that may be used up: with more, the last card would not be dealt evenly.
const MAX_BITS: f64 = 60.0;

impl Dealer {
    /// None where no such hands can be dealt.
    pub fn new(deck: usize, hand: usize) -> Option<Dealer> {
        let fits = (1..=deck).contains(&hand) && hand <= MAX_HAND && deck <= 1 << 26;
        (fits && ((deck as f64).log2() * hand as f64).ceil() <= MAX_BITS).then_some(Dealer { deck, hand })
    }

    /// The cards of a hash: different ones, each below the size of the deck.
    pub fn deal(&self, mut hash: u64, cards: &mut Vec<usize>) {
        cards.clear();
        let mut drawn = [0; MAX_HAND];
        for (index, place) in drawn.iter_mut().take(self.hand).enumerate() {
            // Which of the cards that are still there: its place among them.
            let left = (self.deck - index) as u64;
            *place = (hash % left) as usize;
            hash /= left;
        }
        for index in 0..self.hand {
            // From the place among those left back to the place in the whole deck.
            let card = drawn[..index].iter().rev().fold(drawn[index], |card, gone| card + usize::from(card >= *gone));
            cards.push(card);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn impossible_hands_are_refused() {
        assert!(Dealer::new(0, 1).is_none() && Dealer::new(4, 0).is_none() && Dealer::new(4, 5).is_none());
        assert!(Dealer::new(1 << 20, 8).is_none() && Dealer::new(1 << 27, 1).is_none());
        assert!(Dealer::new(128, 6).is_some() && Dealer::new(64, 8).is_some());
    }

    #[test]
    fn all_hands_are_dealt_alike() {
        let dealer = Dealer::new(5, 3).unwrap();
        let mut seen = std::collections::BTreeMap::new();
        let mut cards = Vec::new();
        for hash in 0..60 * 4 {
            dealer.deal(hash, &mut cards);
            *seen.entry(cards.clone()).or_insert(0) += 1;
        }
        assert_eq!(seen.len(), 60);
        assert!(seen.values().all(|times| *times == 4));
    }

    proptest::proptest! {
        #[test]
        fn hands_have_no_card_twice(deck in 1usize..200, hand in 1usize..9, hash: u64) {
            if let Some(dealer) = Dealer::new(deck, hand) {
                let mut cards = Vec::new();
                dealer.deal(hash, &mut cards);
                let unique: std::collections::BTreeSet<_> = cards.iter().collect();
                proptest::prop_assert_eq!(unique.len(), hand);
                proptest::prop_assert!(cards.iter().all(|card| *card < deck));
            }
        }
    }
}
