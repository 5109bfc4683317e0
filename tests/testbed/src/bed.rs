//! The testbed that runs, as a test sees it.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::time::timeout;

use crate::control::{Request, Word};
use crate::parts::mariadb;
use crate::parts::services::PASSWORD;
use crate::{BedError, Home, home, launch};

/// How long the holder may be silent in the middle of an answer. Each of its own waits is shorter.
const SILENCE: Duration = Duration::from_secs(400);

/// A testbed that runs on this machine.
#[derive(Debug, Clone)]
pub struct Bed {
    home: Home,
}

impl Bed {
    /// The testbed of that folder.
    #[must_use]
    pub fn at(home: Home) -> Self {
        Self { home }
    }

    /// The folder of what is installed.
    #[must_use]
    pub fn home(&self) -> &Home {
        &self.home
    }

    /// Asks the holder for something; `tell` hears each word of the answer.
    ///
    /// # Errors
    /// When no testbed runs, and what the holder says.
    pub async fn ask(&self, request: Request, tell: &dyn Fn(&Word)) -> Result<Vec<String>, BedError> {
        let socket = home::run("control.sock");
        let none = |e| BedError::new(format!("no testbed runs here ({e}); `make testbed-up` starts one"));
        let (read, mut write) = UnixStream::connect(socket).await.map_err(none)?.into_split();
        let mut line = serde_json::to_string(&request).map_err(|e| BedError::new(e.to_string()))?;
        line.push('\n');
        let gone = |e| BedError::new(format!("the testbed went away in the middle of an answer: {e}"));
        write.write_all(line.as_bytes()).await.map_err(gone)?;
        let mut lines = BufReader::new(read).lines();
        let silent = |_| BedError::new(format!("the testbed said nothing for {} s", SILENCE.as_secs()));
        while let Some(line) = timeout(SILENCE, lines.next_line()).await.map_err(silent)?.map_err(gone)? {
            let word: Word = serde_json::from_str(&line).map_err(|e| BedError::new(e.to_string()))?;
            tell(&word);
            match word {
                Word::Now(_) => {}
                Word::Done(lines) => return Ok(lines),
                Word::Failed(error) => return Err(error),
            }
        }
        Err(BedError::new("the testbed went away in the middle of an answer"))
    }

    /// The kubeconfig of one of the identities: `admin`, or `deployer`, `reader` and `stranger`, who have no right until a test
    /// binds one to the user of that name.
    #[must_use]
    pub fn kubeconfig(&self, identity: &str) -> PathBuf {
        home::run("kubeconfig").join(identity)
    }

    /// A file among the testbed's certificates and keys.
    #[must_use]
    pub fn pki(&self, file: &str) -> PathBuf {
        home::run("pki").join(file)
    }

    /// `kubectl` as that identity.
    #[must_use]
    pub fn kubectl(&self, identity: &str) -> Command {
        let mut command = Command::new(self.home.program("kubectl"));
        // What it remembers of a cluster that will be gone is not for the user's home.
        command.env("HOME", home::run("home")).arg("--kubeconfig").arg(self.kubeconfig(identity));
        command
    }

    /// The password of PostgreSQL's superuser `postgres`.
    ///
    /// # Errors
    /// When PostgreSQL was not started.
    pub fn database_password(&self) -> Result<String, BedError> {
        let file = home::run(PASSWORD);
        std::fs::read_to_string(&file).map_err(|e| BedError::file("read", &file, &e))
    }

    /// The password of MariaDB's user `tidegate`, who may do everything.
    ///
    /// # Errors
    /// When MariaDB was not started.
    pub fn mariadb_password(&self) -> Result<String, BedError> {
        let file = home::run(mariadb::PASSWORD);
        std::fs::read_to_string(&file).map_err(|e| BedError::file("read", &file, &e))
    }

    /// A program that runs within the testbed, where Debian's packages are: on its network, and with what it writes beneath
    /// `/etc` and `/var` thrown away. Folders of the host's but for `/run` are where they are.
    ///
    /// # Errors
    /// When no testbed runs.
    pub fn inside(&self, name: &str) -> Result<Command, BedError> {
        let inner = launch::inner().ok_or_else(|| BedError::new("no testbed runs here"))?;
        let mut command = Command::new("nsenter");
        command.arg("--target").arg(inner.as_raw_nonzero().to_string()).args(["--mount", "--net", "--"]);
        command.env("HOME", home::run("home")).arg(name);
        Ok(command)
    }

    /// The Docker client, with buildx, pointed at the testbed's engine. Nothing of the user's configuration is read.
    #[must_use]
    pub fn docker(&self) -> Command {
        let mut command = Command::new(self.home.debian("usr/bin/docker"));
        command.env("DOCKER_CONFIG", self.home.docker_config());
        command.env("DOCKER_HOST", format!("unix://{}", home::run("docker.sock").display()));
        command
    }
}
