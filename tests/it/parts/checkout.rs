//! A repository in a folder with a space, whose workflow act runs with this project's action.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;
use testbed::Home;

use super::run;

pub const TIDEGATE: &str = env!("CARGO_BIN_EXE_tidegate");

pub struct Checkout {
    folder: TempDir,
}

impl Checkout {
    /// With the action as it is, and a workflow in which `PROGRAM` stands for the binary.
    pub fn new(workflow: &str) -> Self {
        let new = Self { folder: tempfile::tempdir().unwrap() };
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        for folder in [".github/workflows", "action"] {
            fs::create_dir_all(new.path(folder)).unwrap();
        }
        fs::copy(root.join("action.yml"), new.path("action.yml")).unwrap();
        for entry in fs::read_dir(root.join("action")).unwrap().map(|entry| entry.unwrap().path()) {
            fs::copy(&entry, new.path("action").join(entry.file_name().unwrap())).unwrap();
        }
        new.write(".github/workflows/ship.yml", &workflow.replace("PROGRAM", TIDEGATE));
        new.git(&["init", "-q"]);
        new.git(&["remote", "add", "origin", "https://github.com/acme/shop.git"]);
        new
    }

    /// A file of the repository.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join("the shop").join(name)
    }

    /// A file beside the repository.
    pub fn beside(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        fs::write(self.path(name), text).unwrap();
    }

    pub fn git(&self, arguments: &[&str]) -> String {
        let own = ["user.name=test", "user.email=test@example.com", "init.defaultBranch=main"];
        let mut git = Command::new("git");
        git.args(own.iter().flat_map(|one| ["-c", one]));
        run(git.current_dir(self.path("")).args(arguments)).trim().to_owned()
    }

    /// Commits all there is; gives the commit.
    pub fn commit(&self, message: &str) -> String {
        self.git(&["add", "."]);
        self.git(&["commit", "-qm", message]);
        self.git(&["rev-parse", "HEAD"])
    }

    /// act for an event. Steps of the workflow may write what they were given to `$OUT`.
    pub fn act(&self, event: &str) -> Command {
        let mut act = Command::new(Home::of_user().unwrap().program("act"));
        // A home of its own: act asks a new user what image he wants, and writes his choice there.
        act.env("HOME", self.folder.path()).env("XDG_CACHE_HOME", self.beside("cache"));
        act.current_dir(self.path("")).args([event, "-P", "ubuntu-latest=-self-hosted", "--no-cache-server"]);
        act.arg("--env").arg(format!("OUT={}", self.beside("out").display()));
        act
    }

    /// The lines that a step wrote to `$OUT`.
    pub fn out(&self) -> Vec<String> {
        let text = fs::read_to_string(self.beside("out")).unwrap();
        text.lines().map(str::to_owned).collect()
    }
}
