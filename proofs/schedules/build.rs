//! Says where the library's files are. With `SPOILT=name` they are copies of which one has
//! a fault made on purpose: a proof that cannot fail is none. Each fault is a replacement that
//! has to find its place exactly once.

use std::path::{Path, PathBuf};
use std::{env, fs};

struct Fault {
    name: &'static str,
    file: &'static str,
    right: &'static str,
    wrong: &'static str,
}

const FAULTS: &[Fault] = &[
    // A plain load may be satisfied before the caller's own earlier stores are visible.
    Fault {
        name: "load-first",
        file: "wake_flag.rs",
        right: "!self.pending.swap(true, Ordering::AcqRel)",
        wrong:
            "!self.pending.load(Ordering::Acquire) && !self.pending.swap(true, Ordering::AcqRel)",
    },
    // A wake that comes while the events are being taken is never sent.
    Fault {
        name: "clear-first",
        file: "poll.rs",
        right: "self.registry.selector().select(buffer, timeout)?;",
        wrong: "self.registry.wake_flag().clear();\n\
                if true { return self.registry.selector().select(buffer, timeout); }",
    },
    // Nobody sees what the thread wrote that woke.
    Fault {
        name: "relaxed",
        file: "wake_flag.rs",
        right: "self.pending.swap(false, Ordering::AcqRel);",
        wrong: "self.pending.store(false, Ordering::Relaxed);",
    },
    // The silencing swallows the ring of somebody else's wake.
    Fault {
        name: "silence-last",
        file: "sys/edge_waker.rs",
        right: "match self.bell.ring() {",
        wrong: "self.bell.ring()?; self.bell.silence()?;\n\
                match Ok::<(), std::io::Error>(()) {",
    },
    // The call that is running is not told of a wake.
    Fault {
        name: "wake-without-ring",
        file: "sys/poll.rs",
        right: "record.pending = true;\n        }\n        self.shared.interrupt(books)",
        wrong: "record.pending = true;\n        }\n        Ok(())",
    },
    // It is told before there is anything to see.
    Fault {
        name: "ring-before-record",
        file: "sys/poll.rs",
        right: "record.pending = true;\n        }\n        self.shared.interrupt(books)",
        wrong: "drop(books);\n\
                self.shared.interrupt(lock(&self.shared.books))?;\n\
                let mut books = lock(&self.shared.books);\n\
                books.wakers.iter_mut().find(own).unwrap().pending = true;\n\
                return Ok(());\n\
                }\n\
                Ok(())",
    },
    // That an earlier call was rung for is taken for the one that is running.
    Fault {
        name: "rung-for-ever",
        file: "sys/poll.rs",
        right: "self.rung.load(Ordering::Acquire) == call",
        wrong: "self.rung.load(Ordering::Acquire) != 0",
    },
    // The call that was rung for has come back, and the next one is taken for it.
    Fault {
        name: "rung-for-the-next",
        file: "sys/poll.rs",
        right: "self.rung.store(call, Ordering::Release);",
        wrong: "self.rung.store(lock(&self.books).calls as usize, Ordering::Release);",
    },
    // Acknowledging the selector's own notice takes the user's wake with it.
    Fault {
        name: "drain-without-record",
        file: "sys/poll.rs",
        right: "true => self.bell.silence(),",
        wrong: "true => {\n\
                for waker in &mut lock(&self.books).wakers { waker.pending = false; }\n\
                self.bell.silence()\n\
                }",
    },
    // The call that is running does not learn of a new source.
    Fault {
        name: "add-without-ring",
        file: "sys/poll.rs",
        right: "self.interrupt(books).map_err(|error| {",
        wrong: "Ok(drop(books)).map_err(|error: io::Error| {",
    },
    // Nor of a direction that is armed again.
    Fault {
        name: "rearm-without-ring",
        file: "sys/poll.rs",
        right: "let _ = self.interrupt(books);",
        wrong: "",
    },
    // A report of data takes the end along that comes behind it.
    Fault {
        name: "disarm-by-direction",
        file: "sys/edge.rs",
        right: "self.armed &= !(news | met);",
        wrong: "let end = Conditions::END.when(news.contains(Conditions::DATA));\n\
                self.armed &= !(news | met | end);",
    },
    // Whatever fails has a hang-up told again, which no operation takes away.
    Fault {
        name: "hang-up-unmuted-by-error",
        file: "sys/edge.rs",
        right: "self.arm(Conditions::ERROR | Conditions::data_of(directions));",
        wrong: "self.arm(Conditions::HANG_UP | Conditions::ERROR);\n\
                self.arm(Conditions::data_of(directions));",
    },
    // An error that nobody was told of has data told again.
    Fault {
        name: "data-armed-by-any-failure",
        file: "sys/edge.rs",
        right: "if system.failure_takes_error && was_reported {",
        wrong: "if system.failure_takes_error && (was_reported || true) {",
    },
    // What may have passed, and has not, is told again.
    Fault {
        name: "doubt-is-told",
        file: "sys/edge.rs",
        right: "news &= !self.doubted;",
        wrong: "",
    },
    // A read short of an end that was told has it told once more, as data.
    Fault {
        name: "met-is-told",
        file: "sys/edge.rs",
        right: "news &= !met;",
        wrong: "",
    },
    // A thread that computes keeps all others from taking packets.
    Fault {
        name: "one-thread-only",
        file: "sys/windows/port.rs",
        right: "const CONCURRENCY: u32 = u32::MAX;",
        wrong: "const CONCURRENCY: u32 = 1;",
    },
    // As many as there are processors keep all others from it.
    Fault {
        name: "a-thread-a-processor",
        file: "sys/windows/port.rs",
        right: "const CONCURRENCY: u32 = u32::MAX;",
        wrong: "const CONCURRENCY: u32 = 0;",
    },
    // What changes while a thread waits has to wait for the next call.
    Fault {
        name: "change-put-off",
        file: "sys/afd_socket.rs",
        right: "if changes.waiting {",
        wrong: "if false {",
    },
    // A thread begins to wait between the question whether one does and the entry in the list.
    Fault {
        name: "change-listed-late",
        file: "sys/afd_socket.rs",
        right: "Socket::list(this, state, &mut changes);\n        Ok(())",
        wrong: "let _ = &mut changes;\n\
                drop(changes);\n\
                Socket::list(this, state, &mut lock(&shared.changes));\n        Ok(())",
    },
    // What is in the list, because its request was refused, is not asked for at once.
    Fault {
        name: "change-left-in-list",
        file: "sys/afd_socket.rs",
        right: "if changes.waiting {",
        wrong: "if changes.waiting && !state.listed {",
    },
    // The same as `change-listed-late`, from the other side.
    Fault {
        name: "waiting-said-late",
        file: "sys/iocp.rs",
        right: "changes.waiting = true;\n            let spare = mem::take(&mut changes.spare);\n            \
                mem::replace(&mut changes.sockets, spare)\n        };",
        wrong: "let spare = mem::take(&mut changes.spare);\n            \
                mem::replace(&mut changes.sockets, spare)\n        };\n\
                lock(&self.changes).waiting = true;",
    },
    // The directions that an answer has not used up are not watched any more.
    Fault {
        name: "answer-without-successor",
        file: "sys/afd_socket.rs",
        right: "if state.wanted().is_some() {",
        wrong: "if false {",
    },
    // Nor is a direction beside those that the running request asks for.
    Fault {
        name: "request-not-replaced",
        file: "sys/afd_socket.rs",
        right: "(Running::Asked(asked), Some(wanted)) if wanted & !asked == 0 => Ok(()),",
        wrong: "(Running::Asked(_), Some(_)) => Ok(()),",
    },
    // The call that is to look only comes back with nothing but the packet of the replaced.
    Fault {
        name: "successor-not-awaited",
        file: "sys/iocp.rs",
        right: "was_full || self.shared.has_changes();",
        wrong: "was_full;",
    },
    // A wake behind packets that tell nothing has to wait for the next call.
    Fault {
        name: "room-lost-to-nothing",
        file: "sys/iocp.rs",
        right: "let was_full = events.len() == events.capacity();",
        wrong: "let was_full = false;",
    },
    // The memory of a cancelled request is used before its packet was taken.
    Fault {
        name: "cancelled-is-over",
        file: "sys/afd_socket.rs",
        right: "state.request = Running::Cancelled;",
        wrong: "state.request = Running::Idle;",
    },
    // A request that was refused is never made again.
    Fault {
        name: "refusal-forgotten",
        file: "sys/iocp.rs",
        right: "outcome = Err(error);\n                true",
        wrong: "outcome = Err(error);\n                false",
    },
    // One source for which there can be no request fails every poll.
    Fault {
        name: "refusal-for-all",
        file: "sys/afd_socket.rs",
        right: "_ => shared.port.post(Key::Socket, reference.cast()),",
        wrong: "_ => Err(error),",
    },
    // Each operation makes a request of its own.
    Fault {
        name: "request-at-once",
        file: "sys/afd_socket.rs",
        right: "if changes.waiting {",
        wrong: "if true {",
    },
    // A packet that was in the port tells of a source that is gone.
    Fault {
        name: "gone-is-told",
        file: "sys/afd_socket.rs",
        right: "if state.gone {\n            return None;\n        }",
        wrong: "",
    },
    // The request of a source that is gone runs on.
    Fault {
        name: "gone-runs-on",
        file: "sys/afd_socket.rs",
        right: "(Running::Asked(_), None) if !state.gone => Ok(()),",
        wrong: "(Running::Asked(_), None) => Ok(()),",
    },
    // A record outlives its packet.
    Fault {
        name: "reference-kept",
        file: "sys/iocp.rs",
        right: "Socket::answered(socket, self)",
        wrong: "mem::forget(Arc::clone(&socket));\n\
                Socket::answered(socket, self)",
    },
    // Whoever lets go of the port last leaves packets in it.
    Fault {
        name: "packets-left",
        file: "sys/iocp.rs",
        right: "while self.outstanding.load(Ordering::Relaxed) > 0 {",
        wrong: "while false {",
    },
    // As `load-first`, for the bell that has no flag above it.
    Fault {
        name: "bell-load-first",
        file: "sys/iocp.rs",
        right: "if self.bell.ringing.swap(true, Ordering::AcqRel) {",
        wrong: "if self.bell.ringing.load(Ordering::Acquire)\n\
                || self.bell.ringing.swap(true, Ordering::AcqRel) {",
    },
    // As `relaxed`.
    Fault {
        name: "bell-relaxed",
        file: "sys/iocp.rs",
        right: "self.ringing.swap(false, Ordering::AcqRel);",
        wrong: "self.ringing.store(false, Ordering::Relaxed);",
    },
    // The bell is cleared when it is rung, not when it is heard: packets pile up.
    Fault {
        name: "bell-never-ringing",
        file: "sys/iocp.rs",
        right: "let reference = Arc::into_raw(Arc::clone(&self.bell));",
        wrong: "self.bell.ringing.store(false, Ordering::Release);\n\
                let reference = Arc::into_raw(Arc::clone(&self.bell));",
    },
    // The packet of a waker that is gone is heard.
    Fault {
        name: "muffled-is-heard",
        file: "sys/iocp.rs",
        right: "(!muffled).then_some",
        wrong: "(muffled || !muffled).then_some",
    },
];

