//! What can only be decoded from its beginning. Readers hand their half-read streams to each other: together they decode
//! it once as long as they ask for it in order, and one that goes back starts again.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};

/// A stream of rows.
pub(super) trait Rows: Send {
    /// Which of several strips it is in, and the row it gives next.
    fn at(&self) -> (u64, u64);
}

/// The streams of all readers of a run: never more than there are readers.
pub(super) struct Streams<S> {
    state: Mutex<State<S>>,
    returned: Condvar,
}

struct State<S> {
    idle: Vec<S>,
    /// Where those in use will stand.
    busy: Vec<(u64, u64)>,
}

impl<S> Default for Streams<S> {
    fn default() -> Self {
        Streams { state: Mutex::new(State { idle: Vec::new(), busy: Vec::new() }), returned: Condvar::new() }
    }
}

/// Where the readers of a run find each other.
pub(super) struct Shared<S>(Mutex<Weak<Streams<S>>>);

impl<S> Default for Shared<S> {
    fn default() -> Self {
        Shared(Mutex::new(Weak::new()))
    }
}

impl<S> std::fmt::Debug for Shared<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

impl<S> Shared<S> {
    /// The streams for one more reader.
    pub fn get(&self) -> Arc<Streams<S>> {
        let mut shared = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let streams = shared.upgrade().unwrap_or_default();
        *shared = Arc::downgrade(&streams);
        streams
    }
}

impl<S: Rows> Streams<S> {
    fn lock(&self) -> MutexGuard<'_, State<S>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The stream that stands closest before a row of a strip, if there is one; a new one has to be made otherwise. One
    /// that will soon stand closer is waited for. It goes back when the use ends; until then it counts as standing at
    /// row `to`.
    pub fn take(self: &Arc<Self>, strip: u64, from: u64, to: u64) -> (Use<'_, S>, Option<S>) {
        let serves = |at: (u64, u64)| at.0 == strip && at.1 <= from;
        let mut state = self.lock();
        let stream = loop {
            let before = state.idle.iter().enumerate().filter(|(_, s)| serves(s.at()));
            let closest = before.max_by_key(|(_, s)| s.at()).map(|(i, s)| (i, s.at()));
            let soon = state.busy.iter().copied().filter(|&at| serves(at)).max();
            if soon > closest.map(|(_, at)| at) {
                state = self.returned.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            break match closest {
                Some((i, _)) => Some(state.idle.swap_remove(i)),
                None => {
                    // Every reader has one of these.
                    if state.idle.len() + state.busy.len() >= Arc::strong_count(self) {
                        state.idle.pop();
                    }
                    None
                }
            };
        };
        state.busy.push((strip, to));
        (Use { streams: self, at: (strip, to), stream: None }, stream)
    }
}

/// A stream in use. However that ends, others stop waiting for it.
pub(super) struct Use<'a, S: Rows> {
    streams: &'a Streams<S>,
    at: (u64, u64),
    stream: Option<S>,
}

impl<S: Rows> Use<'_, S> {
    /// Gives the stream back for whoever wants what follows.
    pub fn give_back(mut self, stream: S) {
        self.stream = Some(stream);
    }
}

impl<S: Rows> Drop for Use<'_, S> {
    fn drop(&mut self) {
        let mut state = self.streams.lock();
        if let Some(at) = state.busy.iter().position(|&at| at == self.at) {
            state.busy.swap_remove(at);
        }
        state.idle.extend(self.stream.take());
        drop(state);
        self.streams.returned.notify_all();
    }
}
