//! Replaces the C function `syscall` by one that supports only what the standard library needs, as
//! libraries do that are loaded before the C library and replace its functions. The linker finds
//! this one first.

/// Locks, random numbers, and the metadata of files, for which the C library has no function or
/// may have none.
const KNOWN: &[libc::c_long] = &[libc::SYS_futex, libc::SYS_getrandom, libc::SYS_statx];

#[no_mangle]
extern "C" fn syscall(
    number: libc::c_long,
    a: usize,
    b: usize,
    c: usize,
    d: usize,
    e: usize,
    f: usize,
) -> libc::c_long {
    if KNOWN.contains(&number) {
        return kernel(number, [a, b, c, d, e, f]);
    }
    fail(libc::ENOSYS)
}

fn kernel(number: libc::c_long, a: [usize; 6]) -> libc::c_long {
    let result: libc::c_long;
    // SAFETY: the arguments are those of the caller, who called the C function `syscall`.
    unsafe {
        std::arch::asm!(
            "syscall",
            inlateout("rax") number => result,
            in("rdi") a[0], in("rsi") a[1], in("rdx") a[2],
            in("r10") a[3], in("r8") a[4], in("r9") a[5],
            lateout("rcx") _, lateout("r11") _,
        );
    }
    match result {
        -4095..=-1 => fail(-result as i32),
        _ => result,
    }
}

fn fail(error: i32) -> libc::c_long {
    // SAFETY: the pointer is that of the thread's own variable.
    unsafe { *libc::__errno_location() = error };
    -1
}

/// Checks that the program has this function, and not the C library's.
pub(crate) fn assert_in_force() {
    // SAFETY: takes no pointer.
    let result = unsafe { libc::syscall(libc::SYS_getpid) };
    let error = std::io::Error::last_os_error();
    assert_eq!((result, error.raw_os_error()), (-1, Some(libc::ENOSYS)));
}
