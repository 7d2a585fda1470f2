//! Declares the modules of the library (`tree.rs.in`). With `SPOILT=name`, they are copies of which
//! one has a fault of `faults.rs`.

mod faults;

use std::path::{Path, PathBuf};
use std::{env, fs};

use faults::{Fault, FAULTS};

fn main() {
    println!("cargo:rerun-if-env-changed=SPOILT");
    for file in ["../../src", "build.rs", "faults.rs", "tree.rs.in"] {
        println!("cargo:rerun-if-changed={file}");
    }
    let library = fs::canonicalize("../../src").unwrap();
    check_places(&library);
    let library = match env::var("SPOILT") {
        Ok(name) if !name.is_empty() => {
            let fault = FAULTS.iter().find(|fault| fault.name == name);
            spoil(
                &library,
                fault.unwrap_or_else(|| panic!("no fault is called {name}")),
            )
        }
        _ => library,
    };
    let tree = fs::read_to_string("tree.rs.in").unwrap();
    let tree = tree
        .replace("@library@", library.to_str().unwrap())
        .replace(
            "@models@",
            fs::canonicalize("src").unwrap().to_str().unwrap(),
        );
    fs::write(out().join("tree.rs"), tree).unwrap();
}

fn out() -> PathBuf {
    env::var_os("OUT_DIR").unwrap().into()
}

/// Finds the places of all faults each time, so that a fault whose place has changed is an error.
fn check_places(library: &Path) {
    let mut lost = Vec::new();
    for fault in FAULTS {
        let text = fs::read_to_string(library.join(fault.file)).unwrap_or_default();
        let places = text.matches(fault.right).count();
        if places != 1 {
            lost.push(format!("{}: {places} places in {}", fault.name, fault.file));
        }
    }
    assert!(
        lost.is_empty(),
        "faults without their place:\n{}",
        lost.join("\n")
    );
}

/// Returns a copy of the library's files with a fault.
fn spoil(library: &Path, fault: &Fault) -> PathBuf {
    let copied = out().join("src");
    let _ = fs::remove_dir_all(&copied);
    copy(library, &copied);
    let path = copied.join(fault.file);
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace(fault.right, fault.wrong)).unwrap();
    copied
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
