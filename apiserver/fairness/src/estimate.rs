//! How much work a request is: its seats, and for how long.
//!
//! Source: apiserver `pkg/util/flowcontrol/request/list_work_estimator.go`, `mutating_work_estimator.go`.

use std::time::Duration;

const MAX_LIST_SEATS: usize = 100;
const MAX_MUTATING_SEATS: usize = 10;
const BYTES_PER_SEAT: usize = 100_000;
/// A list from the cache is made piece by piece: more than this is never in memory at once.
const MAX_STREAMED: usize = 1_000_000;
/// Watches that make a change as much work as one seat more.
const WATCHES_PER_SEAT: usize = 10;
/// How long a seat works on telling its watches of a change.
const EVENT_DURATION: Duration = Duration::from_millis(5);

/// The work of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Estimate {
    /// While it is served.
    pub initial_seats: usize,
    /// Afterwards, for `additional`.
    pub final_seats: usize,
    pub additional: Duration,
}

impl Estimate {
    pub const ONE: Estimate = Estimate { initial_seats: 1, final_seats: 0, additional: Duration::ZERO };

    pub fn max_seats(&self) -> usize {
        self.initial_seats.max(self.final_seats)
    }
}

/// What is known of a list before it is made.
#[derive(Clone, Copy, Debug, Default)]
pub struct ListShape {
    pub objects: usize,
    /// Bytes of one.
    pub average_size: usize,
    /// 0 for none.
    pub limit: usize,
    /// Whether one name is asked for.
    pub is_single: bool,
    /// Whether the store must be read.
    pub from_store: bool,
    pub has_selector: bool,
}

/// The work of a list in a level where one request may have at most `max_seats`; 0 for no limit of the level's own.
pub fn list_seats(list: ListShape, max_seats: usize) -> Estimate {
    let limited = if list.limit > 0 { list.limit.min(list.objects) } else { list.objects };
    let in_memory = match list {
        ListShape { is_single: true, .. } => 1,
        ListShape { from_store: true, has_selector: true, .. } => limited.max(list.objects / 2),
        _ => limited,
    };
    let mut bytes = in_memory.saturating_mul(list.average_size);
    if !list.from_store {
        bytes = bytes.min(MAX_STREAMED);
    }
    let most = if max_seats == 0 { MAX_LIST_SEATS } else { max_seats.min(MAX_LIST_SEATS) };
    Estimate { initial_seats: bytes.div_ceil(BYTES_PER_SEAT).clamp(1, most.max(1)), ..Estimate::ONE }
}

/// The work of a change that this many watches hear of.
pub fn mutating_seats(watches: usize, max_seats: usize) -> Estimate {
    if watches < WATCHES_PER_SEAT {
        return Estimate::ONE;
    }
    let most = if max_seats == 0 { MAX_MUTATING_SEATS } else { max_seats.min(MAX_MUTATING_SEATS) };
    let wanted = watches.div_ceil(WATCHES_PER_SEAT);
    // The same work on fewer seats takes longer.
    let final_seats = wanted.min(most.max(1));
    let additional = EVENT_DURATION.mul_f64(wanted as f64 / final_seats as f64);
    Estimate { initial_seats: 1, final_seats, additional }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_take_seats_by_their_size() {
        let list = ListShape { objects: 1000, average_size: 1000, ..ListShape::default() };
        let seats = |list: ListShape, most: usize| list_seats(list, most).initial_seats;
        assert_eq!(seats(list, 0), 10);
        assert_eq!(seats(list, 4), 4);
        assert_eq!(seats(ListShape { limit: 100, ..list }, 0), 1);
        assert_eq!(seats(ListShape { limit: 101, ..list }, 0), 2);
        assert_eq!(seats(ListShape { is_single: true, ..list }, 0), 1);
        assert_eq!(seats(ListShape { objects: 0, ..list }, 0), 1);
        assert_eq!(seats(ListShape { objects: 100_000, ..list }, 0), 10);
        assert_eq!(seats(ListShape { objects: 100_000, from_store: true, ..list }, 0), 100);
        assert_eq!(seats(ListShape { limit: 10, from_store: true, has_selector: true, ..list }, 0), 5);
    }

    #[test]
    fn changes_take_seats_by_who_hears_of_them() {
        assert_eq!(mutating_seats(9, 0), Estimate::ONE);
        let few = mutating_seats(25, 0);
        assert_eq!((few.initial_seats, few.final_seats, few.additional), (1, 3, EVENT_DURATION));
        let many = mutating_seats(1000, 0);
        assert_eq!((many.final_seats, many.additional), (10, EVENT_DURATION * 10));
        assert_eq!(mutating_seats(1000, 5).final_seats, 5);
    }
}
