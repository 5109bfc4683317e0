//! A step of a workflow: a folder, variables, and the command run in it with nothing else.

use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::commands::kit::{Running, Said, TIDEGATE};
use crate::commands::output::fits;

pub(super) const SHA: &str = "0f1e2d3c4b5a69788796a5b4c3d2e1f001122334";

pub(super) struct Step {
    folder: TempDir,
    variables: Vec<(String, String)>,
}

impl Step {
    /// Outside of a workflow.
    pub(super) fn bare() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), variables: Vec::new() }
    }

    /// In a workflow that the event started, with a payload that tells of the repository.
    pub(super) fn on(event: &str, reference: &str) -> Self {
        let mut step = Self::bare();
        for (name, value) in [("GITHUB_EVENT_NAME", event), ("GITHUB_REF", reference), ("GITHUB_SHA", SHA)] {
            step.set(name, value);
        }
        step.set("GITHUB_REPOSITORY", "acme/shop");
        step.set("GITHUB_SERVER_URL", "https://git.test");
        // Whoever asks there although the payload tells everything gets no answer.
        step.set("GITHUB_API_URL", "http://127.0.0.1:1");
        step.payload(&json!({ "repository": {
            "name": "shop", "description": "Sells things.", "html_url": "https://git.test/acme/shop",
            "default_branch": "main", "license": { "spdx_id": "Apache-2.0" }
        } }));
        step
    }

    /// The last one of a name counts.
    pub(super) fn set(&mut self, name: &str, value: &str) {
        self.variables.push((name.to_owned(), value.to_owned()));
    }

    pub(super) fn payload(&mut self, payload: &Value) {
        self.write_payload(&payload.to_string());
    }

    pub(super) fn write_payload(&mut self, text: &str) {
        let file = self.folder.path().join("event.json");
        std::fs::write(&file, text).unwrap();
        self.set("GITHUB_EVENT_PATH", file.to_str().unwrap());
    }

    /// Docker's configuration, with a password for a registry.
    pub(super) fn log_in(&self, registry: &str) {
        let auths = json!({ "auths": { registry: { "username": "ada", "password": "hunter2" } } });
        std::fs::write(self.folder.path().join("config.json"), auths.to_string()).unwrap();
    }

    fn dress<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        let home = self.folder.path();
        command.env_clear().current_dir(home).env("HOME", home).env("DOCKER_CONFIG", home);
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default())
    }

    pub(super) fn run(&self, arguments: &[&str]) -> Said {
        let mut command = Command::new(TIDEGATE);
        self.dress(&mut command).args(["image", "tags"]).args(arguments);
        command.envs(self.variables.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        Running::start(command).end()
    }

    /// The answer to `--output json`, which must fit its schema.
    #[track_caller]
    pub(super) fn json(&self, arguments: &[&str]) -> Value {
        let said = self.run(&[arguments, &["--output", "json"]].concat());
        let answer = said.json();
        fits(&answer);
        assert_eq!(said.code == 0, answer.get("error").is_none(), "{answer:#}");
        answer
    }

    pub(super) fn git(&self, arguments: &[&str]) {
        let mut command = Command::new("git");
        self.dress(&mut command).args(arguments).env("GIT_CONFIG_NOSYSTEM", "1");
        for who in ["AUTHOR", "COMMITTER"] {
            command.env(format!("GIT_{who}_NAME"), "Ada").env(format!("GIT_{who}_EMAIL"), "ada@example.com");
            command.env(format!("GIT_{who}_DATE"), "2020-01-10T00:30:00Z");
        }
        let output = command.output().unwrap();
        assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

/// A server on the loopback that answers each request by its head: status with reason and further headers, and body.
pub(super) fn server(answer: impl Fn(&str) -> (String, String) + Send + 'static) -> std::net::SocketAddr {
    use std::io::{BufRead as _, BufReader, Write as _};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut reader = BufReader::new(stream.unwrap());
            let (mut head, mut line) = (String::new(), Vec::new());
            // The first byte of TLS is no letter: who speaks it is shown the door, and comes back in plain http.
            let is_plain =
                reader.fill_buf().is_ok_and(|bytes| bytes.first().is_some_and(u8::is_ascii_alphabetic));
            while is_plain && reader.read_until(b'\n', &mut line).is_ok_and(|n| n > 2) {
                head += &String::from_utf8_lossy(&std::mem::take(&mut line)).to_lowercase();
            }
            if is_plain {
                let (status, body) = answer(&head);
                let length = body.len();
                let text = format!(
                    "HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
                );
                let _ = reader.into_inner().write_all(text.as_bytes());
            }
        }
    });
    address
}
