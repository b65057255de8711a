//! A web server of one color.

use std::fmt::Write as _;
use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::netns::Netns;
use crate::{Color, leftovers};

const PATIENCE: Duration = Duration::from_secs(10);

/// An nginx that answers every request with the color: as the line of the body and as `X-Color`.
#[derive(Debug)]
pub struct Nginx {
    process: Child,
    directory: TempDir,
}

impl Nginx {
    /// Starts it inside `netns`, and returns when it listens on all `addresses`.
    pub fn start(netns: &Netns, color: Color, addresses: &[SocketAddr]) -> Self {
        let directory = leftovers::temporary_directory(&leftovers::fresh_id());
        fs::write(directory.path().join("nginx.conf"), configuration(color, addresses))
            .expect("the temporary directory is writable");
        let log = directory.path().join("error.log");
        let process = netns
            .command("nginx")
            .arg("-p")
            .arg(directory.path())
            .args(["-e", "error.log", "-c", "nginx.conf"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(&log).expect("the temporary directory is writable"))
            .spawn()
            .expect("nginx starts");
        let nginx = Self { process, directory };
        netns.enter(|| addresses.iter().for_each(|address| nginx.await_listening(*address)));
        nginx
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Kills it: its connections are closed by the kernel.
    pub fn kill(mut self) {
        self.end();
    }

    fn await_listening(&self, address: SocketAddr) {
        let start = Instant::now();
        while let Err(error) = TcpStream::connect(address) {
            let log = fs::read_to_string(self.directory.path().join("error.log")).unwrap_or_default();
            assert!(start.elapsed() < PATIENCE, "nginx does not listen on {address}: {error}\n{log}");
            thread::sleep(Duration::from_millis(10));
        }
    }

    fn end(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        self.end();
    }
}

/// One process without a master, so that killing it leaves no worker behind.
fn configuration(color: Color, addresses: &[SocketAddr]) -> String {
    let color = color.name();
    let mut listen = String::new();
    for address in addresses {
        writeln!(listen, "    listen {address} backlog=65535;").expect("a string takes all");
    }
    format!(
        "daemon off;
master_process off;
worker_processes 1;
pid nginx.pid;
error_log error.log warn;
events {{ worker_connections 16384; }}
http {{
  access_log off;
  client_body_temp_path body;
  proxy_temp_path proxy;
  fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  keepalive_requests 1000000000;
  keepalive_timeout 1h;
  tcp_nodelay on;
  server {{
{listen}    default_type text/plain;
    location / {{
      add_header X-Color {color};
      return 200 \"{color}\\n\";
    }}
  }}
}}
"
    )
}
