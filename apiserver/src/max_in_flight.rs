//! How many requests may be under way at once where there is no priority and fairness: reading and changing ones are
//! counted apart, long-running ones not at all.
//!
//! Source: apiserver `pkg/server/filters/maxinflight.go`.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::authn::{MASTERS, User};
use crate::fairness::is_mutating;
use crate::request::RequestInfo;

/// The counters of one server. A limit of 0 is none.
pub struct MaxInFlight {
    reading: Option<Arc<Semaphore>>,
    changing: Option<Arc<Semaphore>>,
}

/// A request's place for as long as it is under way; empty for those that are not limited.
pub struct Place {
    /// Given back when it is dropped.
    _permit: Option<OwnedSemaphorePermit>,
}

impl Place {
    /// Whether one of the limited places is taken.
    #[cfg(test)]
    fn is_limited(&self) -> bool {
        self._permit.is_some()
    }
}

/// There is no place.
#[derive(Debug)]
pub struct Full;

impl MaxInFlight {
    pub fn new(reading: usize, changing: usize) -> Self {
        let semaphore = |limit: usize| (limit > 0).then(|| Arc::new(Semaphore::new(limit.min(Semaphore::MAX_PERMITS))));
        MaxInFlight { reading: semaphore(reading), changing: semaphore(changing) }
    }

    /// A place for the request for as long as it is kept. Administrators are never turned away.
    pub fn enter(&self, info: &RequestInfo, user: &User) -> Result<Place, Full> {
        if info.is_long_running() {
            return Ok(Place { _permit: None });
        }
        let semaphore = if is_mutating(info) { &self.changing } else { &self.reading };
        let Some(semaphore) = semaphore else { return Ok(Place { _permit: None }) };
        match Arc::clone(semaphore).try_acquire_owned() {
            Ok(permit) => Ok(Place { _permit: Some(permit) }),
            Err(_) if user.is_in(MASTERS) => Ok(Place { _permit: None }),
            Err(_) => Err(Full),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(verb: &'static str) -> RequestInfo {
        RequestInfo { is_resource: true, verb, ..RequestInfo::default() }
    }

    #[test]
    fn places_are_given_and_taken_back() {
        let limit = MaxInFlight::new(1, 0);
        let user = User::default();
        let place = limit.enter(&info("list"), &user).unwrap();
        assert!(place.is_limited());
        assert!(limit.enter(&info("get"), &user).is_err());
        assert!(!limit.enter(&info("watch"), &user).unwrap().is_limited());
        assert!(!limit.enter(&info("create"), &user).unwrap().is_limited());
        let administrator = User { groups: vec![MASTERS.to_owned()], ..User::default() };
        assert!(limit.enter(&info("get"), &administrator).is_ok());
        drop(place);
        assert!(limit.enter(&info("get"), &user).is_ok());
    }
}
