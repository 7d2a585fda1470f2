use std::fs;
use std::io::Write;
use std::path::PathBuf;

use rustix::fs::{mknodat, FileType, Mode, CWD};
use tempfile::TempDir;

use crate::util::{program, run, text, Running};

/// A named pipe, which a child blocks on until the test has written.
fn fifo() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("fifo");
    mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    (directory, path)
}

#[test]
fn both_outputs_and_every_status_are_reported() {
    let commands = ["echo a; echo b >&2", "exit 3", "kill -9 $$", "printf end"];
    let output = run(program!("children"), &commands);
    let mut lines: Vec<&str> = text(&output.stdout).lines().collect();
    lines.sort();
    let expected = [
        "0 err: b",
        "0 exit status: 0",
        "0 out: a",
        "1 exit status: 3",
        "2 signal: 9 (SIGKILL)",
        "3 exit status: 0",
        "3 out: end",
    ];
    assert_eq!(lines, expected);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("2 of 4 commands failed"));
}

#[test]
fn long_outputs_arrive_completely_and_in_order() {
    let output = run(program!("children"), &["seq 100000", "seq 100000 >&2"]);
    assert!(output.status.success());
    let lines = text(&output.stdout).lines();
    let numbers = |prefix| {
        let lines = lines.clone();
        lines.filter_map(move |line| line.strip_prefix(prefix)?.parse::<u32>().ok())
    };
    assert!(numbers("0 out: ").eq(1..=100_000));
    assert!(numbers("1 err: ").eq(1..=100_000));
}

#[test]
fn many_children_run_at_once() {
    let (_directory, path) = fifo();
    let mut fifo = fs::File::options()
        .read(true)
        .write(true)
        .open(&path)
        .unwrap();
    let command = format!("echo ready; read line < {}", path.display());
    let program = Running::start(program!("children"), &vec![command; 40]);
    for _ in 0..40 {
        assert!(program.line().ends_with(" out: ready"));
    }
    // All are running. A line each lets them go on.
    fifo.write_all(&[b'\n'; 40]).unwrap();
    let (lines, status) = program.wait();
    assert!(status.success(), "{lines:?}");
    assert_eq!(lines.len(), 40);
}

#[test]
fn output_after_the_exit_is_reported() {
    let (_directory, path) = fifo();
    let command = format!("cat {} & exit 4", path.display());
    let program = Running::start(program!("children"), &[command]);
    assert_eq!(program.line(), "0 exit status: 4");
    fs::File::create(path).unwrap().write_all(b"late").unwrap();
    assert_eq!(program.line(), "0 out: late");
    assert_eq!(program.wait().1.code(), Some(1));
}

#[test]
fn an_exit_after_the_end_of_the_output_is_reported() {
    let (_directory, path) = fifo();
    let command = format!(
        "echo last; exec >&- 2>&-; read line < {}; exit 5",
        path.display()
    );
    let program = Running::start(program!("children"), &[command]);
    assert_eq!(program.line(), "0 out: last");
    fs::File::create(path).unwrap().write_all(b"go\n").unwrap();
    assert_eq!(program.line(), "0 exit status: 5");
    assert_eq!(program.wait().1.code(), Some(1));
}
