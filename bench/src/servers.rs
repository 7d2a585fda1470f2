//! Server processes.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::cpu;

/// A running server, which is killed on drop.
pub struct Server {
    child: Child,
    pub address: SocketAddr,
    /// Where a configuration was made.
    directory: Option<PathBuf>,
}

impl Server {
    /// Starts a server that prints the URL it listens on in its first line.
    pub fn start(program: &Path, arguments: &[&str]) -> Result<Server, String> {
        let mut child = Command::new(program)
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{}: {error}", program.display()))?;
        let stdout = child.stdout.take().expect("it is piped");
        let mut server = Server {
            child,
            address: ([127, 0, 0, 1], 0).into(),
            directory: None,
        };
        let mut line = String::new();
        let _ = BufReader::new(stdout).read_line(&mut line);
        let after_scheme = line.split("http://").nth(1);
        server.address = after_scheme
            .and_then(|it| it.split('/').next()?.parse().ok())
            .ok_or_else(|| format!("{} did not print its address", program.display()))?;
        Ok(server)
    }

    /// Starts nginx with one process, no logs, and the response in its configuration.
    pub fn start_nginx() -> Result<Server, String> {
        let free = TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr());
        let address = free.map_err(|error| error.to_string())?;
        let directory = std::env::temp_dir().join(format!("bench-{}-nginx", std::process::id()));
        fs::create_dir_all(&directory).map_err(|error| error.to_string())?;
        let configuration = directory.join("nginx.conf");
        fs::write(&configuration, nginx_configuration(address))
            .map_err(|error| error.to_string())?;
        let child = Command::new("nginx")
            .arg("-p")
            .arg(&directory)
            .arg("-c")
            .arg(&configuration)
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("nginx: {error}"))?;
        let server = Server {
            child,
            address,
            directory: Some(directory),
        };
        let deadline = Instant::now() + Duration::from_secs(5);
        while TcpStream::connect(address).is_err() {
            if Instant::now() > deadline {
                return Err("nginx does not start".to_owned());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(server)
    }

    /// The CPU time that the threads of the server have used.
    pub fn cpu_time(&self) -> Result<Duration, String> {
        cpu::of_process(self.child.id())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(directory) = &self.directory {
            let _ = fs::remove_dir_all(directory);
        }
    }
}

fn nginx_configuration(address: SocketAddr) -> String {
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .iter()
        .map(|kind| format!("{kind}_temp_path {kind}; "))
        .collect();
    format!(
        "daemon off; master_process off; worker_processes 1; pid pid; error_log /dev/null;\n\
         events {{ worker_connections 1024; }}\n\
         http {{ access_log off; keepalive_requests 1000000000; {temporary}\n\
         server {{ listen {address}; location / {{\n\
         default_type text/plain; return 200 'Hello, world!\\n'; }} }} }}\n"
    )
}
