//! How the allocator deals with large buffers.

/// Has glibc give large buffers back when they are freed.
///
/// Left alone, it learns from the first freed 19 MiB of a password's hashing to keep such sizes in its
/// arenas, of which each thread that ever hashed may have one: measured, 20 people who register at once
/// leave 0.8 GB behind. Fixed, the bound does not move; a hash then costs its page faults, some
/// milliseconds.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub(super) fn give_back_large_buffers() {
    use std::ffi::c_int;

    /// `M_MMAP_THRESHOLD` of `malloc.h`.
    const MMAP_THRESHOLD: c_int = -3;
    const BYTES: c_int = 1 << 20;

    #[allow(unsafe_code)]
    // SAFETY: the declaration is glibc's (mallopt(3)); it takes any value and answers 0 for those that it
    // cannot use.
    unsafe extern "C" {
        safe fn mallopt(parameter: c_int, value: c_int) -> c_int;
    }

    // What is refused leaves the allocator as it was.
    let _ = mallopt(MMAP_THRESHOLD, BYTES);
}

/// Other allocators have their own ways.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(super) fn give_back_large_buffers() {}
