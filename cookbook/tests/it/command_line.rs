use crate::util::{program, run, text};

const PROGRAMS: &[(&str, &str)] = &[
    ("children", program!("children")),
    ("connect", program!("connect")),
    ("datagrams", program!("datagrams")),
    ("descriptors", program!("descriptors")),
    ("options", program!("options")),
    ("per_core", program!("per_core")),
    ("signals", program!("signals")),
    ("terminal", program!("terminal")),
    ("timers", program!("timers")),
    ("tls", program!("tls")),
    ("undrained", program!("undrained")),
    ("upgrade", program!("upgrade")),
    ("workers", program!("workers")),
];

#[test]
fn a_wrong_argument_prints_the_usage() {
    for (name, path) in PROGRAMS {
        let output = run(path, &["--no-such-option"]);
        assert_eq!(output.status.code(), Some(2), "{name}");
        let error = text(&output.stderr);
        assert!(error.starts_with(&format!("{name}: ")), "{error}");
        assert!(error.contains(&format!("\nusage: {name} ")), "{error}");
        assert_eq!(text(&output.stdout), "", "{name}");
    }
}

#[test]
fn help_prints_the_usage() {
    for (name, path) in PROGRAMS {
        let output = run(path, &["--help"]);
        assert!(output.status.success(), "{name}");
        let usage = text(&output.stdout);
        assert!(usage.starts_with(&format!("usage: {name} ")), "{usage}");
        assert_eq!(text(&output.stderr), "", "{name}");
    }
}
