use rustix::process::{kill_process, Pid, Signal};

use crate::util::{program, Running};

struct Process(Running);

impl Process {
    fn start() -> Process {
        let program = Running::start::<&str>(program!("signals"), &[]);
        assert_eq!(program.line(), format!("process {}", program.id()));
        Process(program)
    }

    fn send(&self, signal: Signal) {
        let id = Pid::from_raw(self.0.id().try_into().unwrap());
        kill_process(id.unwrap(), signal).unwrap();
    }
}

#[test]
fn each_signal_has_its_effect() {
    let process = Process::start();
    process.send(Signal::HUP);
    assert_eq!(process.0.line(), "reloading");
    process.send(Signal::USR1);
    assert_eq!(process.0.line(), "reloaded 1 times");
    process.send(Signal::HUP);
    assert_eq!(process.0.line(), "reloading");
    process.send(Signal::USR1);
    assert_eq!(process.0.line(), "reloaded 2 times");
    for signal in [Signal::TERM, Signal::INT] {
        let process = Process::start();
        process.send(signal);
        let (lines, status) = process.0.wait();
        assert_eq!(
            (lines.join("\n"), status.code()),
            ("stopping".into(), Some(0))
        );
    }
}

/// More than the pipe holds. None is lost in the sense that matters: after the last one, there
/// is an event.
#[test]
fn many_signals_are_merged_but_not_lost() {
    let process = Process::start();
    for _ in 0..100_000 {
        process.send(Signal::HUP);
    }
    process.send(Signal::TERM);
    let (lines, status) = process.0.wait();
    assert!(status.success());
    assert_eq!(lines[0], "reloading");
    assert_eq!(lines.last().unwrap(), "stopping");
}
