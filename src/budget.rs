//! The only owner of the memory limit. Whoever holds memory that grows with the image holds a [`Lease`] for it.

use crate::cancel::Cancel;
use crate::error::{Error, Result, Shortage};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How often a waiting lease looks whether the run was cancelled.
const CANCEL_POLL: Duration = Duration::from_millis(50);

/// A number of bytes, handed out in leases on named accounts. Clones are the same budget.
#[derive(Clone, Debug)]
pub struct Budget(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    limit: u64,
    state: Mutex<State>,
    freed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    used: u64,
    peak: u64,
    accounts: Vec<Account>,
    next_ticket: u64,
    serving: u64,
}

/// What one consumer holds and held at most.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The consumer.
    pub name: String,
    /// Bytes now on lease.
    pub used: u64,
    /// The most bytes that were on lease at once.
    pub peak: u64,
}

/// Bytes set aside for one holder; they return to the budget when it is dropped.
#[derive(Debug)]
pub struct Lease {
    budget: Budget,
    account: usize,
    bytes: u64,
}

impl Budget {
    /// A budget of that many bytes.
    pub fn new(limit: u64) -> Self {
        Budget(Arc::new(Inner { limit, state: Mutex::default(), freed: Condvar::new() }))
    }

    /// The whole budget, in bytes.
    pub fn limit(&self) -> u64 {
        self.0.limit
    }

    /// Bytes not on lease.
    pub fn free(&self) -> u64 {
        self.0.limit - self.lock().used
    }

    /// The most bytes that were on lease at once.
    pub fn peak(&self) -> u64 {
        self.lock().peak
    }

    /// Every account with its peak, in the order of their first lease.
    pub fn accounts(&self) -> Vec<Account> {
        self.lock().accounts.clone()
    }

    /// All of `bytes` or nothing: waits until they are free. Requests are served in the order they were made, so a
    /// large one is not starved by small ones.
    ///
    /// # Errors
    /// [`Error::Memory`] if the whole budget is smaller; [`Error::Cancelled`] if the run is stopped meanwhile.
    pub fn lease(&self, account: &str, bytes: u64, cancel: &Cancel) -> Result<Lease> {
        let mut leases = self.lease_all(&[(account.to_string(), bytes)], cancel)?;
        leases.pop().ok_or(Error::Cancelled)
    }

    /// Several accounts at once, all or nothing: what one user holds together it must get together, or two users
    /// could wait for each other.
    ///
    /// # Errors
    /// As [`Budget::lease`].
    pub fn lease_all(&self, wanted: &[(String, u64)], cancel: &Cancel) -> Result<Vec<Lease>> {
        let bytes = wanted.iter().fold(0u64, |sum, (_, b)| sum.saturating_add(*b));
        if bytes > self.0.limit {
            return Err(Error::Memory(Box::new(Shortage {
                need: bytes,
                limit: self.0.limit,
                worst: wanted.iter().max_by_key(|w| w.1).cloned().unwrap_or_default(),
                remedy: "raise the limit".into(),
            })));
        }
        let mut state = self.lock();
        let ticket = state.next_ticket;
        state.next_ticket += 1;
        while state.serving != ticket || state.used + bytes > self.0.limit {
            if cancel.is_cancelled() {
                // Whoever stands behind must not wait for a ticket that is never served.
                while state.serving != ticket {
                    state = self.wait(state);
                }
                state.serving += 1;
                self.0.freed.notify_all();
                return Err(Error::Cancelled);
            }
            state = self.wait(state);
        }
        state.serving += 1;
        let leases = wanted.iter().map(|(account, bytes)| self.grant(&mut state, account, *bytes)).collect();
        drop(state);
        self.0.freed.notify_all();
        Ok(leases)
    }

    /// All of `bytes` at once, or `None` when they are not free or somebody waits: for caches, which can do without.
    pub fn try_lease(&self, account: &str, bytes: u64) -> Option<Lease> {
        let mut state = self.lock();
        let waiting = state.serving != state.next_ticket;
        if waiting || state.used.saturating_add(bytes) > self.0.limit {
            return None;
        }
        Some(self.grant(&mut state, account, bytes))
    }

    fn grant(&self, state: &mut State, name: &str, bytes: u64) -> Lease {
        let account = match state.accounts.iter().position(|a| a.name == name) {
            Some(i) => i,
            None => {
                state.accounts.push(Account { name: name.to_string(), used: 0, peak: 0 });
                state.accounts.len() - 1
            }
        };
        let entry = &mut state.accounts[account];
        entry.used += bytes;
        entry.peak = entry.peak.max(entry.used);
        state.used += bytes;
        state.peak = state.peak.max(state.used);
        Lease { budget: self.clone(), account, bytes }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        let waited = self.0.freed.wait_timeout(state, CANCEL_POLL);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

impl Lease {
    /// The bytes it holds.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let mut state = self.budget.lock();
        state.used -= self.bytes;
        state.accounts[self.account].used -= self.bytes;
        drop(state);
        self.budget.0.freed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_gets_past_the_limit() {
        let budget = Budget::new(100);
        let cancel = Cancel::new();
        let a = budget.lease("tiles", 60, &cancel).unwrap();
        assert!(budget.try_lease("cache", 41).is_none());
        let b = budget.try_lease("cache", 40).unwrap();
        assert_eq!((budget.free(), budget.peak()), (0, 100));
        drop((a, b));
        assert_eq!(budget.free(), 100);
        let Err(Error::Memory(shortage)) = budget.lease("tiles", 101, &cancel) else { panic!("granted") };
        assert_eq!((shortage.need, shortage.limit), (101, 100));
        assert_eq!(budget.accounts()[0], Account { name: "tiles".into(), used: 0, peak: 60 });
    }

    #[test]
    fn a_hog_cannot_starve_and_caches_stand_back() {
        let budget = Budget::new(100);
        let cancel = Cancel::new();
        let first = budget.lease("tiles", 80, &cancel).unwrap();
        std::thread::scope(|s| {
            let hog = s.spawn(|| budget.lease("hog", 90, &cancel).map(|l| l.bytes()));
            while budget.lock().next_ticket < 2 {
                std::thread::yield_now();
            }
            assert!(budget.try_lease("cache", 1).is_none(), "a cache may not overtake a waiting tile");
            drop(first);
            assert_eq!(hog.join().unwrap().unwrap(), 90);
        });
    }

    #[test]
    fn a_waiting_lease_can_be_cancelled() {
        let budget = Budget::new(10);
        let cancel = Cancel::new();
        let held = budget.lease("tiles", 10, &cancel).unwrap();
        std::thread::scope(|s| {
            let waiting = s.spawn(|| budget.lease("tiles", 1, &cancel));
            cancel.cancel();
            assert!(matches!(waiting.join().unwrap(), Err(Error::Cancelled)));
        });
        drop(held);
        assert!(budget.try_lease("tiles", 10).is_some());
    }
}
