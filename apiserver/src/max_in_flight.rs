//! How many requests may be under way at once: reading and changing ones are counted apart, long-running ones
//! not at all.
//!
//! Source: apiserver `pkg/server/filters/maxinflight.go`.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::authn::{MASTERS, User};
use crate::request::RequestInfo;
use crate::status::{Result, Status};

/// The counters of one server. A limit of 0 is none.
pub struct MaxInFlight {
    reading: Option<Arc<Semaphore>>,
    changing: Option<Arc<Semaphore>>,
}

/// A request's place for as long as it is under way.
pub struct Place {
    /// Given back when it is dropped.
    _permit: Option<OwnedSemaphorePermit>,
    /// Not of long-running requests.
    pub is_counted: bool,
    pub is_mutating: bool,
}

impl Place {
    /// Whether one of the limited places is taken.
    #[cfg(test)]
    fn is_limited(&self) -> bool {
        self._permit.is_some()
    }
}

impl MaxInFlight {
    pub fn new(reading: usize, changing: usize) -> Self {
        let semaphore = |limit: usize| (limit > 0).then(|| Arc::new(Semaphore::new(limit.min(Semaphore::MAX_PERMITS))));
        MaxInFlight { reading: semaphore(reading), changing: semaphore(changing) }
    }

    /// A place for the request for as long as it is kept, or a 429. Administrators are never turned away.
    pub fn enter(&self, info: &RequestInfo, user: &User) -> Result<Place> {
        let is_mutating =
            matches!(info.verb, "create" | "update" | "patch" | "delete" | "deletecollection" | "post" | "put");
        let place = |permit| Ok(Place { _permit: permit, is_counted: true, is_mutating });
        if info.is_long_running() {
            return Ok(Place { _permit: None, is_counted: false, is_mutating });
        }
        let Some(semaphore) = (if is_mutating { &self.changing } else { &self.reading }) else { return place(None) };
        match Arc::clone(semaphore).try_acquire_owned() {
            Ok(permit) => place(Some(permit)),
            Err(_) if user.is_in(MASTERS) => place(None),
            Err(_) => Err(Status::too_many_requests("too many requests, please try again later", 1)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(verb: &'static str, subresource: &str) -> RequestInfo {
        RequestInfo { is_resource: true, verb, subresource: subresource.to_owned(), ..RequestInfo::default() }
    }

    #[test]
    fn places_are_given_and_taken_back() {
        let limit = MaxInFlight::new(1, 0);
        let user = User::default();
        let place = limit.enter(&info("list", ""), &user).unwrap();
        assert!(place.is_limited());
        let refused = limit.enter(&info("get", ""), &user).err().unwrap();
        assert_eq!(refused.code, 429);
        assert!(!limit.enter(&info("watch", ""), &user).unwrap().is_limited());
        assert!(!limit.enter(&info("create", ""), &user).unwrap().is_limited());
        let administrator = User { groups: vec![MASTERS.to_owned()], ..User::default() };
        assert!(limit.enter(&info("get", ""), &administrator).is_ok());
        drop(place);
        assert!(limit.enter(&info("get", ""), &user).is_ok());
    }
}
