//! The start and the end of the holder, seen from outside of its namespaces.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};

use crate::control::{Part, Request, Word};
use crate::process::tail;
use crate::{Bed, BedError, Home, address, home, requirements};

/// How long the holder may take to make its world.
const WORLD: Duration = Duration::from_secs(30);
/// How long the kernel may take to end a whole testbed.
const END: Duration = Duration::from_secs(30);
/// The link by which the host is wired to the testbed. It goes with the testbed.
const LINK: &str = "tidegate0";

/// Starts the testbed unless it runs, and in it the parts. `app` is the `tidegate` binary that the sample's images are made of;
/// `tell` hears what is waited for.
///
/// # Errors
/// When this machine cannot run it, when it is not installed, or when a part fails; then with the part's last log lines.
pub async fn up(home: &Home, app: &Path, parts: &[Part], tell: &dyn Fn(&str)) -> Result<Bed, BedError> {
    requirements::check(home)?;
    let bed = Bed::at(home.clone());
    if bed.ask(Request::Status, &|_| ()).await.is_err() {
        // Whatever an earlier testbed left, killed or broken, goes first.
        down(home)?;
        tell("making the namespaces");
        launch(home, app)?;
        wait_for(&bed).await?;
        wire()?;
    }
    bed.ask(Request::Up(parts.to_vec()), &|word| {
        if let Word::Now(what) = word {
            tell(what);
        }
    })
    .await?;
    Ok(bed)
}

