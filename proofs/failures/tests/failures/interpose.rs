//! The system calls of this program. The linker finds these functions before the C library's.
//! They make one call of a thread fail on demand, and pass all others to the kernel.

use std::cell::{Cell, RefCell};
use std::io;

/// One system call that was made.
pub type Call = &'static str;

thread_local! {
    static WATCHED: Cell<bool> = const { Cell::new(false) };
    /// The number of the call that must fail, and its error number.
    static FAULT: Cell<Option<(usize, i32)>> = const { Cell::new(None) };
    static MADE: RefCell<Vec<Call>> = const { RefCell::new(Vec::new()) };
    /// An action to run within the next `write` of the thread.
    static WITHIN_WRITE: Cell<Option<Box<dyn FnOnce()>>> = const { Cell::new(None) };
}

/// Makes watched call number `fault.0` fail with error number `fault.1`.
pub fn begin(fault: Option<(usize, i32)>) {
    FAULT.set(fault);
    MADE.take();
}

/// Returns the calls that were watched since `begin`.
pub fn made() -> Vec<Call> {
    MADE.with_borrow(Vec::clone)
}

/// Runs `operation` with its calls watched.
pub fn watched<T>(operation: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    WATCHED.set(true);
    let result = operation();
    WATCHED.set(false);
    result
}

/// Makes the next `write` of this thread begin with `action`.
pub fn within_write(action: impl FnOnce() + 'static) {
    WITHIN_WRITE.set(Some(Box::new(action)));
}

/// Records a call. Returns the error number if this call must fail.
fn note(call: Call) -> Option<i32> {
    if call == "write" {
        // A thread that is ending may write, too.
        if let Some(action) = WITHIN_WRITE.try_with(Cell::take).ok().flatten() {
            action();
        }
    }
    if !WATCHED.get() {
        return None;
    }
    WATCHED.set(false);
    let number = MADE.with_borrow_mut(|made| {
        made.push(call);
        made.len() - 1
    });
    WATCHED.set(true);
    FAULT
        .get()
        .filter(|fault| fault.0 == number)
        .map(|fault| fault.1)
}

fn kernel(number: i64, a: [usize; 6]) -> isize {
    let answer: isize;
    // SAFETY: the arguments are those of the caller, who called the C function of that name.
    unsafe {
        std::arch::asm!(
            "syscall",
            inlateout("rax") number as isize => answer,
            in("rdi") a[0], in("rsi") a[1], in("rdx") a[2],
            in("r10") a[3], in("r8") a[4], in("r9") a[5],
            lateout("rcx") _, lateout("r11") _,
        );
    }
    if (-4095..0).contains(&answer) {
        return fail(-answer as i32);
    }
    answer
}

fn fail(error: i32) -> isize {
    // SAFETY: the pointer is to a variable of this thread.
    unsafe { *libc::__errno_location() = error };
    -1
}

macro_rules! interpose {
    ($($name:ident($($argument:ident),*) = $number:ident;)+) => {$(
        #[no_mangle]
        extern "C" fn $name($($argument: usize),*) -> isize {
            if let Some(error) = note(stringify!($name)) {
                return fail(error);
            }
            let mut arguments = [0; 6];
            for (to, from) in arguments.iter_mut().zip([$($argument),*]) {
                *to = from;
            }
            kernel(libc::$number, arguments)
        }
    )+};
}

interpose! {
    accept4(fd, address, len, flags) = SYS_accept4;
    bind(fd, address, len) = SYS_bind;
    connect(fd, address, len) = SYS_connect;
    epoll_create1(flags) = SYS_epoll_create1;
    epoll_ctl(epoll, change, fd, event) = SYS_epoll_ctl;
    epoll_pwait2(epoll, events, room, timeout, mask) = SYS_epoll_pwait2;
    epoll_wait(epoll, events, room, timeout) = SYS_epoll_wait;
    eventfd(count, flags) = SYS_eventfd2;
    fcntl(fd, what, argument) = SYS_fcntl;
    fstat(fd, stat) = SYS_fstat;
    getpeername(fd, address, len) = SYS_getpeername;
    getsockname(fd, address, len) = SYS_getsockname;
    getsockopt(fd, level, option, value, len) = SYS_getsockopt;
    ioctl(fd, request, argument) = SYS_ioctl;
    listen(fd, backlog) = SYS_listen;
    pipe2(fds, flags) = SYS_pipe2;
    poll(list, len, timeout) = SYS_poll;
    read(fd, buf, len) = SYS_read;
    readv(fd, bufs, count) = SYS_readv;
    recv(fd, buf, len, flags) = SYS_recvfrom;
    recvfrom(fd, buf, len, flags, address, address_len) = SYS_recvfrom;
    send(fd, buf, len, flags) = SYS_sendto;
    sendto(fd, buf, len, flags, address, address_len) = SYS_sendto;
    setsockopt(fd, level, option, value, len) = SYS_setsockopt;
    shutdown(fd, how) = SYS_shutdown;
    socket(domain, kind, protocol) = SYS_socket;
    socketpair(domain, kind, protocol, fds) = SYS_socketpair;
    write(fd, buf, len) = SYS_write;
    writev(fd, bufs, count) = SYS_writev;
}

/// The errors that a call may return. `EINTR` is included if the manual lists it for such
/// descriptors.
pub fn errors(call: Call) -> &'static [i32] {
    use libc::*;
    match call {
        "accept4" => &[
            EMFILE,
            ENFILE,
            ENOBUFS,
            ENOMEM,
            ECONNABORTED,
            EINTR,
            EPERM,
            EAGAIN,
        ],
        "bind" => &[EADDRINUSE, EADDRNOTAVAIL, EACCES, ENOMEM],
        "connect" => &[
            ECONNREFUSED,
            ENETUNREACH,
            EADDRNOTAVAIL,
            EACCES,
            EAGAIN,
            ETIMEDOUT,
        ],
        "epoll_create1" | "eventfd" => &[EMFILE, ENFILE, ENOMEM],
        "epoll_ctl" => &[ENOMEM, ENOSPC],
        "epoll_wait" | "poll" => &[EINTR, ENOMEM],
        // A missing or forbidden call is remembered for good; see `tests/processes/seccomp.rs`.
        "epoll_pwait2" => &[EINTR, ENOMEM],
        "fcntl" => &[EMFILE, EBADF],
        "fstat" => &[ENOMEM],
        "getsockname" | "getpeername" => &[ENOBUFS, ENOTCONN],
        "getsockopt" | "setsockopt" => &[ENOPROTOOPT, ENOMEM],
        "ioctl" => &[EBADF],
        "listen" => &[EADDRINUSE],
        "pipe2" => &[EMFILE, ENFILE],
        "read" | "readv" | "recv" | "recvfrom" => &[EAGAIN, EINTR, ECONNRESET, ENOMEM],
        "write" | "writev" | "send" | "sendto" => &[EAGAIN, EINTR, EPIPE, ENOBUFS],
        "shutdown" => &[ENOTCONN],
        "socket" | "socketpair" => &[EMFILE, ENFILE, EAFNOSUPPORT, ENOMEM],
        other => panic!("no errors known of {other}"),
    }
}