fn main() {
    println!("cargo:rerun-if-env-changed=SPOILT");
    println!("cargo:rerun-if-changed=../../src");
    let spoilt = env::var("SPOILT").unwrap_or_default();
    assert!(
        spoilt.is_empty() || FAULTS.iter().any(|fault| fault.name == spoilt),
        "no fault is called {spoilt}"
    );
    let library = fs::canonicalize("../../src").unwrap();
    // All are looked for each time, so that none goes stale.
    for fault in FAULTS {
        let text = fs::read_to_string(library.join(fault.file)).unwrap();
        let places = text.matches(fault.right).count();
        assert_eq!(places, 1, "the place of {}", fault.name);
    }
    let files = match FAULTS.iter().find(|fault| fault.name == spoilt) {
        None => library,
        Some(fault) => spoil(&library, fault),
    };
    // The modules, by their full path: `#[path]` takes a literal.
    let module = |file: &str| format!("{:?}", files.join(file).to_str().unwrap());
    let crate_level = [
        ("event", "event/mod.rs"),
        ("interest", "interest.rs"),
        ("poll", "poll.rs"),
        ("readiness", "readiness.rs"),
        ("registry", "registry.rs"),
        ("token", "token.rs"),
        ("wake_flag", "wake_flag.rs"),
        ("waker", "waker.rs"),
    ];
    let sys_level = [
        ("event", "sys/event.rs"),
        ("fmt_flags", "sys/fmt_flags.rs"),
        ("error", "sys/error.rs"),
        ("backend", "sys/backend.rs"),
        ("timeout", "sys/timeout.rs"),
    ];
    write_modules("modules.rs", &crate_level, module);
    write_modules("sys_modules.rs", &sys_level, module);
    write_edge(&files.join("sys"));
    // Of selectors on descriptors, and of Windows'.
    let unix = [
        ("edge_waker", "sys/edge_waker.rs"),
        ("stateless", "sys/stateless.rs"),
    ];
    let windows = [
        ("afd", "sys/windows/afd.rs"),
        ("base_socket", "sys/windows/base_socket.rs"),
        ("port", "sys/windows/port.rs"),
    ];
    write_modules("unix.rs", &unix, module);
    write_modules("windows.rs", &windows, module);
    write_modules("poll2.rs", &[("poll2", "sys/poll.rs")], module);
    write_modules("iocp.rs", &[("iocp", "sys/iocp.rs")], module);
}