/// Ends the testbed and removes what it left: one signal to the first process of its namespace, with which the kernel ends all
/// others. Doing it twice is doing it once.
///
/// # Errors
/// When the process does not end, or what it left cannot be removed.
pub fn down(home: &Home) -> Result<(), BedError> {
    if let Some(pid) = running() {
        kill_process(pid, Signal::KILL).map_err(|e| BedError::new(format!("cannot end the testbed: {e}")))?;
        let end = Instant::now() + END;
        while running().is_some() {
            if Instant::now() > end {
                return Err(BedError::new(format!(
                    "the testbed (process {}) has not ended {} s after SIGKILL: the kernel waits for something, \
                     which its log may tell",
                    pid.as_raw_nonzero(),
                    END.as_secs()
                )));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    // The kernel takes the namespace's links down in its own time; the next start is not to find this one. Mostly it is gone.
    let _ = Command::new("ip").args(["link", "delete", LINK]).stderr(Stdio::null()).status();
    remove_groups();
    for folder in [home.state(), Path::new(home::RUN).to_owned()] {
        remove(&folder)?;
    }
    Ok(())
}

/// The holder's `unshare`, by the id and the start time that were written down: an id alone may belong to another by now.
fn running() -> Option<Pid> {
    let known = fs::read_to_string(home::run("pid")).ok()?;
    let (id, started) = known.trim().split_once(' ')?;
    let pid = Pid::from_raw(id.parse().ok()?)?;
    (test_kill_process(pid).is_ok() && start_time(pid)? == started).then_some(pid)
}

/// Field 22 of `/proc/PID/stat` (proc(5)); nothing for a process that has ended and is not yet reaped.
fn start_time(pid: Pid) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).ok()?;
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace();
    (fields.next()? != "Z").then(|| fields.nth(18).map(str::to_owned))?
}

fn launch(home: &Home, app: &Path) -> Result<(), BedError> {
    let (state, own) = (home.state(), home.path());
    for folder in [&state, &own.join("images"), &home::run("log"), &home::run("app")] {
        fs::create_dir_all(folder).map_err(|e| BedError::file("make the folder", folder, &e))?;
    }
    place(app)?;
    let log = fs::File::create(home::run("log/holder.log"));
    let log = log.map_err(|e| BedError::file("write", home::run("log/holder.log"), &e))?;
    let both = log.try_clone().map_err(|e| BedError::file("write", home::run("log/holder.log"), &e))?;
    let this = std::env::current_exe().map_err(|e| BedError::new(format!("cannot find myself: {e}")))?;
    // Folders of the user's may have spaces and longer names than a socket's address takes: inside they have short ones.
    let bind = "run=$1; home=$2; shift 2; for one in bin debian manifests images state; do mkdir -p \"$run/$one\"; \
                mount --bind \"$home/$one\" \"$run/$one\"; done; exec \"$@\"";
    let mut command = Command::new("unshare");
    command.args(["--mount", "--pid", "--fork", "--mount-proc", "--net", "--uts", "--ipc"]);
    command.args(["--kill-child=KILL", "--", "sh", "-ec", bind, "sh", home::RUN]);
    command.arg(own).arg(home.debian("usr/bin/tini-static")).arg("--").arg(this).arg("hold");
    command.stdin(Stdio::null()).stdout(log).stderr(both).process_group(0);
    let child = command.spawn().map_err(|e| BedError::new(format!("cannot start `unshare`: {e}")))?;
    let id = child.id().to_string();
    let pid = id.parse().ok().and_then(Pid::from_raw);
    let started = pid.and_then(start_time).unwrap_or_default();
    fs::write(home::run("pid"), format!("{id} {started}\n"))
        .map_err(|e| BedError::file("write", home::run("pid"), &e))
}

/// Lays the binary down for the images, without its symbols where the tool for that is there: they are half of a debug build.
fn place(app: &Path) -> Result<(), BedError> {
    let to = home::run("app/tidegate");
    let stripped = Command::new("strip").arg("-o").arg(&to).arg(app).output();
    if stripped.is_ok_and(|output| output.status.success()) {
        return Ok(());
    }
    fs::copy(app, &to).map(drop).map_err(|e| BedError::file("copy the app from", app, &e))
}

async fn wait_for(bed: &Bed) -> Result<(), BedError> {
    let end = Instant::now() + WORLD;
    while bed.ask(Request::Status, &|_| ()).await.is_err() {
        if running().is_none() || Instant::now() > end {
            let log = tail(&home::run("log/holder.log"));
            return Err(BedError { why: "the testbed's namespaces could not be made".to_owned(), log });
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

/// Wires the host to the bridge, and tells it the way to pods and Services.
fn wire() -> Result<(), BedError> {
    let outer = running().ok_or_else(|| BedError::new("the testbed ended as soon as it had begun"))?;
    let outer = outer.as_raw_nonzero();
    let children = fs::read_to_string(format!("/proc/{outer}/task/{outer}/children")).unwrap_or_default();
    let inner = children.split_whitespace().next();
    let inner = inner.ok_or_else(|| BedError::new("the testbed's first process is not to be found"))?;
    let mut lines = vec![
        format!("ip link add {LINK} type veth peer name host netns {inner}"),
        format!("nsenter --target {inner} --net -- ip link set host master bed0 up"),
        format!("ip address add {}/24 dev {LINK}", address::HOST),
        format!("ip link set {LINK} up"),
        format!("ip route add {} via {}", address::SERVICES, address::node(1)),
    ];
    for number in 1..=3 {
        lines.push(format!("ip route add {} via {}", address::pods(number), address::node(number)));
    }
    for line in lines {
        let output = Command::new("sh").args(["-c", &line]).output();
        let output = output.map_err(|e| BedError::new(format!("cannot start `sh`: {e}")))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(BedError::new(format!("`{line}` failed: {}", said.trim())));
        }
    }
    Ok(())
}

/// Removes the empty control groups, the innermost first. The kernel may need a moment after the last process.
fn remove_groups() {
    let mounted = fs::read_dir("/sys/fs/cgroup").into_iter().flatten().flatten().map(|entry| entry.path());
    let roots = mounted.chain([Path::new("/sys/fs/cgroup").to_owned()]);
    for root in roots.map(|root| root.join(home::CGROUP)).filter(|root| root.is_dir()) {
        for _ in 0..20 {
            remove_group(&root);
            if !root.exists() {
                break;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

fn remove_group(group: &Path) {
    let inner = fs::read_dir(group).into_iter().flatten().flatten().map(|entry| entry.path());
    inner.filter(|path| path.is_dir()).for_each(|path| remove_group(&path));
    // What cannot go yet is tried again.
    let _ = fs::remove_dir(group);
}

fn remove(folder: &Path) -> Result<(), BedError> {
    match fs::remove_dir_all(folder) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(BedError::file("remove", folder, &e)),
        _ => Ok(()),
    }
}
