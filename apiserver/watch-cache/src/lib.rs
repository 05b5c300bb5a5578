//! A watch cache in front of a store: one copy of each object, one shared event log.
//!
//! [`Feed`] follows the store's whole prefix with one watch. [`Cache`] holds one resource: its objects as canonical
//! JSON, their indexes and the recent events. Reads take a [`Snapshot`], watches a [`Watcher`], which is a cursor.
//! It knows no kind: the server's [`Codec`] turns stored bytes into JSON and the values selectors look at.

mod cache;
mod codec;
mod contents;
mod error;
mod event;
mod feed;
mod forms;
mod freshness;
mod log;
mod mend;
mod object;
mod packed;
mod relist;
mod scope;
mod snapshot;
mod topics;
mod tree;
mod watcher;
mod waves;

pub use cache::{Cache, CacheOptions, CacheStats};
pub use codec::{Codec, DecodeError, Decoded};
pub use error::{Error, Expired, WatchError};
pub use event::{EventKind, EventView};
pub use feed::{Feed, FeedOptions};
pub use forms::FormId;
pub use object::{Object, Undecodable};
pub use scope::Scope;
pub use snapshot::{Objects, Snapshot};
pub use watcher::{Filter, From, WatchItem, WatchOptions, Watcher};

pub use apiserver_storage::Revision;
