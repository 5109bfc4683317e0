//! A registry of a test's own, and a containerd to pull from it: Debian's programs, on the loopback, set up as the test wants them.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use testbed::Home;

use crate::tiers::wanted;

/// No program here takes longer to come up.
const SOON: Duration = Duration::from_secs(20);

/// A registry that belongs to one test.
pub(super) struct Own {
    pub(super) address: SocketAddr,
    folder: TempDir,
    room: Option<u32>,
    child: Child,
}

impl Own {
    /// Starts one; nothing when the tier is not wanted. `more` are lines of its configuration; `room` are the MiB that its disk has.
    pub(super) fn start(test: &str, more: &str, room: Option<u32>) -> Option<Self> {
        if !wanted("testbed", test) {
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let own = Self::in_folder(address, folder.path(), more, room);
        Some(Self { address, room, child: own, folder })
    }

    fn in_folder(address: SocketAddr, folder: &Path, more: &str, room: Option<u32>) -> Child {
        let data = folder.join("data");
        fs::create_dir_all(&data).unwrap();
        let text = format!(
            "version: 0.1\nlog: {{ level: error, accesslog: {{ disabled: true }} }}\nhttp: {{ addr: \"{address}\" }}\nstorage:\n  \
             filesystem: {{ rootdirectory: {} }}\n{more}\n",
            data.display()
        );
        fs::write(folder.join("registry.yaml"), text).unwrap();
        Self::launch(address, folder, room)
    }

    fn launch(address: SocketAddr, folder: &Path, room: Option<u32>) -> Child {
        let program = Home::of_user().unwrap().debian("usr/bin/docker-registry");
        let configuration = folder.join("registry.yaml");
        let mut command = match room {
            None => Command::new(&program),
            // The disk is seen by the registry alone, and goes with it.
            Some(room) => {
                let mut command = Command::new("unshare");
                command.args(["--mount", "--propagation", "private", "sh", "-c"]);
                command.arg("mount -t tmpfs -o size=\"$1\" none \"$2\" && shift 2 && exec \"$@\"").arg("sh");
                command.arg(format!("{room}m")).arg(folder.join("data")).arg(&program);
                command
            }
        };
        let log = fs::File::options().create(true).append(true).open(folder.join("log")).unwrap();
        command.arg("serve").arg(configuration).stdin(Stdio::null());
        let mut child = command.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
        let begun = Instant::now();
        while TcpStream::connect(address).is_err() {
            let ended = child.try_wait().unwrap();
            let log = || fs::read_to_string(folder.join("log")).unwrap();
            assert!(ended.is_none() && begun.elapsed() < SOON, "the registry does not come up: {}", log());
            std::thread::sleep(Duration::from_millis(20));
        }
        child
    }

    /// Its folder: `data` is what it keeps.
    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Ends it without a word.
    pub(super) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Starts it again, with what it kept, at the address that it had.
    pub(super) fn again(&mut self) {
        self.kill();
        self.child = Self::launch(self.address, self.folder.path(), self.room);
    }

    /// The folder of a repository on its disk.
    pub(super) fn repository(&self, name: &str) -> PathBuf {
        let folder = self.path().join(format!("data/docker/registry/v2/repositories/{name}"));
        match self.room {
            None => folder,
            // A disk of its own is seen from within only.
            Some(_) => {
                Path::new(&format!("/proc/{}/root", self.child.id())).join(folder.strip_prefix("/").unwrap())
            }
        }
    }

    /// The tags of a repository, by what lies on its disk.
    pub(super) fn tags(&self, repository: &str) -> Vec<String> {
        let entries =
            fs::read_dir(self.repository(repository).join("_manifests/tags")).into_iter().flatten().flatten();
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A containerd of its own, which pulls and unpacks but runs nothing.
pub(super) struct Containerd {
    folder: TempDir,
    ctr: PathBuf,
    child: Child,
}

impl Containerd {
    pub(super) fn start() -> Self {
        let home = Home::of_user().unwrap();
        // The path of a socket may not be long.
        let folder = tempfile::tempdir_in("/tmp").unwrap();
        let at = folder.path().display();
        let text = format!(
            "version = 2\nroot = \"{at}/root\"\nstate = \"{at}/state\"\ndisabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n\
             [grpc]\naddress = \"{at}/socket\"\n"
        );
        fs::write(folder.path().join("config.toml"), text).unwrap();
        let log = fs::File::create(folder.path().join("log")).unwrap();
        let mut command = Command::new(home.debian("usr/bin/containerd"));
        command.arg("--config").arg(folder.path().join("config.toml")).stdin(Stdio::null());
        let child = command.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
        let own = Self { ctr: home.debian("usr/bin/ctr"), folder, child };
        let begun = Instant::now();
        while !own.ctr(&["version"]).output().unwrap().status.success() {
            let log = || fs::read_to_string(own.folder.path().join("log")).unwrap();
            assert!(begun.elapsed() < SOON, "containerd does not come up: {}", log());
            std::thread::sleep(Duration::from_millis(50));
        }
        own
    }

    fn ctr(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.ctr);
        command.arg("--address").arg(self.folder.path().join("socket")).args(words);
        command
    }

    /// Pulls an image and unpacks it, with every layer held against its digest; then forgets it, so that the next is pulled whole.
    pub(super) fn pull(&self, name: &str) {
        super::run(&mut self.ctr(&["image", "pull", "--plain-http", "--snapshotter", "native", name]));
        super::run(&mut self.ctr(&["image", "rm", "--sync", name]));
    }
}

impl Drop for Containerd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
