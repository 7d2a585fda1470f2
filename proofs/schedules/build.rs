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
        right: "record.pending = true;\n        }\n        self.shared.interrupt(&mut books)",
        wrong: "record.pending = true;\n        }\n        Ok(())",
    },
    // Acknowledging the selector's own notice takes the user's wake with it.
    Fault {
        name: "drain-without-record",
        file: "sys/poll.rs",
        right: "self.bell.silence()?;",
        wrong: "self.bell.silence()?; for waker in &mut books.wakers { waker.pending = false; }",
    },
    // The call that is running does not learn of a new source.
    Fault {
        name: "add-without-ring",
        file: "sys/poll.rs",
        right: "self.interrupt(&mut books)?;\n        let record = Record {",
        wrong: "let record = Record {",
    },
    // Nor of a direction that is armed again.
    Fault {
        name: "rearm-without-ring",
        file: "sys/poll.rs",
        right: "let _ = self.interrupt(&mut books);",
        wrong: "",
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
        ("edge_waker", "sys/edge_waker.rs"),
        ("event", "sys/event.rs"),
        ("fmt_flags", "sys/fmt_flags.rs"),
        ("misuse", "sys/misuse.rs"),
        ("seam", "sys/seam.rs"),
        ("stateless", "sys/stateless.rs"),
        ("timeout", "sys/timeout.rs"),
    ];
    write_modules("modules.rs", &crate_level, module);
    write_modules("sys_modules.rs", &sys_level, module);
    write_modules("poll2.rs", &[("poll2", "sys/poll.rs")], module);
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