/// A copy of the library's files with one fault.
fn spoil(library: &Path, fault: &Fault) -> PathBuf {
    let copied = PathBuf::from(env::var_os("OUT_DIR").unwrap()).join("src");
    let _ = fs::remove_dir_all(&copied);
    copy(library, &copied);
    let path = copied.join(fault.file);
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace(fault.right, fault.wrong)).unwrap();
    copied
}

/// A file that declares the emulator of edges, with its own tests: they stand in a
/// directory of their own, which is found from inside a module only.
fn write_edge(sys: &Path) {
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap()).join("edge.rs");
    let sys = sys.to_str().unwrap();
    let text = format!(
        "#[path = {sys:?}]\nmod with_tests {{\n    use super::backend;\n    pub(crate) mod edge;\n}}\n\
         pub(crate) use with_tests::edge;\n"
    );
    fs::write(out, text).unwrap();
}

/// A file that declares `modules`.
fn write_modules(name: &str, modules: &[(&str, &str)], path: impl Fn(&str) -> String) {
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap()).join(name);
    let text: String = modules
        .iter()
        .map(|(module, file)| format!("#[path = {}]\npub(crate) mod {module};\n", path(file)))
        .collect();
    fs::write(out, text).unwrap();
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), &to).unwrap();
        }
    }
}
