//! Objects that could not be decoded when they came, tried again until they can be.

use std::mem;
use std::sync::{Arc, Weak};
use std::time::Duration;

use apiserver_storage::KeyValue;

use crate::cache::Cache;
use crate::object::Written;

/// How long to wait between tries: twice as long each time, to the longest.
const SHORTEST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

impl Cache {
    /// Tries the objects again that may decode another time, in a task that ends with the last of them.
    pub(crate) fn mend(self: &Arc<Self>) {
        let is_mending = mem::replace(&mut self.state.write().mending, true);
        if !is_mending {
            tokio::spawn(mend(Arc::downgrade(self)));
        }
    }

    /// What is still to be decoded; none where the task is to end.
    fn unavailable(&self) -> Vec<KeyValue> {
        let mut state = self.state.write();
        let unavailable: Vec<_> =
            state.contents.cursor().filter(|object| object.is_unavailable()).filter_map(|o| o.undecoded()).collect();
        state.mending = !unavailable.is_empty();
        if state.stopped { Vec::new() } else { unavailable }
    }

    /// Puts in what decodes now. Watchers were not told of it, so they are to begin anew.
    fn replace(&self, written: Vec<Written>) {
        let feed = self.feed.revision();
        let mut state = self.state.write();
        let mut mended = 0;
        for written in written {
            let Some(known) = state.contents.get(&written.key).cloned() else { continue };
            if known.revision() == written.revision && known.is_unavailable() {
                let object = written.into_object(Some(&known), self.prefix(), &self.maker.forms);
                Arc::make_mut(&mut state.contents).insert(Arc::new(object));
                mended += 1;
            }
        }
        if mended == 0 {
            return;
        }
        tracing::info!(prefix = %self.prefix(), mended, "objects that could not be read can be");
        let revision = state.revision(feed);
        state.log.forget();
        state.log.set_floor(revision);
        state.lists += 1;
        state.rewound = state.lists;
        state.topics.wake_all();
    }
}

async fn mend(cache: Weak<Cache>) {
    let mut pause = SHORTEST_PAUSE;
    loop {
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
        let Some(cache) = cache.upgrade() else { return };
        let unavailable = cache.unavailable();
        if unavailable.is_empty() {
            return;
        }
        cache.prepare(&unavailable).await;
        let written = unavailable.into_iter().map(|stored| Written::decode(stored, &*cache.maker.codec));
        let written: Vec<_> = written.filter(|written| !written.is_unavailable()).collect();
        cache.replace(written);
    }
}
