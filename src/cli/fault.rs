//! SIGBUS: what the system sends when a mapped file is cut off, or its disk fails, under a reader.

#[cfg(unix)]
pub(crate) use unix::{faulted, survive_truncated_mappings};

/// Elsewhere a mapped file cannot be cut off.
#[cfg(not(unix))]
pub(crate) fn survive_truncated_mappings() {}

#[cfg(not(unix))]
pub(super) fn faulted() -> bool {
    false
}

#[cfg(unix)]
mod unix {
    use libc::{c_int, c_void, siginfo_t};
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    static FAULTED: AtomicBool = AtomicBool::new(false);
    static PAGE: AtomicUsize = AtomicUsize::new(4096);

    /// Whether a mapped page could not be read since the process started.
    pub(crate) fn faulted() -> bool {
        FAULTED.load(Ordering::Relaxed)
    }

    /// From here on a mapped page that cannot be read is zeros and [`faulted`] says so, instead of the process dying.
    pub(crate) fn survive_truncated_mappings() {
        // SAFETY: sysconf and sigaction are given valid arguments (all zeros is a valid sigaction with an empty mask),
        // and the handler only does what is allowed in one.
        unsafe {
            if let Ok(page @ 1..) = usize::try_from(libc::sysconf(libc::_SC_PAGESIZE)) {
                PAGE.store(page, Ordering::Relaxed);
            }
            let handler: extern "C" fn(c_int, *mut siginfo_t, *mut c_void) = replace_page;
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = handler as usize;
            action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
            libc::sigaction(libc::SIGBUS, &action, std::ptr::null_mut());
        }
    }

    extern "C" fn replace_page(_: c_int, info: *mut siginfo_t, _: *mut c_void) {
        let page = PAGE.load(Ordering::Relaxed);
        // SAFETY: the system hands over a valid `info`. The page at its address cannot be read, so no value depends
        // on it; mmap and sigaction are system calls that touch nothing of this process's heap or locks.
        unsafe {
            let address = (*info).si_addr() as usize;
            let place = (address & !(page - 1)) as *mut c_void;
            let protection = libc::PROT_READ | libc::PROT_WRITE;
            let flags = libc::MAP_PRIVATE | libc::MAP_ANON | libc::MAP_FIXED;
            let unreadable = (*info).si_code == libc::BUS_ADRERR && address != 0;
            if !unreadable || libc::mmap(place, page, protection, flags, -1, 0) == libc::MAP_FAILED {
                // Not ours to mend: the instruction faults again and ends the process as it would have.
                libc::signal(libc::SIGBUS, libc::SIG_DFL);
                return;
            }
        }
        FAULTED.store(true, Ordering::Relaxed);
    }
}
