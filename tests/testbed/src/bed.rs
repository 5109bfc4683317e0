//! The testbed that runs, as a test sees it.

use std::path::PathBuf;
use std::process::Command;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;

use crate::control::{Request, Word};
use crate::{BedError, Home, home};

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
        while let Some(line) = lines.next_line().await.map_err(gone)? {
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

    /// `kubectl` as that identity.
    #[must_use]
    pub fn kubectl(&self, identity: &str) -> Command {
        let mut command = Command::new(self.home.program("kubectl"));
        command.arg("--kubeconfig").arg(self.kubeconfig(identity));
        command
    }

    /// A program of Debian's, with the libraries that came with it.
    #[must_use]
    pub fn debian(&self, path: &str) -> Command {
        let mut command = Command::new(self.home.debian(path));
        let libraries = format!("usr/lib/{}-linux-gnu", std::env::consts::ARCH);
        command.env("LD_LIBRARY_PATH", self.home.debian(&libraries));
        command
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
